//! The way in: one bounded queue for each signal.
//!
//! Producers push under a short lock and never wait: items of the SDK into the queue, written ones
//! into the buffer of their thread. What does not fit, by items or by bytes, is turned away and
//! counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::Notify;

use super::ledger::{Ledger, Loss};
use super::queue::Queue;
use super::shard::{Pushed, Shard};
use super::written::{Scope, Written};
use super::{local, weight};
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
    pub(crate) written: Vec<Written>,
    pub(crate) items: u64,
    pub(crate) bytes: usize,
    /// When the first of it came.
    pub(crate) since: Option<Instant>,
    /// The running number of its first item.
    pub(crate) first: u64,
}

/// One signal's queue and books.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) signal: Signal,
    pub(crate) bounds: Bounds,
    /// Tells lanes apart in a thread's list of its buffers.
    id: u64,
    queue: Queue,
    wake: Notify,
    /// Something ended, so that there is more room.
    freed: Notify,
}

impl Lane {
    /// A request weighs `request` besides its scopes and items.
    pub(crate) fn new(signal: Signal, bounds: Bounds, request: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            signal,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            queue: Queue::new(bounds.clone(), request),
            bounds,
            wake: Notify::new(),
            freed: Notify::new(),
        }
    }

    /// Reads or changes the books.
    pub(crate) fn ledger<R>(&self, with: impl FnOnce(&mut Ledger) -> R) -> R {
        let (result, is_freed) = self.queue.ledger(with);
        if is_freed {
            self.freed.notify_waiters();
        }
        result
    }

    /// Reads the books with everything in them that was pushed until now.
    pub(crate) fn books<R>(&self, read: impl FnOnce(&Ledger) -> R) -> R {
        self.queue.books(read)
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

    /// Appends an item to the buffer of this thread; `write` gives it as a whole field of the
    /// message of `scope`. `write` must not push itself.
    #[inline]
    pub(crate) fn push_written(&self, scope: &Scope, write: impl FnOnce(&mut Vec<u8>)) {
        let mut write = Some(write);
        let full = self.queue.full();
        let pushed = local::with(
            self.id,
            || self.queue.register(),
            |shard| {
                let pushed = shard.push(scope, full, |out| {
                    if let Some(write) = write.take() {
                        write(out);
                    }
                });
                match pushed {
                    Pushed::Kept => {}
                    Pushed::First => self.wake.notify_one(),
                    Pushed::Full => self.hand_over(shard),
                    Pushed::Closed => self.ledger(|ledger| ledger.turn_away(1, Loss::Shutdown)),
                }
            },
        );
        if let (None, Some(write)) = (pushed, write) {
            self.push_at_the_end(scope, write);
        }
    }

    #[cold]
    fn hand_over(&self, shard: &Shard) {
        if self.queue.hand_over(shard) {
            self.wake.notify_one();
        }
    }

    /// For a thread that is ending and has no buffer any more.
    #[cold]
    fn push_at_the_end(&self, scope: &Scope, write: impl FnOnce(&mut Vec<u8>)) {
        let mut written = Written::new(scope.clone());
        write(&mut written.bytes);
        written.items = 1;
        let bytes = written.bytes.len();
        self.push(1, bytes, |intake| intake.written.push(written));
    }

    fn push(&self, items: u64, bytes: usize, put: impl FnOnce(&mut Intake)) {
        if items == 0 {
            return;
        }
        if let Err(loss) = self.try_push(items, bytes, put) {
            self.ledger(|ledger| ledger.turn_away(items, loss));
        }
    }

    fn try_push(
        &self,
        items: u64,
        bytes: usize,
        put: impl FnOnce(&mut Intake),
    ) -> Result<(), Loss> {
        if self.queue.offer(items, bytes, put)? {
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
        self.queue.waiting()
    }

    /// Takes what came in. It stays in the books as queued.
    pub(crate) fn take(&self) -> Intake {
        self.queue.take()
    }

    /// Gives buffers back that were taken and are not needed any more.
    pub(crate) fn give_back(&self, buffers: impl IntoIterator<Item = Vec<u8>>) {
        self.queue.give_back(buffers);
    }

    /// The running number that the next item gets.
    pub(crate) fn mark(&self) -> u64 {
        self.queue.mark()
    }

    /// Turns away everything from now on, and gives up what was not yet taken.
    pub(crate) fn close(&self) {
        let intake = self.queue.close();
        self.freed.notify_waiters();
        drop(intake);
    }
}
