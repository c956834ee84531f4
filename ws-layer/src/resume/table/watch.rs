//! Sessions that wait: those of other nodes, and the ends of all.

use std::sync::Arc;
use std::time::SystemTime;

use campanile_recorder::Moment;
use campanile_semconv::{attribute as key, event, span};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;

use super::{Away, Held, Hub, Table, since, valid};
use crate::endpoint::Series;
use crate::ledger::Outcome;
use crate::line::{Order, Signal, hand_over};
use crate::mark::Mark;
use crate::outbox::cut_later;
use crate::resume::ladder::SessionEnd;
use crate::resume::replay::Seq;
use crate::resume::store::Adopted;
use crate::sessions::Sessions;
use crate::{Cause, Role};

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
        if let Some((at, _)) = parked.detach(Cause::Superseded) {
            let away = Away {
                signal: parked.clone(),
                at,
                since: self.now(),
                counted: false,
            };
            table.waiting.insert((at, sid));
            table.held.insert(sid, Held::Detached(away));
        }
        drop(table);
        sessions.activate(parked);
    }

    /// Another node holds a session at this generation now.
    ///
    /// It may be the generation that is held here: a node that was thought gone takes back what was
    /// adopted from it, and two nodes that could not ask the store may both have opened the
    /// session; then the one that the store was told of last has it.
    pub(crate) fn claimed(&self, sid: u128, generation: u32) {
        let mut table = self.lock();
        let held = table.held.get(&sid).and_then(Held::generation);
        if held.is_some_and(|held| Seq(generation).since(Seq(held)).is_some()) {
            self.leave_behind(&mut table, sid);
        }
    }

    /// The node of this session is gone; it is ours to watch.
    pub(crate) fn adopted(&self, sessions: &Sessions, adopted: Adopted) {
        let Adopted {
            record,
            was_attached,
        } = adopted;
        let series = sessions.series_named(&record.endpoint, Role::Server);
        let mut table = self.lock();
        let held = table.held.get(&record.sid).and_then(Held::generation);
        let is_later = |held: u32| {
            let ahead = Seq(held).since(Seq(record.generation));
            ahead.is_some_and(|ahead| ahead > 0)
        };
        if held.is_some_and(is_later) {
            // Its client was faster: it has claimed here what the store had just given us.
            if was_attached {
                series.detachment();
            }
            return;
        }
        self.leave_behind(&mut table, record.sid);
        table.waiting.insert((since(&record), record.sid));
        series.detached(1);
        if was_attached {
            series.detachment();
        }
        table
            .held
            .insert(record.sid, Held::Adopted(Box::new(record), series));
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

    /// Counts the detachments that were made for another node which then did not claim.
    pub(crate) fn count_released(&self, now: u64) {
        let mut table = self.lock();
        let Table { held, .. } = &mut *table;
        for held in held.values_mut() {
            if let Held::Detached(away) = held
                && !away.counted
                && now > away.since.saturating_add(5_000)
            {
                away.counted = true;
                away.waits_for_its_client();
                away.signal.series.detached(1);
                away.signal.series.detachment();
            }
        }
    }

    /// Ends a session that waits, at this generation; false if it does not wait any more.
    pub(crate) fn finish(
        &self,
        sessions: &Sessions,
        (sid, generation): (u128, u32),
        end: SessionEnd,
    ) -> bool {
        let mut table = self.lock();
        let held = table.held.get(&sid);
        let waits = held.is_some_and(|held| {
            held.generation() == Some(generation) && !matches!(held, Held::Attached(_))
        });
        if !waits {
            return false;
        }
        let (series, mark, lost) = match table.held.remove(&sid) {
            Some(Held::Detached(away)) => {
                table.waiting.remove(&(away.at, sid));
                let series = away.signal.series.clone();
                if away.counted {
                    series.detached(-1);
                } else {
                    series.detachment();
                }
                let (mark, lost) = away.signal.end_held(Outcome::Lost);
                (series, mark, lost)
            }
            Some(Held::Adopted(record, series)) => {
                table.waiting.remove(&(since(&record), sid));
                series.detached(-1);
                (series, Mark::from_bytes(record.mark), 0)
            }
            _ => return false,
        };
        drop(table);
        series.session_ended(end);
        tell_end(sessions, &series, sid, mark, lost, end);
        true
    }

    /// The session that waits under this id has moved on without us.
    pub(crate) fn moved(&self, sid: u128) {
        self.leave_behind(&mut self.lock(), sid);
    }

    /// Every session of a principal: those that wait, and the connections of the others.
    pub(crate) fn of_principal(&self, principal: &[u8]) -> (Vec<(u128, u32)>, Vec<Arc<Signal>>) {
        let owners = self.settings.keys.owners(principal);
        let table = self.lock();
        let (mut waiting, mut attached) = (Vec::new(), Vec::new());
        for (sid, held) in &table.held {
            let is_theirs = match held {
                Held::Adopted(record, _) => owners.contains(&record.principal),
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
