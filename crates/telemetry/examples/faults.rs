//! Measures what each fault of a collector costs, at 500 requests a second, beside what the plain
//! OpenTelemetry SDK loses under the same load.
//!
//! `cargo run -p campanile-telemetry --example faults -- [--seconds 20] [--parallel 6] [--only down] [--write docs/faults.md]`

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use campanile_logs::{Captured, Sink};
use campanile_otlp_receiver::{Fault, Network, Receiver};
use campanile_telemetry::{Report, Signal, Telemetry};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, SpanKind, TraceContextExt, Tracer};

/// Requests a second, as in the measurement of the SDK.
const RATE: u64 = 500;

/// For flush and for shutdown.
const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum Mode {
    Healthy,
    Refused,
    Silent,
    Slow(u64),
    Status(u16),
    Hint(u64),
    Partial,
    ResetBefore,
    ResetAfter,
    Down(u64),
    WrongPort,
    NoSuchName,
    Large,
}

/// A mode, its name, and what the SDK lost over gRPC and HTTP (spans / logs, in percent).
const MODES: &[(Mode, &str, &str, &str)] = &[
    (
        Mode::Healthy,
        "healthy",
        "0 / 0",
        "0 / 0, or 100 / 100 with another cargo feature",
    ),
    (Mode::Refused, "refused", "100 / 100", "100 / 100"),
    (Mode::Silent, "accepts, silent", "100 / 100", "100 / 100"),
    (
        Mode::Slow(5),
        "slow, 5 s an export",
        "79.5 / 59.7",
        "79.5 / 59.7",
    ),
    (
        Mode::Slow(12),
        "slow, 12 s (over the timeout)",
        "100 / 100",
        "100 / 100",
    ),
    (
        Mode::Status(503),
        "UNAVAILABLE / 503",
        "100 / 100",
        "100 / 100",
    ),
    (
        Mode::Hint(1),
        "throttled for 5 s, hint 1 s",
        "100 / 100 (for ever)",
        "100 / 100 (for ever)",
    ),
    (Mode::Hint(60), "hint 60 s", "100 / 100", "100 / 100"),
    (
        Mode::Status(500),
        "INTERNAL / 500",
        "100 / 100",
        "100 / 100",
    ),
    (Mode::Status(401), "UNAUTHENTICATED / 401", "100 / 100", "-"),
    (
        Mode::Partial,
        "128 items of each batch rejected",
        "50 / 50 (half of each)",
        "50 / 50 (half of each)",
    ),
    (
        Mode::ResetBefore,
        "reset for 5 s before taking",
        "100 / 100 (for ever)",
        "100 / 100 (for ever)",
    ),
    (
        Mode::ResetAfter,
        "takes, then resets, for 5 s",
        "0 / 0, reported lost",
        "34.9 / 0, each item four times",
    ),
    (Mode::Down(1), "down 1 s, back", "0 / 0", "0 / 0"),
    (
        Mode::Down(10),
        "down 10 s, back",
        "40.0 / 43.3",
        "40.4 / 43.9",
    ),
    (
        Mode::WrongPort,
        "the other protocol's port",
        "100 / 100",
        "100 / 100",
    ),
    (
        Mode::NoSuchName,
        "a name that does not resolve",
        "100 / 100",
        "100 / 100",
    ),
    (
        Mode::Large,
        "20 kB attribute in each inner span",
        "92.4 / 0",
        "-",
    ),
];

struct Options {
    seconds: u64,
    parallel: usize,
    only: Option<String>,
    write: Option<String>,
}

impl Options {
    fn parse() -> Result<Self, String> {
        let mut options = Self {
            seconds: 20,
            parallel: 6,
            only: None,
            write: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} needs a value"))?;
            let number = || {
                value
                    .parse()
                    .map_err(|_| format!("{name} {value}: not a number"))
            };
            match name.as_str() {
                "--seconds" => options.seconds = number()?,
                "--parallel" => options.parallel = number()?.max(1) as usize,
                "--only" => options.only = Some(value),
                "--write" => options.write = Some(value),
                _ => {
                    return Err(format!(
                        "{name}: write --seconds, --parallel, --only or --write"
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn main() {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            std::process::exit(2);
        }
    };
    let wanted = |name: &str| {
        options
            .only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    };
    let modes: Vec<_> = MODES.iter().filter(|(_, name, ..)| wanted(name)).collect();
    let mut cases: Vec<(usize, bool)> = Vec::new();
    for index in 0..modes.len() {
        cases.extend([(index, false), (index, true)]);
    }
    let mut results: Vec<Option<Outcome>> = Vec::new();
    for chunk in cases.chunks(options.parallel) {
        let threads: Vec<_> = chunk
            .iter()
            .map(|&(index, http)| {
                let (mode, name, ..) = *modes[index];
                eprintln!("{name} over {}", if http { "HTTP" } else { "gRPC" });
                let seconds = options.seconds;
                std::thread::spawn(move || measure(mode, http, seconds))
            })
            .collect();
        results.extend(threads.into_iter().map(|thread| thread.join().ok()));
    }
    let table = table(&modes, &results, options.seconds);
    println!("{table}");
    if let Some(path) = options.write {
        std::fs::write(path, table).unwrap();
    }
}

/// What one case came to.
struct Outcome {
    report: Report,
    offered: u64,
    spans_lost: u64,
    logs_lost: u64,
    duplicates: u64,
    counter: bool,
    p99: Duration,
    flush: Duration,
    shutdown: Duration,
    caught_up: Option<Duration>,
    lines: usize,
    peak_bytes: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn measure(mode: Mode, http: bool, seconds: u64) -> Outcome {
    let receiver = Receiver::builder()
        .max_bytes(1 << 30)
        .max_request_bytes(4 << 20)
        .start()
        .await
        .unwrap();
    begin(mode, &receiver).await;
    let (telemetry, lines) = telemetry(mode, http, &receiver);

    let load = telemetry.clone();
    let worker = std::thread::spawn(move || offer(&load, mode, seconds));
    let caught_up = meanwhile(mode, &receiver, &telemetry).await;
    let (p99, peak_bytes) = tokio::task::spawn_blocking(|| worker.join().unwrap())
        .await
        .unwrap();

    let began = Instant::now();
    let _ = telemetry.flush(DEADLINE).await;
    let flush = began.elapsed();
    let began = Instant::now();
    let report = telemetry.shutdown(DEADLINE).await;
    let shutdown = began.elapsed();

    let offered = RATE * seconds;
    let spans = receiver.spans();
    let unique: BTreeSet<_> = spans.iter().map(|span| span.span_id).collect();
    let logs = receiver.logs();
    let records: BTreeSet<_> = logs
        .iter()
        .filter_map(|log| log.attributes.get("n")?.as_int())
        .collect();
    let rejected = |signal| of(&report, signal).map_or(0, |status| status.rejected);
    Outcome {
        offered,
        // The receiver stores what it says it rejects.
        spans_lost: 2 * offered - unique.len() as u64 + rejected(Signal::Traces),
        logs_lost: offered - records.len() as u64 + rejected(Signal::Logs),
        duplicates: (spans.len() - unique.len() + logs.len() - records.len()) as u64,
        counter: counter(&receiver) == Some(offered),
        p99,
        flush,
        shutdown,
        caught_up,
        lines: lines
            .text()
            .lines()
            .filter(|line| line.contains("campanile.telemetry."))
            .count(),
        peak_bytes,
        report,
    }
}

async fn begin(mode: Mode, receiver: &Receiver) {
    let fault = match mode {
        Mode::Refused => return receiver.set_network(Network::Refuse).await.unwrap(),
        Mode::Silent => return receiver.set_network(Network::BlackHole).await.unwrap(),
        Mode::Slow(seconds) => Fault::delay(Duration::from_secs(seconds)),
        Mode::Status(status) => Fault::status(status),
        Mode::Hint(seconds) => Fault::status(429).retry_after(Duration::from_secs(seconds)),
        Mode::Partial => Fault::partial_success(HALF, "every other one"),
        Mode::ResetBefore => Fault::reset_before_commit(),
        Mode::ResetAfter => Fault::reset_after_commit(),
        _ => return,
    };
    receiver.faults().always(fault);
}

/// Half of the smaller batches, a quarter of the larger ones.
const HALF: u64 = 128;

/// Breaks and mends while the load goes on; how long the queue then takes to be empty.
async fn meanwhile(mode: Mode, receiver: &Receiver, telemetry: &Telemetry) -> Option<Duration> {
    let pause = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
    match mode {
        Mode::Down(seconds) => {
            pause(3).await;
            receiver.set_network(Network::Refuse).await.unwrap();
            pause(seconds).await;
            receiver.set_network(Network::Up).await.unwrap();
        }
        Mode::Hint(1) | Mode::ResetBefore | Mode::ResetAfter => {
            pause(5).await;
            receiver.faults().clear();
        }
        _ => return None,
    }
    let back = Instant::now();
    // Caught up: no more waits than what comes in between two batches.
    let behind = |telemetry: &Telemetry| {
        let status = telemetry.status();
        status
            .signals
            .iter()
            .any(|signal| signal.pending() > RATE * 2)
    };
    while behind(telemetry) && back.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Some(back.elapsed())
}

fn telemetry(mode: Mode, http: bool, receiver: &Receiver) -> (Telemetry, Captured) {
    let (grpc, over_http) = (receiver.grpc_endpoint(), receiver.http_endpoint());
    let endpoint = match mode {
        Mode::NoSuchName => format!("http://{}:4317", "x".repeat(70)),
        Mode::WrongPort if http => grpc.to_owned(),
        Mode::WrongPort => over_http.to_owned(),
        _ => if http { over_http } else { grpc }.to_owned(),
    };
    let (sink, captured) = Sink::captured();
    let telemetry = Telemetry::from_env("faults")
        .environment(only_the_pipeline)
        .default_endpoint(endpoint)
        .setting("OTEL_METRIC_EXPORT_INTERVAL", "2000")
        .setting(
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            if http { "http/protobuf" } else { "grpc" },
        )
        .setting("RUST_LOG", "info")
        .lines(sink)
        .build();
    (telemetry, captured)
}

/// An open loop of requests: two spans, one record, one increment, one measurement each.
fn offer(telemetry: &Telemetry, mode: Mode, seconds: u64) -> (Duration, usize) {
    let tracer = telemetry.tracer("faults");
    let meter = telemetry.meter("faults");
    let (worked, took) = (
        meter.u64_counter("worked").build(),
        meter.f64_histogram("took").build(),
    );
    let large = matches!(mode, Mode::Large).then(|| "x".repeat(20_000));
    let began = Instant::now();
    let mut latencies = Vec::new();
    let mut peak = 0;
    let _subscriber = tracing::dispatcher::set_default(&telemetry.subscriber());
    for n in 0..RATE * seconds {
        let due = began + Duration::from_micros(n * 1_000_000 / RATE);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        let root = tracer
            .span_builder("GET /work")
            .with_kind(SpanKind::Server)
            .start(&tracer);
        let context = opentelemetry::Context::current_with_span(root);
        {
            let _guard = context.clone().attach();
            let mut inner = tracer.start("inner");
            if let Some(large) = &large {
                inner.set_attribute(KeyValue::new("payload", large.clone()));
            }
            tracing::info!(n, "worked");
            inner.end();
        }
        context.span().end();
        worked.add(1, &[]);
        took.record(0.01, &[]);
        latencies.push(start.elapsed());
        if n % RATE == 0 {
            peak = peak.max(
                telemetry
                    .status()
                    .signals
                    .iter()
                    .map(|signal| signal.bytes)
                    .sum(),
            );
        }
    }
    latencies.sort();
    (latencies[latencies.len() * 99 / 100], peak)
}

fn counter(receiver: &Receiver) -> Option<u64> {
    let seen = receiver.seen();
    let total = seen.metric("worked").total()?;
    Some(total as u64)
}

fn of(report: &Report, signal: Signal) -> Option<&campanile_telemetry::SignalStatus> {
    report.signals.iter().find(|status| status.signal == signal)
}

fn table(modes: &[&(Mode, &str, &str, &str)], results: &[Option<Outcome>], seconds: u64) -> String {
    let mut text = format!(
        "# What a collector's fault costs\n\n\
         Written by `cargo xtask faults`: {RATE} requests a second \
         for {seconds} s, {} spans, {} log records and {} increments offered. *Lost* counts unique items that the collector \
         does not have, in percent of spans / log records. The SDK's column is what the plain OpenTelemetry SDK 0.33.1 lost \
         under the same load (default batch processors; measured 2026-11-22).\n\n\
         Over the {} pipeline, by `CAMPANILE_PIPELINE`. Defaults throughout; flush and shutdown have 5 s each, so a fault that never ends costs what was offered, and the \
         report says so. `=` means that the books agree with the collector: offered = delivered + rejected + lost by reason, \
         and no item delivered that the collector does not have.\n\n\
         | fault | over | lost by the SDK | lost by Campanile | books | counter at the end | duplicates | p99 of a request | flush, shutdown | caught up after | lines | bytes held |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        2 * RATE * seconds,
        RATE * seconds,
        RATE * seconds,
        only_the_pipeline("CAMPANILE_PIPELINE").unwrap_or_else(|| "lean".to_owned()),
    );
    for (index, (_, name, grpc, http)) in modes.iter().enumerate() {
        for (over, sdk, result) in [
            ("gRPC", grpc, &results[2 * index]),
            ("HTTP", http, &results[2 * index + 1]),
        ] {
            let Some(result) = result else {
                let _ = writeln!(text, "| {name} | {over} | {sdk} | the measurement failed |");
                continue;
            };
            let percent = |lost: u64, of: u64| 100.0 * lost as f64 / of as f64;
            let _ = writeln!(
                text,
                "| {name} | {over} | {sdk} | {:.1} / {:.1} | {} | {} | {} | {} us | {:.1}, {:.1} s | {} | {} | {} KiB |",
                percent(result.spans_lost, 2 * result.offered),
                percent(result.logs_lost, result.offered),
                if agrees(result) { "=" } else { "WRONG" },
                if result.counter { "exact" } else { "-" },
                result.duplicates,
                result.p99.as_micros(),
                result.flush.as_secs_f64(),
                result.shutdown.as_secs_f64(),
                result
                    .caught_up
                    .map_or("-".into(), |time| format!("{:.1} s", time.as_secs_f64())),
                result.lines,
                result.peak_bytes / 1024
            );
        }
    }
    text
}

/// Whether the report says exactly what became of the items.
fn agrees(result: &Outcome) -> bool {
    result.report.signals.iter().all(|status| {
        let lost = match status.signal {
            Signal::Traces => result.spans_lost,
            Signal::Logs => result.logs_lost,
            Signal::Metrics => return status.is_balanced(),
        };
        // The collector may have taken what it never acknowledged, but not the other way round.
        status.is_balanced() && status.offered >= status.delivered + lost
    })
}

/// Of the environment, only what decides over which pipeline a suite runs.
fn only_the_pipeline(name: &str) -> Option<String> {
    match name {
        "CAMPANILE_PIPELINE" => std::env::var(name).ok(),
        _ => None,
    }
}
