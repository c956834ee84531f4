//! The numbered messages of a session that its client has not acknowledged yet.
//!
//! The log is the one place where a message gets its number. It is bounded by messages and bytes:
//! the oldest leave first, and if the client turns out not to have them, that is a gap it is told
//! of. Numbers are 32-bit and wrap; they are compared as RFC 1982 compares serial numbers.

use std::collections::VecDeque;

use axum::body::Bytes;

use crate::{ClassId, Kind};

/// The number of a message in its session. The first is 1; `Seq(0)` stands before it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Seq(pub u32);

impl Seq {
    /// The number after this one, wrapping.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The number `count` after this one, wrapping.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// How many messages lie after `earlier` up to this one; `None` when `earlier` is ahead.
    pub const fn since(self, earlier: Self) -> Option<u32> {
        let ahead = self.0.wrapping_sub(earlier.0);
        if ahead > u32::MAX / 2 {
            None
        } else {
            Some(ahead)
        }
    }
}

/// A message as it is kept: enough to send it again from another node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Logged {
    /// Its number.
    pub seq: Seq,
    /// When it was made: milliseconds since the Unix epoch, by the clock of the node that took it.
    pub made: u64,
    /// Its class.
    pub class: ClassId,
    /// [`Kind::Text`] or [`Kind::Binary`].
    pub kind: Kind,
    /// Its payload, as the application gave it: shared, not copied.
    pub payload: Bytes,
}

/// How much a [`Log`] keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogLimits {
    /// Messages.
    pub messages: usize,
    /// Payload bytes.
    pub bytes: usize,
}

/// What a client's word about its last message comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Position {
    /// It is at, or behind, what was sent, and all that follows is here.
    Whole,
    /// It is so far behind that so many messages are gone.
    Gap(u32),
    /// It is ahead of what was ever sent: a protocol error, unless the log is a copy that may be
    /// incomplete.
    Ahead,
}

/// The messages that were numbered and not acknowledged.
#[derive(Clone, Debug)]
pub struct Log {
    entries: VecDeque<Logged>,
    bytes: usize,
    limits: LogLimits,
    /// The number of the last message that was numbered.
    sent: Seq,
    /// Everything up to here is acknowledged or has left.
    base: Seq,
}

impl Log {
    /// An empty log whose next message follows `from`.
    pub fn new(limits: LogLimits, from: Seq) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            limits,
            sent: from,
            base: from,
        }
    }

    /// The number of the last message.
    pub fn sent(&self) -> Seq {
        self.sent
    }

    /// The number before the first message that is kept.
    pub fn base(&self) -> Seq {
        self.base
    }

    /// Messages kept, and their payload bytes.
    pub fn kept(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }

    /// Numbers a message and keeps it; returns the number. The oldest leave when a bound is passed.
    pub fn push(&mut self, made: u64, class: ClassId, kind: Kind, payload: Bytes) -> Seq {
        let seq = self.put(made, class, kind, payload);
        self.trim();
        seq
    }

    /// The oldest leave until the bounds are kept.
    pub(crate) fn trim(&mut self) {
        while self.entries.len() > self.limits.messages || self.bytes > self.limits.bytes {
            if !self.leave() {
                break;
            }
        }
    }

    /// The same, and nothing leaves: for what was accepted within another bound.
    pub(crate) fn put(&mut self, made: u64, class: ClassId, kind: Kind, payload: Bytes) -> Seq {
        let seq = self.sent.next();
        self.sent = seq;
        self.bytes += payload.len();
        self.entries.push_back(Logged {
            seq,
            made,
            class,
            kind,
            payload,
        });
        seq
    }

    /// The client has everything up to `seq`. Says how many messages that settled; `None` when it
    /// is ahead of what was sent.
    pub fn acknowledge(&mut self, seq: Seq) -> Option<u32> {
        self.sent.since(seq)?;
        let count = seq.since(self.base).unwrap_or(0);
        while self
            .entries
            .front()
            .is_some_and(|first| seq.since(first.seq).is_some())
        {
            self.leave();
        }
        if count > 0 {
            self.base = seq;
        }
        Some(count)
    }

    /// Where a client stands that has everything up to `seq`.
    pub fn position(&self, seq: Seq) -> Position {
        if self.sent.since(seq).is_none() {
            return Position::Ahead;
        }
        match self.base.since(seq) {
            Some(gap) if gap > 0 => Position::Gap(gap),
            _ => Position::Whole,
        }
    }

    /// The messages after `seq`, oldest first.
    pub fn after(&self, seq: Seq) -> impl Iterator<Item = &Logged> {
        let mut all = self.entries.iter().peekable();
        while all
            .next_if(|first| seq.since(first.seq).is_some())
            .is_some()
        {}
        all
    }

    fn leave(&mut self) -> bool {
        let Some(first) = self.entries.pop_front() else {
            return false;
        };
        self.bytes -= first.payload.len();
        self.base = first.seq;
        true
    }
}

#[cfg(test)]
mod tests;
