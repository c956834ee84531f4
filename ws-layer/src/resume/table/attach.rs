//! A session gets a connection, and loses it.

use std::sync::Arc;
use std::time::Duration;

use super::{Away, Held, Hub, Parted, Table, seconds, since};
use crate::Cause;
use crate::line::{Order, Signal, hand_over};
use crate::mark::Mark;
use crate::outbox::cut_later;
use crate::resume::attempt::{Arrival, Found};
use crate::resume::ladder::SessionEnd;
use crate::resume::logical::{Logical, Plan};
use crate::resume::replay::Log;
use crate::sessions::Sessions;

impl Hub {
    /// Gives a session its new connection. `None`: a later claim was faster.
    pub(crate) fn attach(
        self: &Arc<Self>,
        sessions: &Sessions,
        signal: &Arc<Signal>,
        arrival: &Arrival,
        mark: Mark,
    ) -> Option<Plan> {
        let sid = arrival.identity.sid;
        let mut table = self.lock();
        let old = match arrival.found {
            Found::Local => match table.held.get(&sid) {
                Some(held) if held.generation() >= Some(arrival.generation) => return None,
                Some(held) => held.signal().cloned(),
                None => None,
            },
            _ => None,
        };
        match &old {
            Some(old) => hand_over(old, signal),
            None => self.leave_behind(&mut table, sid),
        }
        let now = sessions.clock().now();
        let wall = self.now();
        let limits = &sessions.settings().limits;
        let plan = {
            let mut slot = signal.lock();
            let flow = crate::line::with_flow(&mut slot, sessions, signal);
            if flow.logical.is_none() {
                flow.logical = Some(Box::new(self.logical(arrival)));
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
            logical.after = None;
            if arrival.reopen {
                logical.is_open = false;
                logical.saved = logical.log.base();
            }
            logical.is_dirty = false;
            logical.touch();
            plan
        };
        let before = table.held.insert(sid, Held::Attached(signal.clone()));
        match before {
            Some(Held::Detached(away)) => {
                table.waiting.remove(&(away.at, sid));
                if away.counted {
                    away.signal.series.detached(-1);
                }
            }
            Some(Held::Attached(old)) => {
                old.order(Order::Superseded);
                cut_later(&old);
            }
            _ => {}
        }
        drop(table);
        sessions.activate(signal.clone());
        plan
    }

    pub(super) fn logical(self: &Arc<Self>, arrival: &Arrival) -> Logical {
        let mut log = Log::new(self.settings.buffer, arrival.base());
        let mut is_open = false;
        let mut saved = arrival.base();
        if let Found::Stored(entries) = &arrival.found {
            for entry in entries {
                let payload = entry.payload.clone();
                saved = log.put(entry.made, entry.class, entry.kind, payload);
            }
            is_open = true;
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
            after: None,
            saved,
            is_open,
            is_dirty: false,
            outbox: None,
        }
    }

    /// A copy of a session that has gone on elsewhere is of no use any more.
    pub(super) fn leave_behind(&self, table: &mut Table, sid: u128) {
        let Some(held) = table.held.remove(&sid) else {
            return;
        };
        match held {
            Held::Attached(signal) => {
                signal.order(Order::Superseded);
                cut_later(&signal);
                signal.end_moved();
            }
            Held::Detached(away) => {
                table.waiting.remove(&(away.at, sid));
                if away.counted {
                    away.signal.series.detached(-1);
                }
                away.signal.end_moved();
            }
            Held::Adopted(record, series) => {
                table.waiting.remove(&(since(&record), sid));
                series.detached(-1);
            }
        }
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
            drop(table);
            self.forget(sid, generation.unwrap_or_default());
            signal.series.session_ended(SessionEnd::Client);
            return Parted::Ended;
        };
        let Some((at, pending)) = signal.detach(cause) else {
            table.held.remove(&sid);
            return Parted::Over;
        };
        let away = Away {
            signal: signal.clone(),
            at,
            since: self.now(),
            counted: true,
        };
        table.waiting.insert((at, sid));
        table.held.insert(sid, Held::Detached(away));
        signal.series.detached(1);
        signal.series.detachment();
        Parted::Detached(pending)
    }
}
