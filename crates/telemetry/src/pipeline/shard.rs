//! A thread's own buffer of finished items.
//!
//! Its thread appends to it, and whoever gathers swaps it out: the lock is free almost always, and
//! held for the copy of one item or a swap. What is in it belongs to no queue yet.

use std::sync::PoisonError;
use std::time::Instant;

use super::sync::{Mutex, MutexGuard};
use super::written::{Scope, Written};

/// When a thread hands its buffer over itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full {
    pub(crate) items: u64,
    pub(crate) bytes: usize,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pushed {
    /// It waits with others.
    Kept,
    /// It waits, and is the first: the export thread should know when to come.
    First,
    /// It waits, and no more should: hand the buffer over.
    Full,
    /// It is gone: nothing is taken in any more.
    Closed,
}

/// What a buffer held.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) written: Vec<Written>,
    pub(super) since: Option<Instant>,
}

/// A thread's buffer, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shard(Mutex<Chunk>);

#[derive(Debug)]
struct Chunk {
    /// Of each scope, as there are few; those without items are spare room.
    written: Vec<Written>,
    items: u64,
    bytes: usize,
    /// When the first of its items came.
    since: Option<Instant>,
    closed: bool,
    /// Its thread lives.
    owned: bool,
}

/// A buffer that held less than this is not replaced: its thread has little to say.
const BUSY: usize = 4 << 10;

impl Shard {
    pub(super) fn new(closed: bool) -> Self {
        Self(Mutex::new(Chunk {
            written: Vec::new(),
            items: 0,
            bytes: 0,
            since: None,
            closed,
            owned: true,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Chunk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends one item: a whole field of its scope's message.
    #[inline]
    pub(crate) fn push(
        &self,
        scope: &Scope,
        full: Full,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Pushed {
        let mut chunk = self.lock();
        if chunk.closed {
            return Pushed::Closed;
        }
        let chunk = &mut *chunk;
        let index = match chunk.written.iter().position(|had| had.scope == *scope) {
            Some(index) => index,
            None => {
                chunk.written.push(Written::new(scope.clone()));
                chunk.written.len() - 1
            }
        };
        let of_scope = &mut chunk.written[index];
        let before = of_scope.bytes.len();
        write(&mut of_scope.bytes);
        of_scope.items += 1;
        chunk.bytes += of_scope.bytes.len() - before;
        chunk.items += 1;
        if chunk.items >= full.items || chunk.bytes >= full.bytes {
            return Pushed::Full;
        }
        if chunk.items > 1 {
            return Pushed::Kept;
        }
        chunk.since = Some(Instant::now());
        Pushed::First
    }

    /// When its first item came, and how many there are.
    pub(super) fn waiting(&self) -> Option<(Instant, u64)> {
        let chunk = self.lock();
        chunk.since.map(|since| (since, chunk.items))
    }

    /// Takes everything out. A busy thread finds `spare` in its place, else the caller keeps it.
    pub(super) fn take(&self, spare: &mut Option<Vec<u8>>) -> Taken {
        let mut chunk = self.lock();
        let busiest = chunk.written.iter().max_by_key(|had| had.bytes.len());
        let next = busiest
            .filter(|had| had.bytes.len() >= BUSY)
            .and_then(|had| Some(Written::over(had.scope.clone(), spare.take()?)));
        let written = std::mem::replace(&mut chunk.written, next.into_iter().collect());
        chunk.items = 0;
        chunk.bytes = 0;
        let since = chunk.since.take();
        Taken { written, since }
    }

    /// Turns away everything from now on, and gives out what is left.
    pub(super) fn close(&self) -> Taken {
        self.lock().closed = true;
        self.take(&mut None)
    }

    /// Notes that its thread has ended.
    pub(crate) fn leave(&self) {
        self.lock().owned = false;
    }

    /// Whether nobody will push again, and nothing is left.
    pub(super) fn is_over(&self) -> bool {
        let chunk = self.lock();
        !chunk.owned && chunk.items == 0
    }
}
