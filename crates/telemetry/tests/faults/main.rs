//! The fault matrix: whatever a collector does, the books balance exactly, bounds hold, the
//! application is not held up, and nothing is lost that need not be.

#![allow(clippy::unwrap_used)]

#[path = "../harness/mod.rs"]
mod harness;
mod limits;
mod load;
mod matrix;
mod notices;
mod ports;
mod stuck;

use std::time::{Duration, Instant};

use campanile_otlp_receiver::Receiver;
use campanile_telemetry::{Loss, Report, Signal, SignalStatus, Telemetry};
use harness::{Over, PATIENCE, Watcher, logs, offer, spans, telemetry, until};

/// Items of each signal in a case.
const N: i64 = 200;

/// A shutdown that has to give up.
const SHORT: Duration = Duration::from_millis(300);

/// What a loaded machine may add to a deadline.
const LOADED: Duration = Duration::from_secs(3);

fn of(report: &Report, signal: Signal) -> &SignalStatus {
    let found = report.signals.iter().find(|status| status.signal == signal);
    found.expect("the signal is exported")
}

/// Shuts down within the deadline, and checks that the report agrees with what arrived.
async fn end(telemetry: &Telemetry, receiver: &Receiver, deadline: Duration) -> Report {
    let began = Instant::now();
    let report = telemetry.shutdown(deadline).await;
    assert!(began.elapsed() < deadline + LOADED, "{:?}", began.elapsed());
    for (signal, arrived) in [
        (Signal::Traces, spans(receiver)),
        (Signal::Logs, logs(receiver)),
    ] {
        let status = of(&report, signal);
        harness::check(status);
        assert_eq!(status.pending(), 0, "{status:?}");
        // Unique items at the collector: everything reported as delivered, and nothing invented.
        assert!(arrived.len() as u64 >= status.delivered, "{status:?}");
        assert!(arrived.len() as u64 <= status.offered, "{status:?}");
    }
    report
}

/// Everything arrives, once the collector lets it.
async fn delivers_all(
    over: Over,
    break_it: impl AsyncFnOnce(&Receiver),
    mend_it: impl AsyncFnOnce(&Receiver, &Telemetry),
) {
    let receiver = Receiver::start().await.unwrap();
    break_it(&receiver).await;
    let telemetry = telemetry(over, over.endpoint(&receiver), &[]);
    let watcher = Watcher::new(&telemetry);
    offer(&telemetry, 0..N);
    mend_it(&receiver, &telemetry).await;
    let report = end(&telemetry, &receiver, PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(spans(&receiver), (0..N).collect());
    assert_eq!(logs(&receiver), (0..N).collect());
    watcher.finish();
}

/// Nothing can be delivered: it is all reported as lost, for one of these reasons, and why.
async fn loses_all(
    over: Over,
    receiver: &Receiver,
    endpoint: &str,
    reasons: &[Loss],
    why: &[&str],
) {
    let telemetry = telemetry(over, endpoint, &[]);
    let watcher = Watcher::new(&telemetry);
    offer(&telemetry, 0..N);
    until(&telemetry, |signal| signal.error.is_some()).await;
    let report = end(&telemetry, receiver, SHORT).await;
    assert!(!report.is_complete(), "{report}");
    for signal in [Signal::Traces, Signal::Logs] {
        let status = of(&report, signal);
        let lost: u64 = reasons.iter().map(|reason| status.dropped(*reason)).sum();
        assert_eq!((status.delivered, lost), (0, N as u64), "{report}");
        let error = status.error.as_deref().unwrap();
        assert!(why.iter().any(|why| error.contains(why)), "{error}");
    }
    watcher.finish();
}

/// What was said, once it contains `part`: lines are written beside the export thread.
async fn settled(captured: &campanile_logs::Captured, part: &str) -> String {
    let said = async || Some(captured.text()).filter(|text| text.contains(part));
    harness::wait::until(PATIENCE, format_args!("a line with {part:?}"), said).await
}
