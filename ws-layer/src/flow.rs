//! Messages on their way: written, flushed, received by the peer's stack, acknowledged.
//!
//! A message in flight costs 8 bytes: when it was accepted, its class, and whether it has already
//! been charged late. They stand in one ring in the order in which they were written, so a flush
//! or a receipt is a step of a marker, at one clock read for all that it covers.

use std::collections::VecDeque;
use std::sync::Weak;

use crate::clock::{Units, age};
use crate::endpoint::Series;
use crate::ledger::{Ledger, Outcome};
use crate::outbox::Waiting;
use crate::settings::{ClassId, Limits, Stage};

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
    /// Whether the ticker knows of this flow.
    pub(crate) active: bool,
    pub(crate) outbox: Option<Weak<dyn Waiting>>,
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
    pub(crate) fn new(classes: usize, decide: Stage) -> Self {
        Self {
            ledger: Ledger::new(classes),
            decide,
            ring: VecDeque::new(),
            head: 0,
            flushed: 0,
            received: 0,
            active: false,
            outbox: None,
            stalled: None,
        }
    }

    /// Whether nothing is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Whether this may be thrown away and made anew.
    pub(crate) fn is_idle(&self) -> bool {
        self.ring.is_empty() && self.outbox.is_none() && self.decide != Stage::AppAck
    }

    /// A message was handed to the socket's buffer.
    pub(crate) fn written(&mut self, entry: Entry) {
        self.ring.push_back(entry);
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
        let (from, to) = (self.index(self.flushed), self.ring.len());
        self.record(from, to, now, Stage::Flush, series);
        self.flushed = self.written_to();
        if self.decide == Stage::Flush {
            self.settle(to, now, limits);
        }
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
        if self.decide != Stage::AppAck {
            return 0;
        }
        let to = count.min(self.index(self.flushed));
        self.record(0, to, now, Stage::AppAck, series);
        self.settle(to, now, limits);
        to
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

    /// Decides the first `count` messages and forgets them.
    fn settle(&mut self, count: usize, now: u32, limits: &[Limits]) {
        for entry in self.ring.drain(..count) {
            if !entry.late {
                let on_time = age(now, entry.at) <= limit(limits, entry.class).threshold;
                let outcome = if on_time {
                    Outcome::OnTime
                } else {
                    Outcome::Late
                };
                self.ledger.decide(entry.class, outcome);
            }
        }
        self.head = self.head.wrapping_add(u32::try_from(count).unwrap_or(0));
    }

    /// Charges late what has just become so, and says how old the oldest messages are.
    pub(crate) fn tick(&mut self, now: u32, limits: &[Limits]) -> Oldest {
        let mut oldest = Oldest::default();
        let (flushed, received) = (self.index(self.flushed), self.index(self.received));
        for (i, entry) in self.ring.iter_mut().enumerate() {
            let age = age(now, entry.at);
            if !entry.late && age > limit(limits, entry.class).threshold {
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
        for entry in std::mem::take(&mut self.ring) {
            if !entry.late {
                self.ledger.decide(entry.class, Outcome::Lost);
            }
        }
        self.outbox = None;
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
