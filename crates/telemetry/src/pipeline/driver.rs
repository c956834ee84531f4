//! Carries one signal from its lane to its collector.
//!
//! One task for each signal, on the export thread. What came in becomes batches; batches wait in
//! order, leave several at a time while all is well and one at a time while it is not, and come
//! back when a later attempt may work. Timers run only while something waits.

#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinSet};

use super::Route;
use super::encode::Encoder;
use super::gate::{Backoff, Gate};
use super::lane::Lane;
use super::ledger::Loss;
use super::notice::Notices;
use super::{weight, wire};
use crate::Signal;
use crate::transport::{Destination, Failure, Outlet, Protocol, Sender, Verdict};

/// How a signal is carried.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// How long an item may wait for others to share a batch with.
    pub(crate) delay: Duration,
    /// How long an item may wait for a collector.
    pub(crate) max_age: Duration,
    /// Attempts under way at the same time.
    pub(crate) concurrency: usize,
    /// How much later a further attempt begins while one is under way, so that it does not overtake.
    pub(crate) stagger: Duration,
    /// Requests larger than this are cut before they are sent.
    pub(crate) max_request: usize,
    pub(crate) backoff: Backoff,
}

/// A word to a driver.
#[derive(Debug)]
pub(crate) enum Command {
    /// Answer once everything that is in the lane now has ended, or cannot before `deadline`.
    Flush {
        deadline: Instant,
        done: oneshot::Sender<()>,
    },
    /// Give up everything, and end.
    Stop { done: oneshot::Sender<()> },
}

/// A finished request on its way.
#[derive(Debug)]
struct Batch {
    request: Bytes,
    items: u64,
    /// The running number of its first item.
    first: u64,
    born: Instant,
}

impl Batch {
    fn weight(&self) -> usize {
        weight::request(&self.request)
    }
}

/// An attempt under way.
#[derive(Debug)]
struct Flight {
    batch: Batch,
    began: Instant,
    sender: Arc<Sender>,
}

#[derive(Debug)]
struct Flush {
    mark: u64,
    deadline: Instant,
    done: oneshot::Sender<()>,
}

pub(crate) struct Driver {
    lane: Arc<Lane>,
    pace: Pace,
    encoder: Arc<Encoder>,
    notices: Arc<Notices>,
    sender: Arc<Sender>,
    /// The other protocol, to be tried once while nothing was ever delivered.
    fallback: Option<Destination>,
    probing: Option<Arc<Sender>>,
    gate: Gate,
    backlog: VecDeque<Batch>,
    flights: JoinSet<Verdict>,
    airborne: HashMap<Id, Flight>,
    last_launch: Option<Instant>,
    flushes: Vec<Flush>,
}

impl Driver {
    pub(crate) fn new(
        lane: &Arc<Lane>,
        route: &Route,
        encoder: &Arc<Encoder>,
        notices: &Arc<Notices>,
    ) -> Self {
        let gate = Gate::new(route.pace.backoff.clone(), fastrand::Rng::new());
        Self {
            lane: lane.clone(),
            pace: route.pace.clone(),
            encoder: encoder.clone(),
            notices: notices.clone(),
            sender: Arc::new(Sender::new(lane.signal, route.outlet.clone())),
            fallback: fallback(lane.signal, &route.outlet),
            probing: None,
            gate,
            backlog: VecDeque::new(),
            flights: JoinSet::new(),
            airborne: HashMap::new(),
            last_launch: None,
            flushes: Vec::new(),
        }
    }

    /// Works until it is told to stop, or nobody is left who could.
    pub(crate) async fn run(mut self, commands: &mut mpsc::UnboundedReceiver<Command>) {
        let lane = self.lane.clone();
        loop {
            let now = Instant::now();
            self.harvest(now);
            self.expire(now);
            self.launch(now);
            self.answer_flushes(now);
            let alarm = self.alarm(Instant::now());
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Flush { deadline, done }) => {
                        self.gate.open_early(Instant::now());
                        self.flushes.push(Flush { mark: lane.mark(), deadline, done });
                    }
                    Some(Command::Stop { done }) => {
                        lane.close();
                        self.give_up(Loss::Shutdown);
                        let _ = done.send(());
                        return;
                    }
                    None => {
                        lane.close();
                        return self.give_up(Loss::Shutdown);
                    }
                },
                Some(landed) = self.flights.join_next_with_id() => match landed {
                    Ok((id, verdict)) => self.land(id, verdict),
                    Err(error) => {
                        let failure = Failure::new("internal", format!("an export broke: {error}"));
                        self.land(error.id(), Verdict::Refused(failure));
                    }
                },
                () = lane.woken() => {}
                () = sleep_until(alarm) => {}
            }
        }
    }

    /// Makes batches of what came in, when it is time.
    fn harvest(&mut self, now: Instant) {
        let Some((since, items)) = self.lane.waiting() else {
            return;
        };
        let full = items >= self.lane.bounds.batch as u64;
        let due = now >= since + self.pace.delay;
        if !(full || due || !self.flushes.is_empty()) {
            return;
        }
        let mut intake = self.lane.take();
        let written = std::mem::take(&mut intake.written);
        let (born, mut first, held) = (since, intake.first, intake.bytes);
        let mut weight = 0;
        let mut broken = 0;
        let size = self.lane.bounds.batch;
        let framed = self.encoder.frame(&written, size).into_iter().map(Ok);
        for encoded in framed.chain(self.encoder.encode(intake, size)) {
            match encoded {
                Ok(finished) => {
                    let batch = Batch {
                        request: finished.request,
                        items: finished.items,
                        first,
                        born,
                    };
                    first += batch.items;
                    weight += batch.weight();
                    self.backlog.push_back(batch);
                }
                Err(items) => {
                    first += items;
                    broken += items;
                }
            }
        }
        self.lane.ledger(|ledger| {
            ledger.reweigh(held, weight);
            ledger.drop_queued(broken, 0, Loss::Internal);
        });
        if !written.is_empty() {
            let buffers = written.into_iter().map(|written| written.bytes);
            self.lane.give_back(buffers);
        }
    }

    /// Gives up what waited too long.
    fn expire(&mut self, now: Instant) {
        while let Some(oldest) = self.backlog.front() {
            if now < oldest.born + self.pace.max_age {
                return;
            }
            if let Some(batch) = self.backlog.pop_front() {
                self.lane.ledger(|ledger| {
                    ledger.drop_queued(batch.items, batch.weight(), Loss::Expired);
                });
            }
        }
    }

    /// Sends what may be sent.
    fn launch(&mut self, now: Instant) {
        let limit = if self.gate.is_healthy() && self.probing.is_none() {
            self.pace.concurrency
        } else {
            1
        };
        while self.airborne.len() < limit
            && self.gate.opens(now).is_none()
            && self.staggered(now).is_none()
        {
            let Some(batch) = self.backlog.pop_front() else {
                return;
            };
            if batch.request.len() > self.pace.max_request
                && let Some(halves) = self.halve(&batch)
            {
                self.reweigh(&batch, &halves);
                for half in halves.into_iter().rev() {
                    self.backlog.push_front(half);
                }
                continue;
            }
            self.lane.ledger(|ledger| ledger.launch(batch.items));
            let sender = self.probing.as_ref().unwrap_or(&self.sender).clone();
            let (request, attempt) = (batch.request.clone(), sender.clone());
            let task = self
                .flights
                .spawn(async move { attempt.send(request).await });
            let flight = Flight {
                batch,
                began: now,
                sender,
            };
            self.airborne.insert(task.id(), flight);
            self.last_launch = Some(now);
        }
    }

    /// When the next attempt may begin, if it has to keep its distance from the last one.
    fn staggered(&self, now: Instant) -> Option<Instant> {
        let next = self.last_launch? + self.pace.stagger;
        (next > now && !self.airborne.is_empty()).then_some(next)
    }

    fn reweigh(&self, whole: &Batch, halves: &[Batch; 2]) {
        let weight = halves.iter().map(Batch::weight).sum();
        self.lane
            .ledger(|ledger| ledger.reweigh(whole.weight(), weight));
    }

    fn halve(&self, batch: &Batch) -> Option<[Batch; 2]> {
        let [(left, left_items), (right, right_items)] =
            wire::split(self.lane.signal, &batch.request)?;
        // A foreign encoder may have counted differently; then it stays whole.
        if left_items + right_items != batch.items {
            return None;
        }
        let half = |request, items, first| Batch {
            request,
            items,
            first,
            born: batch.born,
        };
        Some([
            half(left, left_items, batch.first),
            half(right, right_items, batch.first + left_items),
        ])
    }

    /// The running number of the oldest item that has not ended.
    fn oldest(&self) -> Option<u64> {
        let waiting = self.backlog.iter().map(|batch| batch.first);
        let airborne = self.airborne.values().map(|flight| flight.batch.first);
        waiting.chain(airborne).min()
    }

    fn answer_flushes(&mut self, now: Instant) {
        if self.flushes.is_empty() {
            return;
        }
        let oldest = self.oldest().unwrap_or(u64::MAX);
        let opens = self.gate.hinted(now);
        for flush in std::mem::take(&mut self.flushes) {
            // A server that asks us to wait longer than the flush may: waiting is of no use.
            let hopeless = self.airborne.is_empty() && opens.is_some_and(|at| at > flush.deadline);
            if oldest >= flush.mark || hopeless || now >= flush.deadline {
                let _ = flush.done.send(());
            } else {
                self.flushes.push(flush);
            }
        }
    }

    /// When to look again if nothing happens before; none while nothing waits.
    fn alarm(&self, now: Instant) -> Option<Instant> {
        let harvest = self
            .lane
            .waiting()
            .map(|(since, _)| since + self.pace.delay);
        let expiry = self
            .backlog
            .front()
            .map(|batch| batch.born + self.pace.max_age);
        let opening = self.gate.opens(now).filter(|_| !self.backlog.is_empty());
        let distance = self.staggered(now).filter(|_| !self.backlog.is_empty());
        let flush = self.flushes.iter().map(|flush| flush.deadline).min();
        [harvest, expiry, opening, distance, flush]
            .into_iter()
            .flatten()
            .min()
    }

    /// Ends everything that was taken and has not ended.
    fn give_up(&mut self, why: Loss) {
        self.flights.abort_all();
        for flight in std::mem::take(&mut self.airborne).into_values() {
            self.give_up_sent(&flight.batch, why);
        }
        for batch in std::mem::take(&mut self.backlog) {
            self.lane
                .ledger(|ledger| ledger.drop_queued(batch.items, batch.weight(), why));
        }
        self.flushes.clear();
    }
}

/// A driver that breaks leaves no item without an end.
impl Drop for Driver {
    fn drop(&mut self) {
        self.give_up(Loss::Internal);
    }
}

/// Never ends when there is nothing to wait for.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Where HTTP would be found if gRPC was meant to be there.
fn fallback(signal: Signal, outlet: &Outlet) -> Option<Destination> {
    let Outlet::Otlp(destination) = outlet else {
        return None;
    };
    (destination.protocol == Protocol::Grpc).then(|| Destination {
        protocol: Protocol::Http,
        endpoint: destination
            .endpoint
            .http_twin(&format!("/v1/{}", signal.as_str())),
        ..Destination::clone(destination)
    })
}
