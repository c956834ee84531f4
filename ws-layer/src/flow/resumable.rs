//! The delivery of a session that outlives its connections.
//!
//! A position in the flow is the number of a message: the ring, the log and the client's
//! acknowledgement speak of the same count.

use axum::body::Bytes;

use super::{Entry, Flow, limit};
use crate::Kind;
use crate::endpoint::Series;
use crate::ledger::Outcome;
use crate::resume::logical::{Plan, Step};
use crate::resume::replay::Seq;
use crate::settings::{ClassId, Limits};

impl Flow {
    /// The position after the last message that was given to the present socket.
    pub(crate) fn written_now(&self) -> u32 {
        let logical = self.logical.as_ref();
        logical.map_or_else(|| self.written_to(), |logical| logical.cursor.0)
    }

    /// Numbers a message that was accepted and is being written.
    pub(crate) fn number(&mut self, entry: Entry, made: u64, kind: Kind, payload: Bytes) {
        self.written(entry);
        if let Some(logical) = &mut self.logical {
            logical.push(made, entry.class, kind, payload);
        }
    }

    /// Numbers a message that was accepted and is to be written later.
    pub(crate) fn number_early(&mut self, entry: Entry, made: u64, kind: Kind, payload: Bytes) {
        self.written(entry);
        if let Some(logical) = &mut self.logical {
            logical.put(made, entry.class, kind, payload);
        }
    }

    /// The client's application has everything up to `seq`; false if that was never written.
    pub(crate) fn handed(
        &mut self,
        seq: Seq,
        now: u32,
        limits: &[Limits],
        series: &Series,
    ) -> bool {
        let Some(logical) = &mut self.logical else {
            return true;
        };
        if logical.cursor.since(seq).is_none() {
            return false;
        }
        logical.log.acknowledge(seq);
        if seq.since(logical.acked).is_some() {
            logical.acked = seq;
        }
        if self.keep {
            let count = self.forgotten as usize + self.index(seq.0);
            self.acknowledge(count, now, limits, series);
        } else {
            self.receipt(seq.0, now, limits, series);
        }
        true
    }

    /// A new connection goes on where the client stands. What the client has is delivered; what
    /// the log no longer has is lost.
    pub(crate) fn resume(
        &mut self,
        seq: Seq,
        now: u32,
        limits: &[Limits],
        series: &Series,
    ) -> Option<Plan> {
        let plan = self.logical.as_ref()?.plan(seq)?;
        self.handed(seq, now, limits, series);
        if plan.lost > 0 {
            self.lose(plan.from.0);
        }
        if let Some(logical) = &mut self.logical {
            logical.cursor = plan.from;
        }
        Some(plan)
    }

    /// Everything before `position` will never be delivered.
    fn lose(&mut self, position: u32) {
        let (from, to) = (self.index(self.decided), self.index(position));
        for entry in self.ring.range(from.min(to)..to) {
            if !entry.late {
                self.ledger.decide(entry.class, Outcome::Lost);
            }
        }
        self.ring.drain(..to);
        self.head = position;
        let behind = |mark: u32| position.wrapping_sub(mark) <= u32::MAX / 2;
        for mark in [&mut self.flushed, &mut self.received, &mut self.decided] {
            if behind(*mark) {
                *mark = position;
            }
        }
    }

    /// The first message will be the one after this number.
    pub(crate) fn begin_at(&mut self, seq: Seq) {
        self.head = seq.0;
        self.flushed = seq.0;
        self.received = seq.0;
        self.decided = seq.0;
    }

    /// A message of the log whose delivery another node began, and which is accepted here anew.
    pub(crate) fn adopt(&mut self, at: u32, class: ClassId) {
        self.ledger.accept(class);
        let late = false;
        self.written(Entry { at, class, late });
    }

    /// So many messages are accepted and lost at once.
    pub(crate) fn lost(&mut self, count: u32) {
        for _ in 0..count {
            self.ledger.accept(ClassId::default());
            self.ledger.decide(ClassId::default(), Outcome::Lost);
        }
    }

    /// What is to be written next from the log. Messages that are too old by now are left out.
    pub(crate) fn step(&mut self, wall: u64, limits: &[Limits]) -> Step {
        let Some(logical) = &mut self.logical else {
            return Step::Done;
        };
        let oldest = wall.saturating_sub(logical.hub.max_age());
        let mut skipped = 0;
        for next in logical.log.after(logical.cursor) {
            let life = u64::from(limit(limits, next.class).time_to_live) / 10;
            let is_over = next.made < oldest || wall.saturating_sub(next.made) > life;
            if !is_over && skipped == 0 {
                let (kind, payload) = (next.kind, next.payload.clone());
                logical.cursor = next.seq;
                return Step::Send { kind, payload };
            }
            if !is_over {
                break;
            }
            skipped += 1;
        }
        if skipped == 0 {
            return Step::Done;
        }
        let from = logical.cursor;
        logical.cursor = from.plus(skipped);
        let (first, last) = (self.index(from.0), self.index(from.plus(skipped).0));
        let decided = self.index(self.decided);
        for entry in self.ring.range_mut(first.max(decided).min(last)..last) {
            if !std::mem::replace(&mut entry.late, true) {
                self.ledger.decide(entry.class, Outcome::Expired);
            }
        }
        Step::Skip(skipped)
    }

    /// Ends the flow: what is not decided has this outcome. What was never handed over has not
    /// moved with its session: it is lost.
    pub(crate) fn end_as(&mut self, outcome: Outcome) {
        let decided = self.index(self.decided);
        let handed = match (&self.logical, outcome) {
            (Some(logical), Outcome::Moved) => self.index(logical.saved.0),
            _ => usize::MAX,
        };
        let ring = std::mem::take(&mut self.ring).into_iter();
        for (at, entry) in ring.enumerate().skip(decided) {
            let outcome = if at < handed { outcome } else { Outcome::Lost };
            if !entry.late {
                self.ledger.decide(entry.class, outcome);
            }
        }
        self.outbox = None;
        self.logical = None;
    }
}
