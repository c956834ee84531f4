//! Sessions that wait: those of other nodes, and the ends of all.

use std::sync::Arc;
use std::time::SystemTime;

use campanile_recorder::Moment;
use campanile_semconv::{attribute as key, event, span};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;

use super::{Away, Held, Hub, Standing, Table, valid};
use crate::Cause;
use crate::endpoint::Series;
use crate::ledger::Outcome;
use crate::line::{Order, Signal, hand_over};
use crate::mark::Mark;
use crate::outbox::cut_later;
use crate::resume::ladder::SessionEnd;
use crate::resume::logical::Debt;
use crate::resume::replay::Seq;
use crate::resume::store::Before;
use crate::sessions::Sessions;

/// After so many milliseconds a session that was let go for another node, or adopted from one that
/// may only have been slow, waits for its client.
pub(super) const SETTLED: u64 = 5_000;

impl Hub {
    /// Lets a session go that another node asks for: its connection is closed, and what is left is
    /// saved.
    pub(crate) fn release(&self, sessions: &Sessions, sid: u128) {
        let mut table = self.lock();
        let Some(Held::Attached(old)) = table.held.get(&sid) else {
            return;
        };
        let old = old.clone();
        let parked = Arc::new(Signal::parked(&old));
        hand_over(&old, &parked);
        old.order(Order::Superseded);
        cut_later(&old);
        if let Some((at, _)) = parked.detach(Cause::Superseded, false) {
            let away = Away {
                signal: parked.clone(),
                at,
                since: self.now(),
                standing: Standing::LetGo,
            };
            table.waiting.insert((at, sid));
            table.held.insert(sid, Held::Detached(away));
        }
        drop(table);
        sessions.activate(parked);
    }

    /// Another node holds a session at this generation now; `ours` as in
    /// [`leave_behind`](Self::leave_behind).
    ///
    /// It may be the generation that is held here: a node that was thought gone takes back what was
    /// adopted from it, and of two nodes that could not ask the store and both went on with a
    /// session the other one was faster to tell. Then our client may go on there.
    pub(crate) fn claimed(&self, sid: u128, generation: u32, ours: bool) {
        let mut table = self.lock();
        let Some(held) = table.held.get(&sid).and_then(Held::generation) else {
            return self.strange(sid, generation);
        };
        let ahead = Seq(generation).since(Seq(held));
        if ours && ahead == Some(0) && matches!(table.held.get(&sid), Some(Held::Adopted(_))) {
            // That is of what we held before: what nobody counts may be taken back, no other.
            return;
        }
        let ours = self.is_ours(&table, sid, ours);
        match ahead {
            None => None,
            Some(0) => self.leave_behind(&mut table, sid, ours, Order::Elsewhere),
            Some(_) => self.leave_behind(&mut table, sid, ours, Order::Superseded),
        };
    }

    /// Whether it is ours to count that a session lost its connection which another node has taken
    /// away, by what the store says (`ours`).
    fn is_ours(&self, table: &Table, sid: u128, ours: bool) -> bool {
        let Some(held) = table.held.get(&sid) else {
            return ours;
        };
        if held.is_known() != Some(false) {
            return ours;
        }
        if let Some(signal) = held.signal().filter(|_| ours) {
            // That is of an earlier connection.
            signal.settle(Before::Own);
        }
        // Of one that only we know nobody else can count anything.
        true
    }

    /// Another node has ended a session of this generation, and has counted that; `ours` as in
    /// [`leave_behind`](Self::leave_behind). If that node has had the session itself, and we have
    /// counted one that was thought lost, there are two ends. One that had gone on from here is as
    /// good as claimed.
    pub(crate) fn ended(&self, sid: u128, generation: u32, ours: bool) {
        let mut table = self.lock();
        match table.held.get(&sid).and_then(Held::generation) {
            Some(held) if held == generation => {
                let counted = match table.held.get(&sid) {
                    Some(Held::Detached(away)) => {
                        away.signal.end_held(Outcome::Lost);
                        let is_counted = away.standing == Standing::Counted;
                        is_counted.then(|| away.signal.series.clone())
                    }
                    Some(Held::Adopted(orphan)) => {
                        orphan.is_counted().then(|| orphan.series.clone())
                    }
                    _ => None,
                };
                if let Some(series) = counted.filter(|_| !ours) {
                    series.session_ended(SessionEnd::Superseded);
                }
                self.leave_behind(&mut table, sid, ours, Order::Elsewhere);
            }
            Some(held) if Seq(generation).since(Seq(held)).is_some() => {
                let ours = self.is_ours(&table, sid, ours);
                self.leave_behind(&mut table, sid, ours, Order::Elsewhere);
            }
            Some(_) => {}
            None => self.strange(sid, generation),
        }
    }

    /// Sessions whose window is over, with their generation and whether the store knows them; and
    /// whether it has been over for so long that the store must have been right to disagree.
    pub(crate) fn over(&self, now: u64) -> Vec<Over> {
        let window = self.window();
        let table = self.lock();
        let over = table
            .waiting
            .iter()
            .take_while(|(at, _)| now > at.saturating_add(window));
        let over = over.filter_map(|&(at, sid)| {
            let held = table.held.get(&sid)?;
            Some(Over {
                sid,
                generation: held.generation()?,
                long: now > at.saturating_add(window).saturating_add(5_000),
            })
        });
        over.collect()
    }

    /// Those that have waited longest, past the number of sessions that may wait.
    pub(crate) fn too_many(&self) -> Vec<(u128, u32)> {
        let table = self.lock();
        let excess = table.waiting.len().saturating_sub(self.settings.detached);
        let first = table.waiting.iter().take(excess);
        let first = first.filter_map(|(_, sid)| Some((*sid, table.held.get(sid)?.generation()?)));
        first.collect()
    }

    /// Tells of sessions that were let go for another node which then did not claim them: from now
    /// on they wait for their client.
    pub(crate) fn settle(&self, now: u64) {
        let table = self.lock();
        for held in table.held.values() {
            let Held::Detached(away) = held else { continue };
            if away.standing == Standing::LetGo && now > away.since.saturating_add(SETTLED) {
                away.signal.logical(|logical| {
                    if let Some(detached) = &mut logical.detached
                        && !std::mem::replace(&mut detached.counted, true)
                    {
                        logical.touch();
                    }
                });
            }
        }
    }

    /// Ends a session that waits, at this generation; false if it does not wait any more. The store
    /// knows of it, and had this before; or else it is told.
    pub(crate) fn finish(
        &self,
        sessions: &Sessions,
        (sid, generation): (u128, u32),
        end: SessionEnd,
        before: Option<Before>,
    ) -> bool {
        let mut table = self.lock();
        let held = table.held.get(&sid);
        let waits = held.is_some_and(|held| {
            held.generation() == Some(generation) && !matches!(held, Held::Attached(_))
        });
        if !waits {
            return false;
        }
        let was_counted = held.is_some_and(Held::is_counted);
        let (series, debt, mark, lost) = match table.held.remove(&sid) {
            Some(Held::Detached(away)) => {
                table.waiting.remove(&(away.at, sid));
                let series = away.signal.series.clone();
                match away.standing {
                    Standing::Counted => series.detached(-1),
                    Standing::Untold | Standing::LetGo => series.detachment(),
                }
                let debt = away.signal.take_debt();
                let (mark, lost) = away.signal.end_held(Outcome::Lost);
                (series, debt, mark, lost)
            }
            Some(Held::Adopted(orphan)) => {
                table.waiting.remove(&(orphan.at(), sid));
                match orphan.is_counted() {
                    true => orphan.series.detached(-1),
                    false => orphan.series.detachment(),
                }
                let mark = Mark::from_bytes(orphan.record.mark);
                (orphan.series, Debt::None, mark, 0)
            }
            _ => return false,
        };
        drop(table);
        match before {
            Some(_) => debt.settle(before, &series),
            None if was_counted => self.forget(&series, (sid, generation), Debt::End),
            None => self.forget(&series, (sid, generation), debt),
        }
        series.session_ended(end);
        tell_end(sessions, &series, sid, mark, lost, end);
        true
    }

    /// The session of this id and generation has moved on without us. Whoever has taken it away has
    /// counted that, unless the store has never had it from us.
    pub(crate) fn moved(&self, (sid, generation): (u128, u32), order: Order) {
        let mut table = self.lock();
        let Some(held) = table.held.get(&sid) else {
            return;
        };
        if held.generation() == Some(generation) {
            let ours = held.is_known() == Some(false);
            self.leave_behind(&mut table, sid, ours, order);
        }
    }

    /// Every session of a principal: those that wait, and the connections of the others.
    pub(crate) fn of_principal(&self, principal: &[u8]) -> (Vec<(u128, u32)>, Vec<Arc<Signal>>) {
        let owners = self.settings.keys.owners(principal);
        let table = self.lock();
        let (mut waiting, mut attached) = (Vec::new(), Vec::new());
        for (sid, held) in &table.held {
            let is_theirs = match held {
                Held::Adopted(orphan) => owners.contains(&orphan.record.principal),
                Held::Attached(signal) | Held::Detached(Away { signal, .. }) => signal
                    .identity()
                    .is_some_and(|who| *who.principal == *principal),
            };
            if !is_theirs {
                continue;
            }
            match held {
                Held::Attached(signal) => attached.push(signal.clone()),
                _ => waiting.extend(held.generation().map(|generation| (*sid, generation))),
            }
        }
        (waiting, attached)
    }
}

/// A session whose window is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Over {
    pub(crate) sid: u128,
    pub(crate) generation: u32,
    pub(crate) long: bool,
}

/// Reports the end of a session that waited, linked to the last span of its story.
fn tell_end(
    sessions: &Sessions,
    series: &Series,
    sid: u128,
    mark: Mark,
    lost: u32,
    end: SessionEnd,
) {
    let mut attributes = series.common();
    attributes.extend([
        KeyValue::new(key::SESSION_ID, format!("{sid:032x}")),
        KeyValue::new(key::WEBSOCKET_SESSION_END, end.as_str()),
        KeyValue::new(key::WEBSOCKET_LOST_COUNT, i64::from(lost)),
    ]);
    let now = SystemTime::now();
    let links: Vec<SpanContext> = valid(mark).into_iter().collect();
    let moment = Moment {
        name: span::WEBSOCKET_EXPIRE,
        start: now,
        end: now,
        parent: None,
        sampled_as: Some(sid.into()),
        links: &links,
        attributes,
        error: None,
    };
    let told = sessions.moment(sessions.recorder(), sid, moment);
    if told.is_valid() {
        log_end(series, sid, end);
    }
}

/// Says in the log that a session is over.
pub(crate) fn log_end(series: &Series, sid: u128, end: SessionEnd) {
    tracing::info!(
        target: "campanile",
        event = event::SESSION_END,
        { key::SESSION_ID } = format!("{sid:032x}"),
        { key::WEBSOCKET_ENDPOINT } = series.endpoint,
        { key::WEBSOCKET_SESSION_END } = end.as_str(),
        "a websocket session is over: {}",
        end.as_str(),
    );
}
