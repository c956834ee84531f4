//! The queue itself: bounds, expiry, superseding. Pure bookkeeping over a ledger.

use std::collections::VecDeque;

use super::{OutboxLimits, WhenFull};
use crate::clock::age;
use crate::flow::{Entry, limit};
use crate::ledger::{Ledger, Outcome};
use crate::settings::{ClassId, Limits};

/// What became of a push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Pushed {
    /// It waits to be sent.
    Queued,
    /// It took the place of an older message.
    Superseded,
    /// There was no room for it.
    Dropped,
    /// The session has ended; the message was not accepted and is not counted.
    Ended,
}

/// A message that waits.
#[derive(Debug)]
pub(super) struct Item<M> {
    pub(super) at: u32,
    pub(super) class: ClassId,
    pub(super) late: bool,
    pub(super) replaces: Option<u64>,
    pub(super) size: usize,
    pub(super) message: M,
}

impl<M> Item<M> {
    fn decide(&self, outcome: Outcome, ledger: &mut Ledger) {
        if !self.late {
            ledger.decide(self.class, outcome);
        }
    }

    pub(super) fn entry(&self) -> Entry {
        Entry {
            at: self.at,
            class: self.class,
            late: self.late,
        }
    }
}

#[derive(Debug)]
pub(super) struct Queue<M> {
    items: VecDeque<Item<M>>,
    bytes: usize,
    ended: bool,
    told: (i64, i64),
}

impl<M> Queue<M> {
    pub(super) fn new(ended: bool) -> Self {
        Self {
            items: VecDeque::new(),
            bytes: 0,
            ended,
            told: (0, 0),
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether a message waits that no newer one can replace.
    pub(super) fn has_plain(&self) -> bool {
        self.items.iter().any(|item| item.replaces.is_none())
    }

    /// Takes the first message that no newer one can replace.
    pub(super) fn pop_plain(&mut self) -> Option<Item<M>> {
        let is_plain = |item: &Item<M>| item.replaces.is_none();
        let first = self.items.iter().position(is_plain)?;
        let item = self.items.remove(first)?;
        self.bytes -= item.size;
        Some(item)
    }

    /// Puts back what `pop_plain` gave, in front of everything.
    pub(super) fn put_back(&mut self, item: Item<M>) {
        self.bytes += item.size;
        self.items.push_front(item);
    }

    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.items.len(), self.bytes)
    }

    /// Takes in an item that has been accepted.
    pub(super) fn push(
        &mut self,
        item: Item<M>,
        limits: OutboxLimits,
        ledger: &mut Ledger,
    ) -> Pushed {
        if item.replaces.is_some() {
            let same =
                |old: &&mut Item<M>| (old.class, old.replaces) == (item.class, item.replaces);
            if let Some(old) = self.items.iter_mut().find(same) {
                old.decide(Outcome::Superseded, ledger);
                self.bytes = self.bytes - old.size + item.size;
                *old = item;
                return Pushed::Superseded;
            }
        }
        let fits = |messages: usize, bytes: usize| {
            messages < limits.messages && bytes.saturating_add(item.size) <= limits.bytes
        };
        if limits.when_full == WhenFull::DropOldest && fits(0, 0) {
            while !fits(self.items.len(), self.bytes) {
                let Some(old) = self.pop() else { break };
                old.decide(Outcome::Dropped, ledger);
            }
        }
        if !fits(self.items.len(), self.bytes) {
            item.decide(Outcome::Dropped, ledger);
            return Pushed::Dropped;
        }
        self.bytes += item.size;
        self.items.push_back(item);
        Pushed::Queued
    }

    fn pop(&mut self) -> Option<Item<M>> {
        let item = self.items.pop_front()?;
        self.bytes -= item.size;
        Some(item)
    }

    /// The next message to send; what has expired meanwhile is not.
    pub(super) fn next(
        &mut self,
        now: u32,
        limits: &[Limits],
        ledger: &mut Ledger,
    ) -> Option<Item<M>> {
        loop {
            let item = self.pop()?;
            if age(now, item.at) <= limit(limits, item.class).time_to_live {
                return Some(item);
            }
            item.decide(Outcome::Expired, ledger);
        }
    }

    /// Charges what is late, drops what has expired; returns the age of the oldest, if any.
    pub(super) fn tick(&mut self, now: u32, limits: &[Limits], ledger: &mut Ledger) -> Option<u32> {
        let mut oldest = None;
        let mut bytes = 0;
        self.items.retain_mut(|item| {
            let (age, limit) = (age(now, item.at), limit(limits, item.class));
            if age > limit.time_to_live {
                item.decide(Outcome::Expired, ledger);
                return false;
            }
            if !item.late && age > limit.threshold {
                item.decide(Outcome::Late, ledger);
                item.late = true;
            }
            bytes += item.size;
            oldest = oldest.max(Some(age));
            true
        });
        self.bytes = bytes;
        oldest
    }

    /// The session ended.
    pub(super) fn end(&mut self, ledger: &mut Ledger) {
        self.ended = true;
        while let Some(item) = self.pop() {
            item.decide(Outcome::Lost, ledger);
        }
        self.items = VecDeque::new();
    }

    /// The change of length and bytes since the last call.
    pub(super) fn untold(&mut self) -> (i64, i64) {
        let signed = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let now = (signed(self.items.len()), signed(self.bytes));
        let before = std::mem::replace(&mut self.told, now);
        (now.0 - before.0, now.1 - before.1)
    }
}

#[cfg(test)]
mod tests;
