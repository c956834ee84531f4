//! A logical session on the node that holds it: what its connections have in common.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;

use super::ladder::{Rung, SessionEnd};
use super::replay::{Log, LogLimits, Seq};
use super::store::{Before, Detached, NodeId, Record, Save};
use super::table::Hub;
use crate::endpoint::Series;
use crate::mark::Mark;
use crate::{ClassId, Kind};

/// Whose session it is; never changes.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) sid: u128,
    pub(crate) principal: Box<[u8]>,
    pub(crate) endpoint: &'static str,
}

/// The part of a session that outlives its connections. It moves from flow to flow.
pub(crate) struct Logical {
    pub(crate) hub: Arc<Hub>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) generation: u32,
    /// The lowest generation whose token is still taken: until the client has spoken, the last
    /// welcome may not have arrived.
    pub(crate) good: u32,
    pub(crate) log: Log,
    /// The last message that was given to the present socket.
    pub(crate) cursor: Seq,
    /// What the client says it has.
    pub(crate) acked: Seq,
    /// When the client was last heard: milliseconds since the Unix epoch.
    pub(crate) heard: u64,
    /// The last span.
    pub(crate) mark: Mark,
    /// The number of the connection, from 1.
    pub(crate) connection: u32,
    /// When the token in the client's hands was issued, in seconds since the Unix epoch.
    pub(crate) issued: u32,
    pub(crate) detached: Option<Detached>,
    /// Up to where the store has the messages.
    pub(crate) saved: Seq,
    /// Whether the store has the session at all.
    pub(crate) is_open: bool,
    /// Whether the store has had it from this node at this generation. If so, whoever has taken it
    /// away from us has counted that.
    pub(crate) is_known: bool,
    pub(crate) debt: Debt,
    /// Whether the keeper knows that there is something to save.
    pub(crate) is_dirty: bool,
    /// The queue in front of the session, which the next connection gets again.
    pub(crate) outbox: Option<Arc<dyn Any + Send + Sync>>,
}

/// A session came back, or ended, while the store could not be asked. That is counted; that it had
/// lost its connection before perhaps not, or another node has settled that, too. Whether we count
/// one more is decided when the store is told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Debt {
    #[default]
    None,
    /// It came back, and had lost its connection here, which nobody has counted.
    Own,
    /// It came back, and had lost its connection at another node, or that is counted.
    Return,
    /// It got another connection, and had not lost the one before.
    Conflict,
    /// It ended, and that it had lost its connection is counted.
    End,
}

impl Debt {
    /// Counts what is ours to count, by what the store had; `None` if it has moved on.
    pub(crate) fn settle(self, before: Option<Before>, series: &Series) {
        match (self, before) {
            // What another node thought lost, and counted, has never been away.
            (Self::Conflict, Some(Before::Others { counted: true })) => {
                series.session_ended(SessionEnd::Superseded);
            }
            (Self::None | Self::Conflict, _) => {}
            (Self::Own, Some(Before::Nothing | Before::Own))
            | (Self::Own | Self::Return, Some(Before::Others { counted: false }))
            | (Self::Own | Self::Return, Some(Before::Ended))
            | (Self::End, None | Some(Before::Ended)) => series.detachment(),
            (Self::Own | Self::Return | Self::End, _) => {}
        }
    }
}

/// What is to be written next to a socket that is behind the log.
#[derive(Debug)]
pub(crate) enum Step {
    /// A message, once more or for the first time.
    Send {
        kind: Kind,
        payload: Bytes,
    },
    /// So many numbers are left out.
    Skip(u32),
    Done,
}

/// Where a session goes on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Plan {
    /// The number before the next message.
    pub(crate) from: Seq,
    /// Messages that are sent again.
    pub(crate) replayed: u32,
    /// Messages known to be lost.
    pub(crate) lost: u32,
}

impl Plan {
    /// What a session comes to that goes on like this; it was away, or had its old connection.
    pub(crate) fn rung(self, was_away: bool) -> Rung {
        match self {
            _ if !was_away => Rung::Conflict,
            Self { lost: 1.., .. } => Rung::Resynced,
            Self { replayed: 1.., .. } => Rung::Replayed,
            _ => Rung::Resumed,
        }
    }
}

impl Logical {
    /// Whether a message of this size may be numbered before it can be written.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        let LogLimits { messages, bytes } = self.hub.settings.buffer;
        let (kept, held) = self.log.kept();
        kept < messages && held.saturating_add(size) <= bytes
    }

    /// Whether messages are numbered when they are pushed, and not when they are written.
    pub(crate) fn numbers_early(&self) -> bool {
        self.detached.is_some() || self.hub.keeps_all()
    }

    /// Whether the log has messages for the present socket.
    pub(crate) fn is_behind(&self) -> bool {
        self.cursor != self.log.sent()
    }

    /// Numbers a message that is being written; the oldest leave the log when it is full.
    pub(crate) fn push(&mut self, made: u64, class: ClassId, kind: Kind, payload: Bytes) {
        self.cursor = self.log.push(made, class, kind, payload);
        if self.numbers_early() {
            self.touch();
        }
    }

    /// Numbers a message that is to be written later.
    pub(crate) fn put(&mut self, made: u64, class: ClassId, kind: Kind, payload: Bytes) {
        self.log.put(made, class, kind, payload);
        self.touch();
    }

    /// The client has spoken: it has the token of the last welcome.
    pub(crate) fn confirm(&mut self) {
        if !self.is_confirmed() {
            self.good = self.generation;
            self.touch();
        }
    }

    fn is_confirmed(&self) -> bool {
        self.good == self.generation
    }

    /// There is something to save.
    pub(crate) fn touch(&mut self) {
        if !std::mem::replace(&mut self.is_dirty, true) {
            self.hub.touched(self.identity.sid);
        }
    }

    /// Where a client goes on that has everything up to `seq`; `None` if it is ahead.
    pub(crate) fn plan(&self, seq: Seq) -> Option<Plan> {
        self.cursor.since(seq)?;
        let lost = self.log.base().since(seq).unwrap_or(0);
        let from = seq.plus(lost);
        Some(Plan {
            from,
            replayed: self.log.sent().since(from).unwrap_or(0),
            lost,
        })
    }

    /// Whether the store has everything up to `seq` that the client has not.
    pub(crate) fn has_saved(&self, seq: Seq) -> bool {
        let is_there = |mark: Seq| mark.since(seq).is_some();
        self.is_open && (is_there(self.saved) || is_there(self.acked))
    }

    /// The record that the store is given.
    pub(crate) fn record(&self) -> Record {
        let settings = &self.hub.settings;
        let identity = &self.identity;
        Record {
            sid: identity.sid,
            endpoint: identity.endpoint.to_owned(),
            principal: settings.keys.owner(&identity.principal),
            generation: self.generation,
            good: self.good,
            node: self.node(),
            mark: self.mark.to_bytes(),
            heard: self.heard,
            // The messages come with the next save. Should the node not get to that, they are known
            // to be lost.
            sent: self.log.sent(),
            acked: self.acked,
            window: self.hub.window(),
            kept: self.hub.keeps_all(),
            complete: false,
            detached: self.detached,
        }
    }

    fn node(&self) -> NodeId {
        self.hub.node
    }

    /// What is new since the last save.
    pub(crate) fn save(&mut self) -> Save {
        self.is_dirty = false;
        let all = self.numbers_early();
        let entries = self.log.after(self.saved).filter(|_| all);
        Save {
            sid: self.identity.sid,
            node: self.node(),
            generation: self.generation,
            confirmed: self.is_confirmed(),
            heard: self.heard,
            sent: self.log.sent(),
            acked: self.acked,
            base: self.log.base(),
            mark: Some(self.mark.to_bytes()),
            complete: self.detached.is_some(),
            detached: self.detached,
            entries: entries.cloned().collect(),
        }
    }
}

impl fmt::Debug for Logical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logical")
            .field("sid", &self.identity.sid)
            .field("generation", &self.generation)
            .field("log", &self.log.kept())
            .finish_non_exhaustive()
    }
}
