//! One attempt to resume: from the token a client brings to the rung it ends on.

mod ask;
mod attempting;
mod guard;
mod tail;

use std::sync::Arc;

use campanile_semconv::{attribute as key, span};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;

use attempting::Attempting;

use super::ladder::{Resumption, Rung};
use super::logical::{Identity, Plan};
use super::replay::{Logged, Seq};
use super::table::{Hub, valid};
use super::token::Refused;
use crate::mark::Mark;
use crate::{Cause, Sessions};

pub(crate) use ask::Ask;
pub(crate) use guard::Attempt;

/// A session that is about to get a connection.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) identity: Arc<Identity>,
    pub(crate) generation: u32,
    /// The lowest generation whose token is still taken: that of the one it brought.
    pub(crate) good: u32,
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
    /// Whether a copy of the session that is still here lost its connection, and this node counts
    /// that.
    pub(crate) ours: bool,
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
            good: 0,
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
            ours: true,
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
