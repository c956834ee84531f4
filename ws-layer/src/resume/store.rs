//! What the nodes of a service know together about their sessions.
//!
//! The node that holds a session is the authority on it; the store has what another node needs to
//! go on: who the session is, how far it has come, and the messages that were handed over. Every
//! change names a *generation*, which a claim advances: what a node writes about a session that has
//! moved on is refused, so a node that was cut off cannot disturb it.
//!
//! A node renews its lease; when that is over, others adopt its sessions and count those that are
//! never seen again. Times are milliseconds since the Unix epoch, told by the caller.

mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::replay::{Logged, Seq};
use crate::Cause;

pub use memory::MemoryStore;
#[cfg(feature = "redis")]
pub use redis::RedisStore;

/// A process, chosen at random when it starts.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId(pub u64);

/// The identity of a span: trace id, span id, flags.
pub type SpanBytes = [u8; 25];

/// A session that has lost its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Detached {
    /// When the last byte came in: the gap and the window count from then.
    pub at: u64,
    /// Why the connection ended.
    pub cause: Cause,
    /// Whether a node counts this loss of a connection: each is counted once, and what the store
    /// says here decides by whom. Not counted are sessions that were let go for another node
    /// ([`Note::Release`]) and those that were just adopted, until it is clear what becomes of
    /// them; whoever claims an adopted one counts for its node.
    pub counted: bool,
}

impl Detached {
    /// Whether its node let it go for another one: whoever takes it supersedes a connection, and
    /// nothing is lost.
    pub fn is_let_go(&self) -> bool {
        !self.counted && self.cause == Cause::Superseded
    }
}

/// What is known about a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The public id.
    pub sid: u128,
    /// The endpoint's name.
    pub endpoint: String,
    /// Whom it belongs to: a keyed hash.
    pub principal: [u8; 8],
    /// How many times it was claimed; the token of this generation is the valid one.
    pub generation: u32,
    /// The lowest generation whose token is taken, too: welcomes may not have arrived. The one of
    /// the last claim's token, and `generation` once the client has spoken.
    pub good: u32,
    /// The node that holds it, attached or detached.
    pub node: NodeId,
    /// The last span of its story.
    pub mark: SpanBytes,
    /// When its client was last heard.
    pub heard: u64,
    /// The number of the last message.
    pub sent: Seq,
    /// The number up to which the client has acknowledged.
    pub acked: Seq,
    /// How long it waits for its client, in milliseconds.
    pub window: u64,
    /// Whether every message is committed here as soon as it can be.
    pub kept: bool,
    /// Whether `sent` and the messages here are all there is: told by a node that detached it.
    pub complete: bool,
    /// Since when it has had no connection; `None` while it is attached.
    pub detached: Option<Detached>,
}

impl Record {
    /// Whether the token of a generation is still taken; `None` if that generation never was.
    pub fn takes(&self, generation: u32) -> Option<bool> {
        let behind = Seq(self.generation).since(Seq(generation))?;
        Some(behind <= self.generation.wrapping_sub(self.good))
    }

    /// Whether its node counts that it lost its connection.
    pub fn is_counted(&self) -> bool {
        self.detached.is_some_and(|detached| detached.counted)
    }

    /// Whether its window is over.
    pub fn is_over(&self, now: u64) -> bool {
        self.detached
            .is_some_and(|detached| now > detached.at.saturating_add(self.window))
    }
}

/// News about a session from the node that holds it.
#[derive(Clone, Debug)]
pub struct Save {
    /// The session.
    pub sid: u128,
    /// Who tells, and still has to be the node that holds it.
    pub node: NodeId,
    /// The generation that the node holds.
    pub generation: u32,
    /// Whether the client has spoken since the claim: it has the token of this generation, and
    /// earlier ones are used up.
    pub confirmed: bool,
    /// See [`Record::heard`].
    pub heard: u64,
    /// See [`Record::sent`].
    pub sent: Seq,
    /// See [`Record::acked`]. Messages up to here are forgotten.
    pub acked: Seq,
    /// [`Log::base`](super::Log::base): messages up to here are forgotten, too, as they have left
    /// the holder's log. This is what bounds the store.
    pub base: Seq,
    /// The last span, if it is a new one.
    pub mark: Option<SpanBytes>,
    /// See [`Record::complete`].
    pub complete: bool,
    /// See [`Record::detached`].
    pub detached: Option<Detached>,
    /// Messages that are not in the store yet, in order.
    pub entries: Vec<Logged>,
}

/// What a store had of a session that a node opens or ends, and with which that node may have gone
/// on without the store.
///
/// It settles who counts that the session lost the connection it had before: what the store says to
/// be [counted](Detached::counted) its holder counts, or has counted; the rest whoever takes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Before {
    /// Nothing: it is new, or no node has told of it.
    Nothing,
    /// The caller held it.
    Own,
    /// Another node held it, which was told.
    Others {
        /// Whether that one counts that the session lost its connection; else it is for the caller.
        counted: bool,
    },
    /// It was ended, and all that had happened was counted: that it went on is for the caller.
    Ended,
}

impl Before {
    /// Whether the store had the session.
    pub fn is_there(self) -> bool {
        matches!(self, Self::Own | Self::Others { .. })
    }
}

/// What became of a session that a node opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opened {
    /// It is the caller's.
    Kept(Before),
    /// A later generation is there: its client has gone on elsewhere.
    Later,
    /// It was ended at this generation or a later one, or another node has it at this generation.
    Elsewhere,
}

/// What became of a [`Save`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Saved {
    /// It is there.
    Kept,
    /// The session has moved on or is gone: this node no longer holds it.
    Fenced,
}

/// A node asks for a session whose token it has verified.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The session.
    pub sid: u128,
    /// The generation in the token.
    pub generation: u32,
    /// Who asks.
    pub node: NodeId,
    /// The caller's clock.
    pub now: u64,
    /// Take it even if another node that lives has it attached.
    pub force: bool,
}

/// A session is over.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// The session.
    pub sid: u128,
    /// The generation at which it ended.
    pub generation: u32,
    /// Who says so.
    pub node: NodeId,
    /// Whether it is the end of what the store says to be [counted](Detached::counted). Else that
    /// is for its holder to end, too: the caller has had the session itself at this generation, and
    /// what it has counted of it is settled.
    pub closes: bool,
}

/// The answer to a [`Claim`].
#[derive(Clone, Debug)]
pub enum Claimed {
    /// It is the caller's from now on.
    Taken(Box<Taken>),
    /// Another node has it attached; that node was asked to let go ([`Note::Release`]).
    Open(NodeId),
    /// There is no such session, or the token is of a generation that never was.
    Unknown,
    /// Its window is over.
    Expired,
    /// The token was used before, and its client has a newer one; the record as it is, so that its end can be decided.
    Replayed(Box<Record>),
}

/// A session that was claimed.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The record as it was before.
    pub before: Record,
    /// The generation that the caller holds now: one more.
    pub generation: u32,
    /// The messages that the store has after `before.acked`, in order.
    pub entries: Vec<Logged>,
}

/// Something a node is told at its [`beat`](SessionStore::beat).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Note {
    /// Another node asks for this session: close its connection as superseded, and save it as
    /// detached and complete.
    Release(u128),
    /// Another node has this session; it is at this generation now.
    Claimed {
        /// The session.
        sid: u128,
        /// The generation that the other node holds.
        generation: u32,
        /// Whether it is for the node that is told to count that its session lost the connection,
        /// if it has not done so; else the other node did, or nobody has to.
        yours: bool,
    },
    /// Another node has ended this session, and counted that.
    Ended {
        /// The session.
        sid: u128,
        /// The generation that it was at there, perhaps a later one than here.
        generation: u32,
        /// Whether it is for the node that is told to count that its session lost the connection,
        /// if it has not done so; else a node that has done so counts the end, too.
        yours: bool,
    },
}

/// The answer to a [`beat`](SessionStore::beat).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Beat {
    /// What the node was told since the last one.
    pub notes: Vec<Note>,
    /// Whether the node's lease was over, or not known: any of its sessions may have been adopted,
    /// claimed or ended meanwhile, and it was perhaps not told.
    pub lapsed: bool,
}

/// A session whose node is gone, and which is the caller's to watch from now on.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// The record, detached now.
    pub record: Record,
    /// Whether it was attached when its node vanished.
    pub was_attached: bool,
}

/// What a store answers.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where sessions are known to all nodes.
///
/// Each call is one atomic step for each session it touches. Cancelling a call may leave it done or
/// not done. An error means that nothing is known: the caller goes on without the store.
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Writes the record of a session that begins, or that goes on without the store's knowledge.
    /// Refused if a later generation is there, if the session was ended at this generation or a
    /// later one within the last five minutes, and if another node has it at this generation: of
    /// two nodes that both went on without the store, the first one to tell has it. Only from a
    /// node that has adopted it, and that does not [count](Detached::counted) it yet, may it be
    /// taken back. A node from which the session is taken is told ([`Note::Claimed`]), and that it
    /// is its own to count exactly if the record said that it was [counted](Detached::counted).
    fn open<'a>(&'a self, record: &'a Record) -> Answer<'a, Opened>;

    /// Writes news about sessions, many at once; one answer for each.
    fn save<'a>(&'a self, batch: &'a [Save]) -> Answer<'a, Vec<Saved>>;

    /// Asks for a session. Whoever held it is told ([`Note::Claimed`]), and that it is its own to
    /// count exactly if the record said that it was [counted](Detached::counted).
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed>;

    /// Ends a session for good, if it is at this generation, or at an earlier one because its node
    /// has gone on without the store. Says what was there; `None` if it is at a later generation, or
    /// was ended at one. That it is over is known for five minutes. If another node than the caller
    /// holds it, that one is told ([`Note::Ended`]), and that it is its own to count exactly if the
    /// record said that it was [counted](Detached::counted), and the end [closes](End::closes) that
    /// or is at a later generation.
    fn end(&self, end: End) -> Answer<'_, Option<Before>>;

    /// Renews the node's lease for `lease` milliseconds, and fetches what it was told. A store that
    /// has a clock of its own may judge leases by that one.
    fn beat(&self, node: NodeId, now: u64, lease: u64) -> Answer<'_, Beat>;

    /// Takes over sessions whose node's lease is over, at most `max` of them. What that node still
    /// writes about them is refused. One that was attached is detached now, and not
    /// [counted](Detached::counted) by anybody: the caller does that when some time has passed, by
    /// [saving](Self::save) that it counts, unless its node has taken it back or it was claimed.
    fn adopt(&self, node: NodeId, now: u64, max: usize) -> Answer<'_, Vec<Adopted>>;

    /// The node ends: its lease is over at once.
    fn leave(&self, node: NodeId) -> Answer<'_, ()>;

    /// Whether the sessions are still known to somebody when this node has ended. Default: yes.
    fn outlives(&self, node: NodeId) -> bool {
        let _ = node;
        true
    }
}

/// The store could not be asked, or did not answer in time.
#[derive(Debug)]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps the reason.
    pub fn new(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session store failed: {}", self.0)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
