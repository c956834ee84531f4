//! One attempt to resume: from the token a client brings to the rung it ends on.

mod ask;
mod guard;

use std::sync::Arc;
use std::time::Duration;

use campanile_semconv::{attribute as key, span};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;

use super::keeper::{CLAIM, END, asked};
use super::ladder::{Resumption, Rung};
use super::logical::{Identity, Plan};
use super::replay::{Logged, Seq};
use super::store::{Claim, Claimed, Record, Taken};
use super::table::{Hub, Local, valid};
use super::token::{Refused, Token};
use crate::mark::Mark;
use crate::resume::SessionEnd;
use crate::{Cause, Role, Sessions};

pub(crate) use ask::Ask;
pub(crate) use guard::Attempt;

/// How often, and for how long, a node that has the session attached is asked to let go.
const AGAIN: Duration = Duration::from_millis(100);
const TIMES: u32 = 20;

/// A session that is about to get a connection.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) identity: Arc<Identity>,
    pub(crate) generation: u32,
    /// `None` for a client that brought no token.
    pub(crate) rung: Option<Rung>,
    pub(crate) found: Found,
    pub(crate) seq: Seq,
    pub(crate) plan: Plan,
    /// The last spans of the session's story.
    pub(crate) links: Vec<SpanContext>,
    /// The session that could not be taken up again.
    pub(crate) previous: Option<u128>,
    pub(crate) connection: u32,
    /// Why the last connection ended.
    pub(crate) cause: Option<Cause>,
    /// Seconds since the client was last heard.
    pub(crate) gap: Option<f64>,
    /// Whether the store has to be told of the session anew.
    pub(crate) reopen: bool,
    /// Whether nobody has counted that the session lost its connection.
    pub(crate) uncounted: bool,
}

/// Where a session was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// It begins, or nothing is left of it but its id.
    Nothing,
    /// Here.
    Local,
    /// In the store, with these messages.
    Stored(Vec<Logged>),
}

/// The client says that it has what was never sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead;

impl Arrival {
    fn new(identity: Identity, rung: Option<Rung>) -> Self {
        Self {
            identity: Arc::new(identity),
            generation: 0,
            rung,
            found: Found::Nothing,
            seq: Seq::default(),
            plan: Plan::default(),
            links: Vec::new(),
            previous: None,
            connection: 1,
            cause: None,
            gap: None,
            reopen: false,
            uncounted: false,
        }
    }

    /// What the handler is told.
    pub(crate) fn resumption(&self) -> Resumption {
        Resumption {
            rung: self.rung,
            replayed: self.plan.replayed,
            lost: self.plan.lost,
            is_new_here: !matches!(self.found, Found::Local),
        }
    }

    /// The span that this connection begins with.
    pub(crate) fn span(&self) -> &'static str {
        match self.rung {
            Some(rung) if rung.goes_on() => span::WEBSOCKET_RESUME,
            _ => span::WEBSOCKET_CONNECT,
        }
    }

    /// What that span says.
    pub(crate) fn attributes(&self) -> Vec<KeyValue> {
        let count = |key, count: u32| KeyValue::new(key, i64::from(count));
        let mut all = vec![count(key::WEBSOCKET_CONNECTION_SEQUENCE, self.connection)];
        if let Some(rung) = self.rung {
            all.push(KeyValue::new(key::WEBSOCKET_RESUME_RESULT, rung.as_str()));
            all.push(count(key::WEBSOCKET_REPLAYED_COUNT, self.plan.replayed));
            all.push(count(key::WEBSOCKET_LOST_COUNT, self.plan.lost));
        }
        let gap = self
            .gap
            .map(|gap| KeyValue::new(key::WEBSOCKET_GAP_TIME, gap));
        let previous = self
            .previous
            .map(|sid| KeyValue::new(key::SESSION_PREVIOUS_ID, format!("{sid:032x}")));
        all.extend(gap.into_iter().chain(previous));
        all
    }

    /// The number before the first message that the log will have.
    pub(crate) fn base(&self) -> Seq {
        self.plan.from
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who<'a> {
    pub(crate) principal: &'a [u8],
    pub(crate) endpoint: &'static str,
}

impl Who<'_> {
    fn identity(&self, sid: u128) -> Identity {
        Identity::new(sid, self.principal, self.endpoint)
    }
}

/// Finds out what a client gets.
pub(crate) async fn arrive(
    hub: &Hub,
    sessions: &Sessions,
    ask: &Ask,
    who: Who<'_>,
) -> Result<Arrival, Ahead> {
    let fresh = |rung| Arrival::new(who.identity(fastrand::u128(1..)), rung);
    let Some(text) = &ask.token else {
        return Ok(fresh(None));
    };
    let token = match ask.opened(text, hub, who) {
        Ok(token) => token,
        Err(refused) => {
            return Ok(fresh(Some(match refused {
                Refused::Invalid => Rung::TokenInvalid,
                Refused::OtherPrincipal => Rung::Unauthorized,
                Refused::Expired => Rung::Expired,
            })));
        }
    };
    hub.came(sessions);
    let claim = Attempting {
        hub,
        sessions,
        ask,
        who,
        token: &token,
    };
    let failed = match claim.run().await? {
        Ok(arrival) => return Ok(arrival),
        Err(rung) => rung,
    };
    let mut arrival = fresh(Some(failed));
    arrival.previous = Some(token.sid);
    arrival.links.extend(valid(Mark::from_bytes(token.mark)));
    Ok(arrival)
}

struct Attempting<'a> {
    hub: &'a Hub,
    sessions: &'a Sessions,
    ask: &'a Ask,
    who: Who<'a>,
    token: &'a Token,
}

/// What a claim found out.
enum Claiming {
    Taken(Box<Taken>, bool),
    Failed(Rung),
    /// The store does not know the session, or nothing.
    Without(Option<Rung>),
}

impl Attempting<'_> {
    async fn run(&self) -> Result<Result<Arrival, Rung>, Ahead> {
        if let Some(local) = self.local()
            && let Some(outcome) = self.known(&local).await
        {
            return outcome.map(Err);
        }
        if self.hub.is_gone(self.token.sid) {
            return Ok(Err(Rung::UnknownSession));
        }
        match self.claim().await {
            Claiming::Taken(taken, was_open) => self.taken(*taken, was_open).map(Ok),
            Claiming::Failed(rung) => Ok(Err(rung)),
            Claiming::Without(otherwise) => self.without(otherwise),
        }
    }

    /// What this node knows before the store does, as that is told behind.
    async fn known(&self, local: &Local) -> Option<Result<Rung, Ahead>> {
        let behind = local.generation.wrapping_sub(self.token.generation);
        if behind > 1 {
            return None;
        }
        if local.plan.is_none() {
            return Some(Err(Ahead));
        }
        // The client has its new token.
        if behind == 1 && local.confirmed {
            if local.detached.is_some() {
                self.supersede(local.generation).await;
            }
            return Some(Ok(Rung::TokenReplayed));
        }
        self.is_over(local).then_some(Ok(Rung::Expired))
    }

    async fn claim(&self) -> Claiming {
        let Self { hub, token, .. } = self;
        let mut was_open = false;
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
                Some(Claimed::Taken(taken)) => Claiming::Taken(taken, was_open),
                Some(Claimed::Open(_)) => {
                    was_open = true;
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
        let store = &self.hub.settings.store;
        let ended = asked(self.sessions, END, store.end(at.0, at.1)).await;
        if ended == Some(true) && !self.hub.finish(self.sessions, at, SessionEnd::Superseded) {
            let series = self.sessions.series(self.who.endpoint, Role::Server);
            series.session_ended(SessionEnd::Superseded);
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
        let rung = match (local.detached, plan) {
            (None, _) => Rung::Conflict,
            (_, Plan { lost: 1.., .. }) => Rung::Resynced,
            (_, Plan { replayed: 1.., .. }) => Rung::Replayed,
            _ => Rung::Resumed,
        };
        let mut arrival = self.arrival(generation, rung, plan);
        arrival.found = Found::Local;
        arrival.connection = local.connection.saturating_add(1);
        arrival.cause = local.detached.map(|detached| detached.cause);
        arrival.gap = self.gap(local.detached.map_or(local.heard, |detached| detached.at));
        self.link(&mut arrival, local.mark);
        Ok(arrival)
    }

    fn taken(&self, taken: Taken, was_open: bool) -> Result<Arrival, Ahead> {
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
        let was_open = was_open
            || before
                .detached
                .is_some_and(|it| it.cause == Cause::Superseded);
        let rung = match plan {
            _ if was_open => Rung::Conflict,
            _ if !is_whole => Rung::Resynced,
            Plan { lost: 1.., .. } => Rung::Resynced,
            Plan { replayed: 1.., .. } => Rung::Replayed,
            _ => Rung::Resumed,
        };
        let mut arrival = self.arrival(generation, rung, plan);
        arrival.found = Found::Stored(entries);
        arrival.cause = before.detached.map(|detached| detached.cause);
        arrival.gap = self.gap(before.detached.map_or(before.heard, |detached| detached.at));
        arrival.uncounted = before.detached.is_none() && !was_open;
        self.link(&mut arrival, Mark::from_bytes(before.mark));
        Ok(arrival)
    }

    /// The store does not help: what this node knows has to do.
    fn without(&self, otherwise: Option<Rung>) -> Result<Result<Arrival, Rung>, Ahead> {
        let token = self.token;
        let local = self.local();
        let behind = local
            .as_ref()
            .map(|local| local.generation.wrapping_sub(token.generation));
        if let Some(local) = &local {
            let is_good = match behind {
                Some(0) => true,
                Some(1) => !local.confirmed,
                _ => false,
            };
            if is_good {
                let next = local.generation.wrapping_add(1);
                let mut arrival = self.here(local, next)?;
                arrival.reopen = true;
                return Ok(Ok(arrival));
            }
            if behind.is_some_and(|behind| (1..=u32::MAX / 2).contains(&behind)) {
                return Ok(Err(Rung::TokenReplayed));
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
        let generation = token.generation.wrapping_add(1);
        let mut arrival = self.arrival(generation, Rung::Resynced, plan);
        arrival.reopen = true;
        Ok(Ok(arrival))
    }
}

/// The messages after `seq` without a gap among them, and where they begin.
fn whole_tail(seq: Seq, sent: Seq, entries: Vec<Logged>) -> (Plan, Vec<Logged>) {
    let mut tail: Vec<Logged> = Vec::with_capacity(entries.len());
    for entry in entries {
        if seq.since(entry.seq).is_some() {
            continue;
        }
        if tail.last().is_some_and(|last| last.seq.next() != entry.seq) {
            tail.clear();
        }
        tail.push(entry);
    }
    if tail.last().is_none_or(|last| last.seq != sent) {
        // What the store knows to be sent and does not have is lost, and what lies before it
        // cannot be told from it by a count.
        tail.clear();
    }
    let from = match tail.first() {
        Some(first) => Seq(first.seq.0.wrapping_sub(1)),
        None => sent,
    };
    let plan = Plan {
        from,
        replayed: u32::try_from(tail.len()).unwrap_or(u32::MAX),
        lost: from.since(seq).unwrap_or(0),
    };
    (plan, tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClassId, Kind};

    fn logged(seq: u32) -> Logged {
        Logged {
            seq: Seq(seq),
            made: 0,
            class: ClassId::default(),
            kind: Kind::Text,
            payload: axum::body::Bytes::new(),
        }
    }

    fn tail(seq: u32, sent: u32, entries: &[u32]) -> (u32, u32, u32) {
        let entries = entries.iter().copied().map(logged).collect();
        let (plan, _) = whole_tail(Seq(seq), Seq(sent), entries);
        (plan.from.0, plan.replayed, plan.lost)
    }

    #[test]
    fn what_a_store_has_goes_on_where_no_message_is_missing() {
        assert_eq!(tail(3, 5, &[2, 3, 4, 5]), (3, 2, 0));
        assert_eq!(tail(5, 5, &[4, 5]), (5, 0, 0));
        assert_eq!(tail(1, 5, &[4, 5]), (3, 2, 2), "evicted");
        assert_eq!(tail(1, 5, &[2, 4, 5]), (3, 2, 2), "a hole");
        assert_eq!(tail(1, 5, &[]), (5, 0, 4), "nothing was handed over");
        assert_eq!(tail(1, 5, &[2, 3]), (5, 0, 4), "the end is missing");
        assert_eq!(tail(u32::MAX, 1, &[0, 1]), (u32::MAX, 2, 0), "the wrap");
    }
}
