//! What follows from the verdict on an attempt: delivered, again, in halves, or given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::Id;

use super::{Batch, Driver, Flight};
use crate::pipeline::ledger::Loss;
use crate::transport::{Failure, Outlet, Sender, Verdict};

/// A failure that is over sooner is not spoken of.
const BLIP: Duration = Duration::from_secs(1);

impl Driver {
    /// Takes the verdict on one attempt.
    pub(super) fn land(&mut self, id: Id, verdict: Verdict) {
        let Some(flight) = self.airborne.remove(&id) else {
            return;
        };
        if let Verdict::Delivered { rejected, message } = verdict {
            return self.delivered(&flight, rejected, message);
        }
        let probed = self
            .probing
            .as_ref()
            .is_some_and(|probing| Arc::ptr_eq(probing, &flight.sender));
        if probed {
            // HTTP is no better; what gRPC said before stays the error.
            self.probing = None;
            self.gate.failed(flight.began, Instant::now(), None);
            return self.take_back([flight.batch]);
        }
        match verdict {
            Verdict::Delivered { .. } => {}
            Verdict::Retry(failure) => self.retry(flight, &failure),
            Verdict::WrongProtocol(failure) => self.wrong_protocol(flight, &failure),
            Verdict::Refused(failure) => self.refused(&flight.batch, &failure),
            Verdict::TooLarge(failure) => match self.halve(&flight.batch) {
                Some(halves) => {
                    self.reweigh(&flight.batch, &halves);
                    self.take_back(halves);
                }
                None => {
                    self.failing(&failure);
                    self.give_up_sent(&flight.batch, Loss::TooLarge);
                }
            },
        }
    }

    fn retry(&mut self, flight: Flight, failure: &Failure) {
        let now = Instant::now();
        // What fails together with another one often only says that it was cancelled.
        if self.gate.failed(flight.began, now, failure.after) {
            self.note(failure);
            // A single quick failure is a closed connection or a restart: no line for that.
            if self.gate.is_failing_again() || now.duration_since(flight.began) >= BLIP {
                self.notices.failing(&self.lane);
            }
        } else {
            self.lane
                .ledger(|ledger| ledger.count_failure(failure.class));
        }
        self.take_back([flight.batch]);
    }

    /// The other side does not speak this protocol. While it never did, the other protocol is tried
    /// once, and items are kept: somebody may put the endpoint right.
    fn wrong_protocol(&mut self, flight: Flight, failure: &Failure) {
        let failure = &failure.clone().hint(flight.sender.protocol_hint());
        let overtaken = self.probing.is_some() || !Arc::ptr_eq(&self.sender, &flight.sender);
        if overtaken {
            return self.take_back([flight.batch]);
        }
        if self.lane.ledger(|ledger| ledger.last_success.is_some()) {
            return self.refused(&flight.batch, failure);
        }
        match self.fallback.take() {
            Some(destination) => {
                self.failing(failure);
                let sender = Sender::new(self.lane.signal, Outlet::otlp(destination));
                self.probing = Some(Arc::new(sender));
                self.take_back([flight.batch]);
            }
            None => self.retry(flight, failure),
        }
    }

    fn refused(&self, batch: &Batch, failure: &Failure) {
        self.failing(failure);
        self.give_up_sent(batch, Loss::Refused);
    }

    fn delivered(&mut self, flight: &Flight, rejected: u64, message: Option<String>) {
        self.gate.succeeded(flight.began, Instant::now());
        self.fallback = None;
        if self
            .probing
            .take()
            .is_some_and(|probing| Arc::ptr_eq(&probing, &flight.sender))
        {
            self.notices.fell_back(&flight.sender.place());
            self.sender = flight.sender.clone();
        }
        let batch = &flight.batch;
        let recovered = self.lane.ledger(|ledger| {
            ledger.deliver(batch.items, rejected, batch.weight());
            let failing = ledger.failing.take();
            if rejected > 0 {
                let why = message.as_deref().unwrap_or("no reason given");
                let error = format!("the collector rejected {rejected} items: {why}");
                ledger.fail("rejected", &error);
            }
            failing.filter(|_| rejected == 0)
        });
        if rejected > 0 {
            self.notices.failing(&self.lane);
        } else if recovered.is_some() {
            self.notices.recovered(&self.lane);
        }
    }

    /// Puts a failure into the books and says so.
    fn failing(&self, failure: &Failure) {
        self.note(failure);
        self.notices.failing(&self.lane);
    }

    fn note(&self, failure: &Failure) {
        let message = format!("{} ({})", failure.message, self.sender.place());
        self.lane
            .ledger(|ledger| ledger.fail(failure.class, &message));
    }

    /// Puts batches that were sent back to where they were in the order.
    pub(super) fn take_back<const N: usize>(&mut self, batches: [Batch; N]) {
        let items = batches.iter().map(|batch| batch.items).sum();
        self.lane.ledger(|ledger| ledger.take_back(items));
        for batch in batches.into_iter().rev() {
            let at = self
                .backlog
                .partition_point(|other| other.first < batch.first);
            self.backlog.insert(at, batch);
        }
    }

    pub(super) fn give_up_sent(&self, batch: &Batch, why: Loss) {
        self.lane
            .ledger(|ledger| ledger.drop_sent(batch.items, batch.weight(), why));
    }
}
