//! Who is measured.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use campanile_logs::{Lines, Sink};
use campanile_redaction::Redactor;
use campanile_telemetry::{Signal, Telemetry};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, LogBatch, LogExporter, SdkLoggerProvider,
};
use tracing::Dispatch;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use crate::work::{self, SPAN, TRACE, drive};

/// Larger than all records of a run, so that nothing is dropped.
const QUEUE: usize = 1 << 16;

/// One thing to measure.
pub struct Contender {
    pub name: &'static str,
    kind: Kind,
    is_sampled: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    /// A subscriber that does nothing with events.
    Bare,
    /// Our lines, thrown away once they are rendered.
    Lines { redacts: bool },
    /// Our lines with redaction, through the writer's queue.
    Written,
    /// `tracing-subscriber`'s JSON.
    Json,
    /// The stock appender, into the SDK's batches.
    Appender,
    /// Our line, thrown away once it is rendered, and our record as OTLP; both with redaction.
    Both,
    /// `tracing-subscriber`'s JSON, and the stock appender.
    JsonAppender,
}

const fn contender(name: &'static str, kind: Kind, is_sampled: bool) -> Contender {
    Contender {
        name,
        kind,
        is_sampled,
    }
}

const OURS: Kind = Kind::Lines { redacts: false };
const REDACTED: Kind = Kind::Lines { redacts: true };

pub const ALL: &[Contender] = &[
    contender("bare", Kind::Bare, false),
    contender("bare-sampled", Kind::Bare, true),
    contender("lines", OURS, false),
    contender("lines-sampled", OURS, true),
    contender("lines-redacted", REDACTED, false),
    contender("lines-redacted-sampled", REDACTED, true),
    contender("lines-written", Kind::Written, false),
    contender("lines-written-sampled", Kind::Written, true),
    contender("fmt-json", Kind::Json, false),
    contender("fmt-json-sampled", Kind::Json, true),
    contender("appender", Kind::Appender, false),
    contender("appender-sampled", Kind::Appender, true),
    contender("lines-records", Kind::Both, false),
    contender("lines-records-sampled", Kind::Both, true),
    contender("fmt-json-appender", Kind::JsonAppender, false),
    contender("fmt-json-appender-sampled", Kind::JsonAppender, true),
];

impl Contender {
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|contender| contender.name == name)
    }

    /// Tells `count` events, then makes sure that every one arrived: who does less is not cheaper.
    pub fn run(&self, count: usize) {
        let seen = Arc::new(Seen::default());
        let sink = || Sink::bounded(Output(seen.clone()), 64 << 20);
        let lines = |sink, redacts| {
            let redactor = if redacts {
                Redactor::standard()
            } else {
                Redactor::off()
            };
            Lines::new("bench", sink).with_redactor(redactor)
        };
        let mut written = None;
        let mut loggers: Option<SdkLoggerProvider> = None;
        let mut telemetry = None;
        let records_seen = Arc::new(Seen::default());
        let subscriber = match self.kind {
            Kind::Bare => Dispatch::new(registry().with(Nothing)),
            Kind::Lines { redacts } => {
                self.check_ours(lines, redacts);
                Dispatch::new(registry().with(lines(Sink::nowhere(), redacts)))
            }
            Kind::Written => {
                self.check_ours(lines, true);
                let sink = written.insert(sink()).clone();
                Dispatch::new(registry().with(lines(sink, true)))
            }
            Kind::Json => Dispatch::new(registry().with(json(&seen))),
            Kind::Appender => {
                let provider = loggers.insert(appender(&seen));
                let bridge = OpenTelemetryTracingBridge::new(provider);
                Dispatch::new(registry().with(bridge))
            }
            Kind::JsonAppender => {
                let provider = loggers.insert(appender(&records_seen));
                let bridge = OpenTelemetryTracingBridge::new(provider);
                Dispatch::new(registry().with(json(&seen)).with(bridge))
            }
            Kind::Both => telemetry.insert(self::telemetry()).subscriber(),
        };
        tracing::dispatcher::set_global_default(subscriber).expect("the first one");
        if self.is_sampled {
            work::sampled(|| drive(count));
        } else {
            drive(count);
        }
        if let Some(sink) = written {
            assert!(sink.flush(Duration::from_secs(60)) && sink.dropped() == 0);
        }
        if let Some(loggers) = loggers {
            loggers.force_flush().expect("flushed records");
        }
        if let Some(telemetry) = telemetry {
            let status = telemetry.status();
            let logs = status.signals.iter().find(|of| of.signal == Signal::Logs);
            assert_eq!(logs.map(|logs| logs.offered), Some(count as u64));
            let _ = telemetry.shutdown_blocking(Duration::ZERO);
        }
        if self.kind == Kind::JsonAppender {
            assert_eq!(records_seen.lines.load(Relaxed), count as u64);
            // the SDK tells of its own doings on a few lines
            let lines = seen.lines.load(Relaxed) as usize;
            assert!((count..count + 16).contains(&lines), "{lines} lines");
        }
        if matches!(self.kind, Kind::Written | Kind::Json | Kind::Appender) {
            assert_eq!(seen.lines.load(Relaxed), count as u64);
            let looked_at = if self.kind == Kind::Json {
                1
            } else {
                count as u64
            };
            let with_ids = if self.is_sampled { looked_at } else { 0 };
            assert_eq!(seen.with_ids.load(Relaxed), with_ids);
        }
    }

    /// What the measured line looks like.
    fn check_ours(&self, lines: impl Fn(Sink, bool) -> Lines, redacts: bool) {
        let (sink, captured) = Sink::captured();
        let subscriber = registry().with(lines(sink, redacts));
        tracing::subscriber::with_default(subscriber, || {
            if self.is_sampled {
                work::sampled(|| drive(1));
            } else {
                drive(1);
            }
        });
        let line: serde_json::Value = serde_json::from_str(&captured.text()).expect("one object");
        assert_eq!(
            (&line["room"], &line["kind"], &line["bytes"]),
            (&1000.into(), &"text".into(), &512.into())
        );
        assert_eq!(line["message"], "message stored");
        if self.is_sampled {
            assert_eq!(
                (&line["trace_id"], &line["span_id"]),
                (&TRACE.into(), &SPAN.into())
            );
        }
    }
}

/// `tracing-subscriber`'s JSON.
fn json<S>(seen: &Arc<Seen>) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let output = seen.clone();
    tracing_subscriber::fmt::layer()
        .json()
        .with_writer(move || PerLine(output.clone()))
}

/// Where the stock appender puts its records.
fn appender(seen: &Arc<Seen>) -> SdkLoggerProvider {
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_scheduled_delay(Duration::from_secs(5))
        .build();
    let processor = BatchLogProcessor::builder(Exporter(seen.clone()))
        .with_batch_config(config)
        .build();
    SdkLoggerProvider::builder()
        .with_log_processor(processor)
        .build()
}

/// Everything of ours that an event passes. Nobody listens at the endpoint: what is counted is what
/// leads to it.
fn telemetry() -> Telemetry {
    Telemetry::from_env("bench")
        .environment(|_| None)
        .default_endpoint("http://127.0.0.1:9")
        .lines(Sink::nowhere())
        .setting("OTEL_TRACES_EXPORTER", "none")
        .setting("OTEL_METRICS_EXPORTER", "none")
        .setting("OTEL_BLRP_SCHEDULE_DELAY", "60000")
        .build()
}

struct Nothing;

impl<S: tracing::Subscriber> Layer<S> for Nothing {}

/// What has arrived.
#[derive(Debug, Default)]
struct Seen {
    lines: AtomicU64,
    with_ids: AtomicU64,
}

/// Looks at the lines, and throws them away.
struct Output(Arc<Seen>);

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.0.lines.fetch_add(1, Relaxed);
            // The trace id stands somewhere near one of the ends of a line.
            let ids = line
                .windows(32)
                .filter(|part| *part == TRACE.as_bytes())
                .count();
            self.0.with_ids.fetch_add(ids.min(1) as u64, Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes one line at a time, on the thread that is measured: it looks at the first one only.
struct PerLine(Arc<Seen>);

impl io::Write for PerLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.lines.load(Relaxed) == 0 {
            return Output(self.0.clone()).write(bytes);
        }
        self.0.lines.fetch_add(1, Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Exporter(Arc<Seen>);

impl LogExporter for Exporter {
    fn export(&self, batch: LogBatch<'_>) -> impl Future<Output = OTelSdkResult> + Send {
        for (record, _) in batch.iter() {
            self.0.lines.fetch_add(1, Relaxed);
            let ids = u64::from(record.trace_context().is_some());
            self.0.with_ids.fetch_add(ids, Relaxed);
        }
        std::future::ready(Ok(()))
    }
}
