//! A session gets a connection, and loses it.

use std::sync::Arc;
use std::time::Duration;

use super::{Away, Held, Hub, Parted, Standing, Table, seconds};
use crate::Cause;
use crate::line::{Order, Signal, hand_over};
use crate::mark::Mark;
use crate::outbox::cut_later;
use crate::resume::attempt::{Arrival, Found};
use crate::resume::ladder::SessionEnd;
use crate::resume::logical::{Debt, Logical, Plan};
use crate::resume::replay::{Log, Seq};
use crate::sessions::Sessions;

impl Hub {
    /// Gives a session its new connection. `None`: a later claim was faster.
    ///
    /// What the attempt comes to is decided here, under the lock: between the look at the session
    /// and now it may have lost its connection, or got another one.
    pub(crate) fn attach(
        self: &Arc<Self>,
        sessions: &Sessions,
        signal: &Arc<Signal>,
        arrival: &mut Arrival,
        mark: Mark,
    ) -> Option<Plan> {
        let sid = arrival.identity.sid;
        let mut table = self.lock();
        let held = table.held.get(&sid);
        let is_ahead = |held: u32| Seq(held).since(Seq(arrival.generation)).is_some();
        if held.and_then(Held::generation).is_some_and(is_ahead) {
            return None;
        }
        let old = match arrival.found {
            // What was here has been taken away since.
            Found::Local => Some(held?.signal()?.clone()),
            _ => None,
        };
        let mut debt = Debt::None;
        match &old {
            Some(old) => hand_over(old, signal),
            None => debt = self.replace(&mut table, arrival),
        }
        let now = sessions.clock().now();
        let wall = self.now();
        let limits = &sessions.settings().limits;
        let (plan, was_known) = {
            let mut slot = signal.lock();
            let flow = crate::line::with_flow(&mut slot, sessions, signal);
            if flow.logical.is_none() {
                let mut logical = self.logical(arrival);
                logical.debt = debt;
                flow.logical = Some(Box::new(logical));
                flow.begin_at(arrival.base());
                flow.lost(arrival.plan.lost);
                if let Found::Stored(entries) = &arrival.found {
                    for entry in entries {
                        let ago = wall.saturating_sub(entry.made);
                        let ago = crate::clock::Units::of(Duration::from_millis(ago));
                        flow.adopt(
                            now.wrapping_sub(ago),
                            sessions.settings().known(entry.class),
                        );
                    }
                }
            }
            let plan = if old.is_some() {
                flow.resume(arrival.seq, now, limits, &signal.series)
            } else {
                Some(arrival.plan)
            };
            flow.active = true;
            let logical = flow.logical.as_mut()?;
            logical.generation = arrival.generation;
            logical.good = arrival.good;
            logical.connection = arrival.connection;
            logical.mark = mark;
            logical.heard = wall;
            logical.issued = seconds(wall);
            logical.detached = None;
            let was_known = logical.is_known;
            logical.is_known = !arrival.reopen && arrival.generation > 0;
            if arrival.reopen {
                logical.is_open = false;
                logical.saved = logical.log.base();
            }
            logical.is_dirty = false;
            logical.touch();
            (plan, was_known)
        };
        let before = table.held.insert(sid, Held::Attached(signal.clone()));
        let was_away = match before {
            Some(Held::Detached(away)) => {
                table.waiting.remove(&(away.at, sid));
                let series = &away.signal.series;
                match away.standing {
                    Standing::Counted => {
                        series.detached(-1);
                        if arrival.reopen {
                            signal.logical(|logical| logical.debt = Debt::Return);
                        }
                    }
                    // Another node may have adopted it meanwhile, and count it.
                    Standing::Untold if arrival.reopen && was_known => {
                        signal.logical(|logical| logical.debt = Debt::Own);
                    }
                    // The store has given it to us, or has never known of it.
                    Standing::Untold => series.detachment(),
                    Standing::LetGo => {}
                }
                away.standing != Standing::LetGo
            }
            Some(Held::Attached(old)) => {
                old.order(Order::Superseded);
                cut_later(&old);
                if arrival.reopen {
                    // For the books it is the connection that the store knows of.
                    signal.logical(|logical| {
                        logical.is_known = was_known;
                        if logical.debt == Debt::None {
                            logical.debt = Debt::Conflict;
                        }
                    });
                }
                false
            }
            _ => true,
        };
        if let (Some(plan), Found::Local) = (plan, &arrival.found) {
            arrival.rung = Some(plan.rung(was_away));
        }
        drop(table);
        sessions.activate(signal.clone());
        plan
    }

    pub(super) fn logical(self: &Arc<Self>, arrival: &Arrival) -> Logical {
        let mut log = Log::new(self.settings.buffer, arrival.base());
        let is_open = matches!(arrival.found, Found::Stored(_));
        let mut saved = arrival.base();
        if let Found::Stored(entries) = &arrival.found {
            for entry in entries {
                let payload = entry.payload.clone();
                saved = log.put(entry.made, entry.class, entry.kind, payload);
            }
        }
        Logical {
            hub: self.clone(),
            identity: arrival.identity.clone(),
            generation: arrival.generation,
            good: arrival.good,
            cursor: arrival.plan.from,
            acked: arrival.plan.from,
            log,
            heard: 0,
            mark: Mark::default(),
            connection: arrival.connection,
            issued: 0,
            detached: None,
            saved,
            is_open,
            is_known: false,
            debt: Debt::None,
            is_dirty: false,
            outbox: None,
        }
    }

    /// What is held here of a session that comes from elsewhere goes. Returns what is left open.
    fn replace(&self, table: &mut Table, arrival: &Arrival) -> Debt {
        let sid = arrival.identity.sid;
        if !arrival.reopen {
            self.leave_behind(table, sid, arrival.ours, Order::Superseded);
            return Debt::None;
        }
        // What the store knows of, others may have taken and counted.
        let known = table.held.get(&sid).and_then(Held::is_known);
        let is_settled = self.leave_behind(table, sid, known == Some(false), Order::Superseded);
        match arrival.rung {
            Some(rung) if rung.is_return() => match is_settled {
                Some(false) => Debt::Own,
                _ => Debt::Return,
            },
            _ => Debt::None,
        }
    }

    /// A copy of a session that has gone on elsewhere is of no use any more. `ours`: that it had
    /// lost its connection here is ours to count, if that is not done. Returns whether it is counted
    /// now; `None` if there was no copy.
    pub(super) fn leave_behind(
        &self,
        table: &mut Table,
        sid: u128,
        ours: bool,
        order: Order,
    ) -> Option<bool> {
        let held = table.held.remove(&sid)?;
        let (series, was_counted) = match held {
            Held::Attached(signal) => {
                signal.order(order);
                cut_later(&signal);
                signal.end_moved();
                (signal.series.clone(), false)
            }
            Held::Detached(away) => {
                table.waiting.remove(&(away.at, sid));
                away.signal.end_moved();
                let was_counted = away.standing == Standing::Counted;
                (away.signal.series.clone(), was_counted)
            }
            Held::Adopted(orphan) => {
                table.waiting.remove(&(orphan.at(), sid));
                let was_counted = orphan.is_counted();
                (orphan.series, was_counted)
            }
        };
        if was_counted {
            series.detached(-1);
        } else if ours {
            series.detachment();
        }
        Some(was_counted || ours)
    }

    /// The connection of this signal has ended. With a cause the session may go on, else it is over.
    pub(crate) fn part(&self, signal: &Arc<Signal>, cause: Option<Cause>) -> Parted {
        let sid = signal.id();
        let mut table = self.lock();
        let is_it = |held: &Held| matches!(held, Held::Attached(at) if Arc::ptr_eq(at, signal));
        if !table.held.get(&sid).is_some_and(is_it) {
            return Parted::Over;
        }
        let Some(cause) = cause else {
            let generation = table.held.get(&sid).and_then(Held::generation);
            table.held.remove(&sid);
            let debt = signal.take_debt();
            drop(table);
            self.forget(&signal.series, (sid, generation.unwrap_or_default()), debt);
            signal.series.session_ended(SessionEnd::Client);
            return Parted::Ended;
        };
        let Some((at, pending)) = signal.detach(cause, true) else {
            table.held.remove(&sid);
            return Parted::Over;
        };
        let mut away = Away {
            signal: signal.clone(),
            at,
            since: self.now(),
            standing: Standing::Untold,
        };
        if !self.tells() {
            away.count();
        }
        table.waiting.insert((at, sid));
        table.held.insert(sid, Held::Detached(away));
        Parted::Detached(pending)
    }
}

impl Away {
    pub(super) fn count(&mut self) {
        self.standing = Standing::Counted;
        self.signal.series.detached(1);
        self.signal.series.detachment();
    }
}
