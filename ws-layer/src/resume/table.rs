//! The logical sessions that this node holds: attached, detached, or adopted from a node that is
//! gone.
//!
//! A connection is a [`Signal`]; a session is the [`Flow`](crate::flow::Flow) in it, with its
//! [`Logical`] part, and moves from one signal to the next. A connection whose flow was taken away
//! can no longer disturb the session, whatever its task still does.
//!
//! Locks are taken in this order: table, queue of an outbox, slot of a signal, list of the dirty.

mod attach;
mod leaving;
mod news;
mod orphans;
mod watch;
mod weather;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::SpanContext;
use tokio::sync::Notify;

use super::logical::{Identity, Logical, Plan};
use super::replay::Seq;
use super::settings::{Keep, Resume};
use super::store::{Detached, NodeId};
use super::storm::Storm;
use super::token::Token;
use crate::line::Signal;
use crate::mark::Mark;
use crate::sessions::Sessions;

use news::Gone;
use orphans::Orphan;
pub(crate) use watch::log_end;

/// What makes sessions resumable: settings, the table, and what the keeper has to do.
pub(crate) struct Hub {
    pub(crate) settings: Resume,
    pub(crate) node: NodeId,
    table: Mutex<Table>,
    dirty: Mutex<Vec<u128>>,
    gone: Mutex<HashMap<u128, Gone>>,
    /// There is something to save.
    pub(crate) work: Notify,
    /// Something was saved.
    pub(crate) saved: Notify,
    /// Whether there is a keeper.
    is_kept: AtomicBool,
    /// Held while the store is told.
    pub(crate) flushing: tokio::sync::Mutex<()>,
    /// Sessions whose save failed.
    failed: Mutex<Vec<u128>>,
    /// Whether this node has handed its sessions over.
    has_left: AtomicBool,
    /// Sessions that are not held here and of which the store told something while it was asked for
    /// orphans: their generation then.
    strangers: Mutex<Option<HashMap<u128, u32>>>,
    storm: Mutex<Storm>,
}

#[derive(Default)]
struct Table {
    held: HashMap<u128, Held>,
    /// Those that wait for their client, by when they were last heard.
    waiting: BTreeSet<(u64, u128)>,
}

enum Held {
    Attached(Arc<Signal>),
    Detached(Away),
    Adopted(Box<Orphan>),
}

struct Away {
    signal: Arc<Signal>,
    /// When the last byte came in.
    at: u64,
    /// When it was let go.
    since: u64,
    standing: Standing,
}

/// Whether it was counted that a session lost its connection. Who counts that is decided by the
/// store, as the same session may be taken away by another node meanwhile: it is counted when the
/// store knows of it, or when it is plain that nobody else can have taken the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// The store does not know of it yet.
    Untold,
    /// It was let go for another node, which will claim it. If that does not happen, it is told
    /// that it waits for its client.
    LetGo,
    Counted,
}

/// What became of a session whose connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parted {
    /// It waits for its client; so many messages are not decided.
    Detached(u32),
    /// It is over.
    Ended,
    /// It had gone to another connection before, or there was none.
    Over,
}

/// A look at a session that this node holds.
pub(crate) struct Local {
    pub(crate) generation: u32,
    /// The lowest generation whose token is still taken.
    pub(crate) good: u32,
    pub(crate) heard: u64,
    pub(crate) mark: Mark,
    pub(crate) detached: Option<Detached>,
    pub(crate) connection: u32,
    /// `None`: the client is ahead of what was sent.
    pub(crate) plan: Option<Plan>,
}

impl Hub {
    pub(crate) fn new(settings: Resume) -> Self {
        Self {
            settings,
            node: NodeId(fastrand::u64(1..)),
            table: Mutex::default(),
            dirty: Mutex::default(),
            gone: Mutex::default(),
            work: Notify::new(),
            saved: Notify::new(),
            is_kept: AtomicBool::new(false),
            flushing: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
            has_left: AtomicBool::new(false),
            strangers: Mutex::default(),
            storm: Mutex::new(Storm::new()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        let since = (self.settings.now)().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, millis)
    }

    pub(crate) fn window(&self) -> u64 {
        millis(self.settings.window)
    }

    /// How long tokens live, in seconds.
    pub(crate) fn token_life(&self) -> u32 {
        seconds(millis(self.settings.token_life))
    }

    /// A token for a session at a generation.
    pub(crate) fn token(&self, sid: u128, generation: u32, now: u32, mark: Mark) -> Token {
        Token {
            sid,
            generation,
            issued: now,
            expires: now.saturating_add(self.token_life()),
            node: u16::try_from(self.node.0 & 0xffff).unwrap_or_default(),
            mark: mark.to_bytes(),
        }
    }

    pub(crate) fn max_age(&self) -> u64 {
        millis(self.settings.max_age)
    }

    pub(crate) fn keeps_all(&self) -> bool {
        self.settings.keep == Keep::Always
    }

    /// Starts the keeper unless it runs.
    pub(crate) fn keep(&self, sessions: &Sessions) {
        if !self.is_kept.swap(true, Ordering::AcqRel) && !super::keeper::start(sessions) {
            self.stopped();
        }
    }

    /// Whether somebody tells the store what happens here.
    fn tells(&self) -> bool {
        self.is_kept.load(Ordering::Acquire) && !self.has_left()
    }

    pub(crate) fn stopped(&self) {
        self.is_kept.store(false, Ordering::Release);
    }

    /// When a message was made, by the wall clock.
    pub(crate) fn made(&self, sessions: &Sessions, at: u32) -> u64 {
        let age = crate::clock::age(sessions.clock().now(), at);
        self.now().saturating_sub(u64::from(age) / 10)
    }

    /// Sessions that wait for their client, and those that have it.
    pub(crate) fn population(&self) -> (usize, usize) {
        let table = self.lock();
        let waiting = table.waiting.len();
        (waiting, table.held.len().saturating_sub(waiting))
    }

    /// Works on a session that this node holds.
    pub(crate) fn with<T>(&self, sid: u128, work: impl FnOnce(&mut Logical) -> T) -> Option<T> {
        let table = self.lock();
        let signal = table.held.get(&sid)?.signal()?;
        let mut slot = signal.lock();
        let logical = slot.flow.as_mut()?.logical.as_mut()?;
        Some(work(logical))
    }

    /// The generation of a session that is held here, attached or not.
    pub(crate) fn generation(&self, sid: u128) -> Option<u32> {
        self.lock().held.get(&sid)?.generation()
    }

    /// What this node knows of a session whose client has everything up to `seq`.
    pub(crate) fn look(&self, sid: u128, seq: Seq) -> Option<Local> {
        self.with(sid, |logical| Local {
            generation: logical.generation,
            good: logical.good,
            heard: logical.heard,
            mark: logical.mark,
            detached: logical.detached,
            connection: logical.connection,
            plan: logical.plan(seq),
        })
    }
}

impl Local {
    /// Whether the token of a generation is still taken; `None` if it is later than what this node
    /// knows of.
    pub(crate) fn takes(&self, generation: u32) -> Option<bool> {
        let behind = Seq(self.generation).since(Seq(generation))?;
        Some(behind <= self.generation.wrapping_sub(self.good))
    }
}

impl Held {
    fn signal(&self) -> Option<&Arc<Signal>> {
        match self {
            Self::Attached(signal) | Self::Detached(Away { signal, .. }) => Some(signal),
            Self::Adopted(_) => None,
        }
    }

    fn generation(&self) -> Option<u32> {
        match self {
            Self::Adopted(orphan) => Some(orphan.record.generation),
            _ => self.signal()?.generation(),
        }
    }

    /// Whether it is counted here that it lost its connection.
    fn is_counted(&self) -> bool {
        match self {
            Self::Attached(_) => false,
            Self::Detached(away) => away.standing == Standing::Counted,
            Self::Adopted(orphan) => orphan.is_counted(),
        }
    }

    /// Whether the store has had it from us at this generation; `None` if it is another node's.
    fn is_known(&self) -> Option<bool> {
        self.signal()?.logical(|logical| logical.is_known)
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds as seconds.
pub(crate) fn seconds(millis: u64) -> u32 {
    u32::try_from(millis / 1000).unwrap_or(u32::MAX)
}

/// The span of a mark, if there was one.
pub(crate) fn valid(mark: Mark) -> Option<SpanContext> {
    let context = mark.to_span_context();
    context.is_valid().then_some(context)
}

impl Identity {
    pub(crate) fn new(sid: u128, principal: &[u8], endpoint: &'static str) -> Self {
        let principal = principal.into();
        Self {
            sid,
            principal,
            endpoint,
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (detached, attached) = self.population();
        f.debug_struct("Hub")
            .field("node", &self.node)
            .field("attached", &attached)
            .field("detached", &detached)
            .finish_non_exhaustive()
    }
}
