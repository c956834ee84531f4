//! What the suites share: a pipeline with its times scaled down, a load whose every item can be
//! told from the others, and a watcher that checks the books all the while.

#![allow(dead_code, clippy::unwrap_used)]

#[path = "../../../../tests/src/until.rs"]
pub(crate) mod wait;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use campanile_logs::Sink;
use campanile_otlp_receiver::Receiver;
use campanile_telemetry::{SignalStatus, Telemetry};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer};

/// Long enough for a loaded machine; nothing waits for it when all goes well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Over {
    Grpc,
    Http,
}

impl Over {
    pub(crate) fn endpoint(self, receiver: &Receiver) -> &str {
        match self {
            Self::Grpc => receiver.grpc_endpoint(),
            Self::Http => receiver.http_endpoint(),
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
        }
    }
}

/// A pipeline to `endpoint` with small batches and short times, and `more` settings.
pub(crate) fn telemetry(over: Over, endpoint: &str, more: &[(&str, &str)]) -> Telemetry {
    let mut builder = Telemetry::from_env("test")
        .environment(only_the_pipeline)
        .default_endpoint(endpoint)
        .lines(Sink::nowhere())
        .drop_deadline(Duration::from_millis(100))
        .setting("OTEL_EXPORTER_OTLP_PROTOCOL", over.protocol())
        .setting("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
        .setting("CAMPANILE_TELEMETRY_RETRY_FIRST", "5")
        .setting("CAMPANILE_TELEMETRY_RETRY_MAX", "40");
    for prefix in ["OTEL_BSP", "OTEL_BLRP"] {
        builder = builder
            .setting(format!("{prefix}_SCHEDULE_DELAY"), "20")
            .setting(format!("{prefix}_MAX_EXPORT_BATCH_SIZE"), "16");
    }
    for (name, value) in more {
        builder = builder.setting(*name, *value);
    }
    builder.build()
}

/// Offers a span and a log record for each number. It returns though the exporter be blocked.
pub(crate) fn offer(telemetry: &Telemetry, numbers: std::ops::Range<i64>) {
    let tracer = telemetry.tracer("load");
    tracing::dispatcher::with_default(&telemetry.subscriber(), || {
        for n in numbers {
            let mut span = tracer.start("work");
            span.set_attribute(KeyValue::new("n", n));
            span.end();
            tracing::info!(n, "worked");
        }
    });
}

/// The numbers of the spans that arrived.
pub(crate) fn spans(receiver: &Receiver) -> BTreeSet<i64> {
    let spans = receiver.spans();
    let numbers = spans
        .iter()
        .filter_map(|span| span.attributes.get("n")?.as_int());
    numbers.collect()
}

/// The numbers of the log records that arrived.
pub(crate) fn logs(receiver: &Receiver) -> BTreeSet<i64> {
    let logs = receiver.logs();
    let numbers = logs
        .iter()
        .filter_map(|log| log.attributes.get("n")?.as_int());
    numbers.collect()
}

/// Checks the books for as long as it lives: they balance in every snapshot, and bounds hold.
pub(crate) struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub(crate) fn new(telemetry: &Telemetry) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, telemetry) = (stop.clone(), telemetry.clone());
        let thread = std::thread::spawn(move || {
            // At least once, however short the case.
            loop {
                let last = stopped.load(Ordering::Relaxed);
                for signal in telemetry.status().signals {
                    check(&signal);
                }
                if last {
                    return;
                }
                std::thread::yield_now();
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Ends, and fails when a snapshot was wrong.
    pub(crate) fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().unwrap();
        thread.join().expect("every snapshot balances");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn check(signal: &SignalStatus) {
    assert!(signal.is_balanced(), "{signal:?}");
    assert!(signal.pending() <= signal.capacity, "{signal:?}");
    assert!(signal.bytes <= signal.capacity_bytes, "{signal:?}");
}

/// The status, for a failure to tell.
struct Status<'a>(&'a Telemetry);

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#?}", self.0.status())
    }
}

/// Waits until `done` holds of the status of spans and of logs.
pub(crate) async fn until(telemetry: &Telemetry, done: impl Fn(&SignalStatus) -> bool) {
    let all = async || {
        let status = telemetry.status();
        let mut watched = status
            .signals
            .iter()
            .filter(|signal| signal.signal != campanile_telemetry::Signal::Metrics);
        watched.all(&done).then_some(())
    };
    wait::until(PATIENCE, Status(telemetry), all).await;
}

/// Of the environment, only what decides over which pipeline and which bridge a suite runs.
pub(crate) fn only_the_pipeline(name: &str) -> Option<String> {
    match name {
        "CAMPANILE_PIPELINE" | "CAMPANILE_TRACING_BRIDGE" => std::env::var(name).ok(),
        _ => None,
    }
}
