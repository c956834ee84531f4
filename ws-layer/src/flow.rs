//! Messages on their way: written, flushed, received by the peer's stack, acknowledged.
//!
//! A message in flight costs 8 bytes: when it was accepted, its class, and whether it has already
//! been charged late. They stand in one ring in the order in which they were written, so a flush
//! or a receipt is a step of a marker, at one clock read for all that it covers.

mod resumable;

use std::collections::VecDeque;
use std::sync::Weak;
use std::task::Waker;

use crate::clock::{Units, age};
use crate::endpoint::Series;
use crate::ledger::{Ledger, Outcome};
use crate::outbox::Waiting;
use crate::resume::logical::Logical;
use crate::settings::{ClassId, Limits, Stage};

/// How many messages wait for their acknowledgement; older ones are forgotten once their outcome
/// is known.
const MAX_KEPT: usize = 1 << 16;

/// A message in flight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) at: u32,
    pub(crate) class: ClassId,
    pub(crate) late: bool,
}

/// The delivery of one connection.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) ledger: Ledger,
    pub(crate) decide: Stage,
    ring: VecDeque<Entry>,
    /// The position of the ring's front, counted since the beginning, wrapping.
    head: u32,
    flushed: u32,
    received: u32,
    /// Up to where the outcome is known; what is kept below it waits for its acknowledgement.
    decided: u32,
    /// Messages that were forgotten before they were acknowledged.
    forgotten: u32,
    keep: bool,
    /// Whether the ticker knows of this flow.
    pub(crate) active: bool,
    pub(crate) outbox: Option<Weak<dyn Waiting>>,
    /// The session that goes on beyond this connection, where there is one.
    pub(crate) logical: Option<Box<Logical>>,
    /// Whoever waits to write.
    pub(crate) writer: Option<Waker>,
    /// When the present stall began to wait, once it has lasted too long.
    pub(crate) stalled: Option<u32>,
}

/// Ages of the oldest messages that have not reached a stage; zero when there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Oldest {
    pub(crate) flush: u32,
    pub(crate) receipt: u32,
}

impl Flow {
    /// `keep` says that messages stay until they are acknowledged, `head` how many went before.
    pub(crate) fn new(classes: usize, decide: Stage, keep: bool, head: u32) -> Self {
        Self {
            ledger: Ledger::new(classes),
            decide,
            ring: VecDeque::new(),
            head,
            flushed: head,
            received: head,
            decided: head,
            forgotten: 0,
            keep: keep || decide == Stage::AppAck,
            active: false,
            outbox: None,
            logical: None,
            writer: None,
            stalled: None,
        }
    }

    /// Whether nothing is left to become late or to be received.
    pub(crate) fn is_settled(&self) -> bool {
        self.index(self.decided) == self.ring.len() && !self.wants_receipt()
    }

    /// Whether this may be thrown away and made anew.
    pub(crate) fn is_idle(&self) -> bool {
        let is_needed = self.outbox.is_some() || self.writer.is_some() || self.logical.is_some();
        self.ring.is_empty() && self.forgotten == 0 && !is_needed
    }

    /// A message was handed to the socket's buffer.
    pub(crate) fn written(&mut self, entry: Entry) {
        if self.keep && self.ring.len() >= MAX_KEPT {
            self.forget();
        }
        self.ring.push_back(entry);
    }

    /// Forgets the oldest message, if its outcome is known: a peer that never acknowledges must not
    /// make memory grow.
    fn forget(&mut self) {
        let is_known = |first: &Entry| first.late || self.index(self.decided) > 0;
        if self.ring.front().is_some_and(is_known) {
            self.ring.pop_front();
            self.head = self.head.wrapping_add(1);
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }

    /// Whether something is flushed whose receipt is not known.
    pub(crate) fn wants_receipt(&self) -> bool {
        self.decide >= Stage::Receipt && self.index(self.flushed) > self.index(self.received)
    }

    /// The position after the last written message: what a ping sent now stands behind.
    pub(crate) fn written_to(&self) -> u32 {
        self.head.wrapping_add(len32(&self.ring))
    }

    fn index(&self, position: u32) -> usize {
        let ahead = position.wrapping_sub(self.head);
        if ahead > u32::MAX / 2 {
            return 0;
        }
        (ahead as usize).min(self.ring.len())
    }

    /// The socket took all that was written.
    pub(crate) fn flush(&mut self, now: u32, limits: &[Limits], series: &Series) {
        let written = self.written_now();
        let (from, to) = (self.index(self.flushed), self.index(written));
        self.writer = None;
        if to < from {
            // What is written once more has been flushed before.
            return;
        }
        self.record(from, to, now, Stage::Flush, series);
        self.flushed = written;
        if self.decide == Stage::Flush {
            self.settle(to, now, limits);
        }
    }

    /// A message of the first class was accepted, written and taken by the socket in one go.
    pub(crate) fn sent_at_once(&mut self, now: u32, limits: &[Limits], series: &Series) {
        let class = ClassId::default();
        self.ledger.accept(class);
        if self.decide > Stage::Flush || self.keep || !self.ring.is_empty() {
            let late = false;
            self.written(Entry {
                at: now,
                class,
                late,
            });
            return self.flush(now, limits, series);
        }
        series.age(class, Stage::Flush).record(0.0);
        self.ledger.decide(class, Outcome::OnTime);
        self.writer = None;
        self.head = self.head.wrapping_add(1);
        self.flushed = self.head;
        self.received = self.head;
        self.decided = self.head;
    }

    /// The peer's stack has read everything before `position`.
    pub(crate) fn receipt(&mut self, position: u32, now: u32, limits: &[Limits], series: &Series) {
        let (from, to) = (self.index(self.received), self.index(position));
        if to <= from {
            return;
        }
        self.record(from, to, now, Stage::Receipt, series);
        self.received = position;
        if self.decide == Stage::Receipt {
            self.settle(to, now, limits);
        }
    }

    /// The peer's application has handled the oldest `count` messages; returns how many were
    /// there to be acknowledged.
    pub(crate) fn acknowledge(
        &mut self,
        count: usize,
        now: u32,
        limits: &[Limits],
        series: &Series,
    ) -> usize {
        if !self.keep {
            return 0;
        }
        let forgotten = count.min(self.forgotten as usize);
        self.forgotten -= u32::try_from(forgotten).unwrap_or_default();
        let to = (count - forgotten).min(self.index(self.flushed));
        // What was handled has been read, whether its pong is here or not.
        let position = self
            .head
            .wrapping_add(u32::try_from(to).unwrap_or_default());
        self.receipt(position, now, limits, series);
        self.record(0, to, now, Stage::AppAck, series);
        self.settle(to, now, limits);
        self.ring.drain(..to);
        self.head = position;
        forgotten + to
    }

    /// Records ages, run by run: messages accepted in the same instant are one call.
    fn record(&self, from: usize, to: usize, now: u32, stage: Stage, series: &Series) {
        let mut all = self.ring.range(from..to).peekable();
        while let Some(first) = all.next() {
            let mut times = 1;
            while all
                .next_if(|next| next.at == first.at && next.class == first.class)
                .is_some()
            {
                times += 1;
            }
            let seconds = Units::seconds(age(now, first.at));
            series.age(first.class, stage).record_many(seconds, times);
        }
    }

    /// Decides the first `count` messages, and forgets them unless they wait to be acknowledged.
    fn settle(&mut self, count: usize, now: u32, limits: &[Limits]) {
        let from = self.index(self.decided);
        let mut all = self.ring.range(from..count.max(from)).peekable();
        while let Some(first) = all.next() {
            let mut times = 1;
            while all.next_if_eq(&first).is_some() {
                times += 1;
            }
            if !first.late {
                let on_time = age(now, first.at) <= limit(limits, first.class).threshold;
                let outcome = if on_time {
                    Outcome::OnTime
                } else {
                    Outcome::Late
                };
                self.ledger.decide_many(first.class, outcome, times);
            }
        }
        let to = self
            .head
            .wrapping_add(u32::try_from(count.max(from)).unwrap_or(0));
        self.decided = to;
        if !self.keep {
            self.ring.drain(..count);
            self.head = to;
        }
    }

    /// Charges late what has just become so, and says how old the oldest messages are.
    pub(crate) fn tick(&mut self, now: u32, limits: &[Limits]) -> Oldest {
        let mut oldest = Oldest::default();
        let (flushed, received) = (self.index(self.flushed), self.index(self.received));
        let decided = self.index(self.decided);
        let first = decided.min(flushed).min(received);
        for (i, entry) in self.ring.iter_mut().enumerate().skip(first) {
            let age = age(now, entry.at);
            if i >= decided && !entry.late && age > limit(limits, entry.class).threshold {
                entry.late = true;
                self.ledger.decide(entry.class, Outcome::Late);
            }
            if i >= flushed {
                oldest.flush = oldest.flush.max(age);
            }
            if i >= received {
                oldest.receipt = oldest.receipt.max(age);
            }
        }
        oldest
    }

    /// The connection ended: what is not decided is lost.
    pub(crate) fn end(&mut self) {
        self.end_as(Outcome::Lost);
    }
}

pub(crate) fn limit(limits: &[Limits], class: ClassId) -> Limits {
    limits[usize::from(class.0)]
}

fn len32(ring: &VecDeque<Entry>) -> u32 {
    u32::try_from(ring.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
