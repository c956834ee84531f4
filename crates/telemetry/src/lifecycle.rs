//! Flush and shutdown: one deadline over all signals, on any runtime or none.
//!
//! The work runs on the export thread; the caller only waits for its report, so it may be on a
//! current-thread runtime, a busy worker, a plain thread or in a drop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use campanile_logs::Sink;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tokio::sync::oneshot;

use crate::Report;
use crate::pipeline::Pipeline;
use crate::status::SignalStatus;

/// How much longer than its deadline a blocking caller waits for the report.
const GRACE: Duration = Duration::from_millis(250);

/// Longer deadlines cannot be added to a clock everywhere, and mean the same.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long lines are waited for when nothing is left of a deadline: they are written at once
/// unless nobody reads them.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(50);

/// How long all lines together that come after a shutdown may hold up who writes them.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// How long one panic, and all of a process, may wait for their lines.
const PANIC: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Goal {
    Flush,
    Shutdown,
}

/// Starts the work; the report comes when it is done.
pub(crate) fn begin(
    pipeline: &Arc<Pipeline>,
    meters: &SdkMeterProvider,
    goal: Goal,
    within: Duration,
) -> oneshot::Receiver<Report> {
    let (sender, receiver) = oneshot::channel();
    let (pipeline, meters) = (pipeline.clone(), meters.clone());
    let runtime = pipeline.runtime().clone();
    let deadline = Instant::now() + within.min(FOR_EVER);
    runtime.spawn(async move {
        collect(&meters, goal, deadline).await;
        pipeline.settle(deadline).await;
        if goal == Goal::Shutdown {
            pipeline.close().await;
        }
        let _ = sender.send(report(&pipeline));
        if goal == Goal::Shutdown {
            pipeline.stop();
        }
    });
    receiver
}

/// Takes a last collection of the metrics. The SDK has no deadline for it, and instruments may run
/// foreign code: it gets a thread of its own, which is left behind when it is too slow.
async fn collect(meters: &SdkMeterProvider, goal: Goal, deadline: Instant) {
    let meters = meters.clone();
    let work = tokio::task::spawn_blocking(move || match goal {
        Goal::Flush => meters.force_flush(),
        Goal::Shutdown => meters.shutdown(),
    });
    let _ = tokio::time::timeout_at(deadline.into(), work).await;
}

/// The books as they are now.
pub(crate) fn report(pipeline: &Pipeline) -> Report {
    Report {
        signals: pipeline
            .lanes()
            .iter()
            .map(|lane| SignalStatus::of(lane))
            .collect(),
        audit: pipeline.audit().map(|lane| SignalStatus::of(lane)),
        ended: false,
    }
}

/// What is left of a deadline for the lines.
pub(crate) fn left(begin: Instant, deadline: Duration) -> Duration {
    deadline.saturating_sub(begin.elapsed()).max(LAST_WORDS)
}

/// Waits until all lines are written, but not longer than `within`; a thread of its own does the
/// waiting.
pub(crate) async fn flush_lines(lines: &Sink, within: Duration) {
    if lines.is_flushed() {
        return;
    }
    let (sender, done) = oneshot::channel();
    let lines = lines.clone();
    let waiting = std::thread::Builder::new()
        .name("campanile-wait".into())
        .spawn(move || {
            lines.flush(within);
            let _ = sender.send(());
        });
    if waiting.is_ok() {
        let _ = done.await;
    }
}

/// Waits a moment for the line about a panic, which may be the last one. Panics do not add up to a
/// service that waits for who does not read its lines.
pub(crate) fn flush_after_panic(lines: &Sink) {
    static SPENT: AtomicU64 = AtomicU64::new(0);
    let left = PANIC
        .1
        .saturating_sub(Duration::from_micros(SPENT.load(Ordering::Relaxed)));
    let begin = Instant::now();
    lines.flush(PANIC.0.min(left));
    let spent = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
    SPENT.fetch_add(spent, Ordering::Relaxed);
}

/// Waits for the report on this thread, wherever it is, but not much longer than `within`.
pub(crate) fn wait(receiver: oneshot::Receiver<Report>, within: Duration) -> Option<Report> {
    // A thread of its own waits, as blocking is not allowed on a runtime's thread.
    let (sender, report) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("campanile-wait".into())
        .spawn(move || {
            if let Ok(report) = receiver.blocking_recv() {
                let _ = sender.send(report);
            }
        })
        .ok()?;
    report.recv_timeout(within.min(FOR_EVER) + GRACE).ok()
}
