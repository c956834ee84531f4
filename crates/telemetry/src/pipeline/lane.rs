//! The way in: one bounded queue for each signal.
//!
//! Producers push under a short lock and never wait. What does not fit, by items or by bytes, is
//! turned away and counted.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::Notify;

use super::ledger::{Ledger, Loss};
use super::weight;
use crate::Signal;

/// How much a lane holds, queued and in flight together, and when it hands over.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) items: u64,
    pub(crate) bytes: usize,
    pub(crate) batch: usize,
}

/// A finished OTLP request: the way in for pipelines that encode themselves.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) request: Bytes,
    pub(crate) items: u64,
}

/// A log record of the SDK with its scope.
pub(crate) type LogItem = (SdkLogRecord, InstrumentationScope);

/// What came in and was not yet looked at.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    pub(crate) spans: Vec<SpanData>,
    pub(crate) logs: Vec<LogItem>,
    pub(crate) finished: Vec<Finished>,
    pub(crate) items: u64,
    pub(crate) bytes: usize,
    /// When the first of it came.
    pub(crate) since: Option<Instant>,
    /// The running number of its first item.
    pub(crate) first: u64,
}

#[derive(Debug, Default)]
struct State {
    intake: Intake,
    ledger: Ledger,
    /// Items ever admitted.
    admitted: u64,
    closed: bool,
}

/// One signal's queue and books.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) signal: Signal,
    pub(crate) bounds: Bounds,
    state: Mutex<State>,
    wake: Notify,
    /// Something ended, so that there is more room.
    freed: Notify,
}

impl Lane {
    pub(crate) fn new(signal: Signal, bounds: Bounds) -> Self {
        Self {
            signal,
            bounds,
            state: Mutex::default(),
            wake: Notify::new(),
            freed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads or changes the books.
    pub(crate) fn ledger<R>(&self, with: impl FnOnce(&mut Ledger) -> R) -> R {
        let mut state = self.lock();
        let before = (state.ledger.held(), state.ledger.held_bytes);
        let result = with(&mut state.ledger);
        let now = (state.ledger.held(), state.ledger.held_bytes);
        drop(state);
        if now.0 < before.0 || now.1 < before.1 {
            self.freed.notify_waiters();
        }
        result
    }

    pub(crate) fn push_span(&self, span: SpanData) {
        let bytes = weight::span(&span);
        self.push(1, bytes, |intake| intake.spans.push(span));
    }

    pub(crate) fn push_log(&self, record: &SdkLogRecord, scope: &InstrumentationScope) {
        let bytes = weight::log(record);
        // Copied before the lock is taken, so that nobody waits for it.
        let item = (record.clone(), scope.clone());
        self.push(1, bytes, |intake| intake.logs.push(item));
    }

    /// Takes a log record if there is room, else says why not and counts nothing.
    pub(crate) fn try_push_log(
        &self,
        record: SdkLogRecord,
        scope: &InstrumentationScope,
    ) -> Result<(), Loss> {
        let bytes = weight::log(&record);
        if bytes > self.bounds.bytes {
            return Err(Loss::TooLarge);
        }
        let item = (record, scope.clone());
        self.try_push(1, bytes, |intake| intake.logs.push(item))
    }

    /// Resolves when something ended after this was called, so that there may be more room.
    pub(crate) fn room(&self) -> impl Future<Output = ()> + '_ {
        self.freed.notified()
    }

    pub(crate) fn push_finished(&self, finished: Finished) {
        let bytes = weight::request(&finished.request);
        self.push(finished.items, bytes, |intake| {
            intake.finished.push(finished);
        });
    }

    fn push(&self, items: u64, bytes: usize, put: impl FnOnce(&mut Intake)) {
        if items == 0 {
            return;
        }
        if let Err(loss) = self.try_push(items, bytes, put) {
            self.lock().ledger.turn_away(items, loss);
        }
    }

    fn try_push(
        &self,
        items: u64,
        bytes: usize,
        put: impl FnOnce(&mut Intake),
    ) -> Result<(), Loss> {
        let wake = {
            let mut state = self.lock();
            let State {
                intake,
                ledger,
                admitted,
                closed,
            } = &mut *state;
            if *closed {
                return Err(Loss::Shutdown);
            }
            let too_many = ledger.held() + items > self.bounds.items;
            if too_many || ledger.held_bytes + bytes > self.bounds.bytes {
                return Err(Loss::QueueFull);
            }
            ledger.admit(items, bytes);
            if intake.since.is_none() {
                intake.since = Some(Instant::now());
                intake.first = *admitted;
            }
            *admitted += items;
            let before = intake.items;
            intake.items += items;
            intake.bytes += bytes;
            put(intake);
            let batch = self.bounds.batch as u64;
            before == 0 || (before < batch && intake.items >= batch)
        };
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Waits until something came in, or a batch is full.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// When the first item came that was not yet taken, and how many there are.
    pub(crate) fn waiting(&self) -> Option<(Instant, u64)> {
        let state = self.lock();
        state.intake.since.map(|since| (since, state.intake.items))
    }

    /// Takes what came in. It stays in the books as queued.
    pub(crate) fn take(&self) -> Intake {
        std::mem::take(&mut self.lock().intake)
    }

    /// The running number that the next item gets.
    pub(crate) fn mark(&self) -> u64 {
        self.lock().admitted
    }

    /// Turns away everything from now on, and gives up what was not yet taken.
    pub(crate) fn close(&self) {
        let intake = {
            let mut state = self.lock();
            state.closed = true;
            let intake = std::mem::take(&mut state.intake);
            state
                .ledger
                .drop_queued(intake.items, intake.bytes, Loss::Shutdown);
            intake
        };
        self.freed.notify_waiters();
        drop(intake);
    }
}
