//! A claim: what this node knows of the session, then what the store does.

use std::time::Duration;

use super::tail::whole_tail;
use super::{Ahead, Arrival, Ask, Found, Who};
use crate::mark::Mark;
use crate::resume::SessionEnd;
use crate::resume::keeper::{CLAIM, END, asked};
use crate::resume::ladder::Rung;
use crate::resume::logical::Plan;
use crate::resume::replay::Seq;
use crate::resume::store::{Before, Claim, Claimed, Detached, Record, Taken};
use crate::resume::table::{Hub, Local, valid};
use crate::resume::token::Token;
use crate::{Cause, Role, Sessions};

/// How often, and for how long, a node that has the session attached is asked to let go.
const AGAIN: Duration = Duration::from_millis(100);
const TIMES: u32 = 20;

/// A client, and the token that it brought.
pub(super) struct Attempting<'a> {
    pub(super) hub: &'a Hub,
    pub(super) sessions: &'a Sessions,
    pub(super) ask: &'a Ask,
    pub(super) who: Who<'a>,
    pub(super) token: &'a Token,
}

/// What a claim found out.
enum Claiming {
    Taken(Box<Taken>),
    Failed(Rung),
    /// The store does not know the session, or nothing.
    Without(Option<Rung>),
}

impl Attempting<'_> {
    pub(super) async fn run(&self) -> Result<Result<Arrival, Rung>, Ahead> {
        if let Some(local) = self.local()
            && let Some(outcome) = self.known(&local).await
        {
            return outcome.map(Err);
        }
        if self.hub.is_gone(self.token.sid) {
            return Ok(Err(Rung::UnknownSession));
        }
        match self.claim().await {
            Claiming::Taken(taken) => self.taken(*taken).map(Ok),
            Claiming::Failed(rung) => Ok(Err(rung)),
            Claiming::Without(otherwise) => self.without(otherwise),
        }
    }

    /// What this node knows before the store does, as that is told behind.
    async fn known(&self, local: &Local) -> Option<Result<Rung, Ahead>> {
        match local.takes(self.token.generation) {
            None => return None,
            Some(true) if local.plan.is_none() => return Some(Err(Ahead)),
            Some(true) => {}
            // The client has a newer token.
            Some(false) => {
                if local.detached.is_some() {
                    self.supersede(local.generation).await;
                }
                return Some(Ok(Rung::TokenReplayed));
            }
        }
        self.is_over(local).then_some(Ok(Rung::Expired))
    }

    async fn claim(&self) -> Claiming {
        let Self { hub, token, .. } = self;
        for time in 0..=TIMES {
            let claim = Claim {
                sid: token.sid,
                generation: token.generation,
                node: hub.node,
                now: self.ask.t1,
                force: time == TIMES,
            };
            let store = &hub.settings.store;
            let answer = asked(self.sessions, CLAIM, store.claim(claim)).await;
            return match answer {
                None => Claiming::Without(None),
                Some(Claimed::Unknown) => Claiming::Without(Some(Rung::UnknownSession)),
                Some(Claimed::Expired) => Claiming::Failed(Rung::Expired),
                Some(Claimed::Replayed(record)) => {
                    self.replayed(&record).await;
                    Claiming::Failed(Rung::TokenReplayed)
                }
                Some(Claimed::Taken(taken)) => Claiming::Taken(taken),
                Some(Claimed::Open(_)) => {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            };
        }
        Claiming::Without(None)
    }

    /// The token was used before. A session that waits for the client that brings an old token
    /// waits in vain, as that client gets a new one now.
    async fn replayed(&self, record: &Record) {
        if record.detached.is_some() {
            self.supersede(record.generation).await;
        }
    }

    async fn supersede(&self, generation: u32) {
        let at = (self.token.sid, generation);
        let end = self.hub.settings.store.end(self.hub.end_of(at));
        let ended = asked(self.sessions, END, end).await;
        let Some(before) = ended.flatten().filter(|before| before.is_there()) else {
            return;
        };
        let end = SessionEnd::Superseded;
        if !self.hub.finish(self.sessions, at, end, Some(before)) {
            let series = self.sessions.series(self.who.endpoint, Role::Server);
            series.session_ended(end);
            if before == (Before::Others { counted: false }) {
                series.detachment();
            }
        }
    }

    fn is_over(&self, local: &Local) -> bool {
        let over = |at: u64| self.ask.t1 > at.saturating_add(self.hub.window());
        local.detached.is_some_and(|detached| over(detached.at))
    }

    fn local(&self) -> Option<Local> {
        self.hub.look(self.token.sid, self.ask.seq)
    }

    fn arrival(&self, generation: u32, rung: Rung, plan: Plan) -> Arrival {
        let mut arrival = Arrival::new(self.who.identity(self.token.sid), Some(rung));
        arrival.generation = generation;
        arrival.good = self.token.generation;
        arrival.seq = self.ask.seq;
        arrival.plan = plan;
        arrival.connection = generation.saturating_add(1);
        arrival
            .links
            .extend(valid(Mark::from_bytes(self.token.mark)));
        arrival
    }

    fn link(&self, arrival: &mut Arrival, mark: Mark) {
        let known = valid(mark).filter(|context| !arrival.links.contains(context));
        if let Some(context) = known {
            arrival.links.insert(0, context);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gap is far below the limit")]
    fn gap(&self, heard: u64) -> Option<f64> {
        Some(self.ask.t1.saturating_sub(heard) as f64 / 1000.0)
    }

    /// It is here, and was not claimed elsewhere.
    fn here(&self, local: &Local, generation: u32) -> Result<Arrival, Ahead> {
        let plan = local.plan.ok_or(Ahead)?;
        // One that was let go for another node's sake is claimed here after all.
        let was_away = local.detached.is_some_and(|detached| !detached.is_let_go());
        let mut arrival = self.arrival(generation, plan.rung(was_away), plan);
        arrival.found = Found::Local;
        arrival.connection = local.connection.saturating_add(1);
        arrival.cause = local.detached.map(|detached| detached.cause);
        arrival.gap = self.gap(local.detached.map_or(local.heard, |detached| detached.at));
        self.link(&mut arrival, local.mark);
        Ok(arrival)
    }

    fn taken(&self, taken: Taken) -> Result<Arrival, Ahead> {
        let Taken {
            before,
            generation,
            entries,
        } = taken;
        if before.node == self.hub.node
            && let Some(local) = self.local()
        {
            return self.here(&local, generation);
        }
        let seq = self.ask.seq;
        let ahead = before.sent.since(seq).is_none();
        if ahead && before.complete {
            self.put_back(before, generation);
            return Err(Ahead);
        }
        let is_whole = before.kept || before.complete;
        let (plan, entries) = if ahead {
            let from = seq;
            (
                Plan {
                    from,
                    ..Plan::default()
                },
                Vec::new(),
            )
        } else {
            whole_tail(seq, before.sent, entries)
        };
        // Its node has let go of it for us. One that does not is dead, or as good as.
        let let_go = before.detached.is_some_and(|detached| detached.is_let_go());
        let rung = match plan.rung(!let_go) {
            Rung::Replayed | Rung::Resumed if !is_whole => Rung::Resynced,
            rung => rung,
        };
        let mut arrival = self.arrival(generation, rung, plan);
        arrival.found = Found::Stored(entries);
        arrival.cause = before.detached.map(|detached| detached.cause);
        arrival.gap = self.gap(before.detached.map_or(before.heard, |detached| detached.at));
        let is_counted = before.detached.is_some_and(|detached| detached.counted);
        arrival.uncounted = !is_counted && !let_go;
        arrival.ours = is_counted && before.node == self.hub.node;
        self.link(&mut arrival, Mark::from_bytes(before.mark));
        Ok(arrival)
    }

    /// A client that gets no connection leaves the session that it has claimed waiting here.
    fn put_back(&self, before: Record, generation: u32) {
        let lost = Detached {
            at: before.heard,
            cause: Cause::Network,
            counted: false,
        };
        let record = Record {
            generation,
            good: self.token.generation,
            node: self.hub.node,
            detached: before.detached.or(Some(lost)),
            ..before
        };
        self.hub.put_back(self.sessions, record);
    }

    /// The store does not help: what this node knows has to do.
    fn without(&self, otherwise: Option<Rung>) -> Result<Result<Arrival, Rung>, Ahead> {
        if let Some(local) = self.local() {
            match local.takes(self.token.generation) {
                Some(true) => {
                    let next = local.generation.wrapping_add(1);
                    let mut arrival = self.here(&local, next)?;
                    arrival.reopen = true;
                    return Ok(Ok(arrival));
                }
                Some(false) => return Ok(Err(Rung::TokenReplayed)),
                None => {}
            }
        }
        if let Some(rung) = otherwise {
            return Ok(Err(rung));
        }
        // Nobody can be asked: the session goes on under its id, from where the client is.
        let from = self.ask.seq;
        let plan = Plan {
            from,
            ..Plan::default()
        };
        let held = self.hub.generation(self.token.sid);
        let held = held.filter(|held| Seq(*held).since(Seq(self.token.generation)).is_some());
        let generation = held.unwrap_or(self.token.generation).wrapping_add(1);
        let mut arrival = self.arrival(generation, Rung::Resynced, plan);
        arrival.reopen = true;
        Ok(Ok(arrival))
    }
}
