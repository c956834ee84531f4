//! Audit records: recorded whatever the settings, kept through an outage, and never lost unsaid.
#![allow(clippy::unwrap_used)]

mod harness;

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use campanile_logs::Sink;
use campanile_logs::audit::{Actor, Entry, Outcome};
use campanile_otlp_receiver::{Fault, LogRecord, Receiver};
use campanile_telemetry::{Builder, Loss, Sampling, Telemetry};
use harness::PATIENCE;
use harness::wait::until;
use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, Tracer};
use serde_json::Value;

fn builder(endpoint: &str) -> Builder {
    Telemetry::from_env("shop")
        .environment(harness::only_the_pipeline)
        .default_endpoint(endpoint)
        .lines(Sink::nowhere())
        .drop_deadline(Duration::from_millis(100))
        .setting("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
        .setting("OTEL_BLRP_SCHEDULE_DELAY", "20")
        .setting("CAMPANILE_TELEMETRY_RETRY_FIRST", "5")
        .setting("CAMPANILE_TELEMETRY_RETRY_MAX", "40")
}

fn entry(n: usize) -> Entry {
    Entry::new("order.cancel", Outcome::Done).target(format!("order {n}"))
}

fn text(record: &LogRecord, key: &str) -> String {
    let value = record.attributes.get(key);
    value.map(ToString::to_string).unwrap_or_default()
}

fn targets(receiver: &Receiver) -> Vec<String> {
    let records = receiver.logs().into_iter();
    let mut targets: Vec<_> = records
        .filter(|record| record.event_name == "campanile.audit")
        .map(|record| text(&record, "campanile.audit.target"))
        .collect();
    targets.sort();
    targets
}

/// An address where nothing listens.
async fn nobody() -> String {
    let gone = Receiver::start().await.unwrap();
    let endpoint = gone.grpc_endpoint().to_owned();
    gone.shutdown().await;
    endpoint
}

#[tokio::test]
async fn neither_a_filter_nor_a_sampler_keeps_a_record_back_and_line_and_record_agree() {
    let receiver = Receiver::start().await.unwrap();
    let (sink, captured) = Sink::captured();
    let telemetry = builder(receiver.grpc_endpoint())
        .setting("RUST_LOG", "off")
        .sampling(Sampling::ratio(0.0))
        .lines(sink)
        .build();
    let span = telemetry.tracer("shop").start("work");
    let context = Context::new().with_span(span);
    let ids = context.span().span_context().clone();
    assert!(!ids.is_sampled());
    tracing::dispatcher::with_default(&telemetry.subscriber(), || {
        let _attached = context.attach();
        tracing::error!("not told, as the filter says");
        let entry = entry(1)
            .actor(Actor::plain("support-7"))
            .policy("own orders only")
            .reason("asked by phone");
        telemetry.audit().record(entry).unwrap();
    });
    let report = telemetry.shutdown(PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.audit.unwrap().delivered, 1);

    let records = receiver.logs();
    let [record] = &records[..] else {
        panic!("{records:#?}")
    };
    let lines: Vec<Value> = captured
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["event"] != "campanile.telemetry.config")
        .collect();
    let [line] = &lines[..] else {
        panic!("{lines:#?}")
    };
    assert_eq!(line["event"], record.event_name);
    assert_eq!(line["trace_id"], ids.trace_id().to_string());
    assert_eq!(
        record.trace_id.unwrap().to_string(),
        ids.trace_id().to_string()
    );
    assert_eq!(
        record.span_id.unwrap().to_string(),
        ids.span_id().to_string()
    );
    assert_eq!(line["trace_sampled"], false);
    assert_eq!(line["message"], record.body.to_string());
    assert_eq!(line["level"], record.severity_text);
    assert_eq!(line["outcome"], text(record, "campanile.audit.outcome"));
    for name in ["action", "actor", "target", "policy", "reason"] {
        let key = format!("campanile.audit.{name}");
        assert_eq!(line[&key], text(record, &key), "{key}");
    }
}

#[tokio::test]
async fn an_outage_keeps_records_up_to_the_bound_and_who_waits_gets_the_room_after_it() {
    let receiver = Receiver::start().await.unwrap();
    let endpoint = receiver.grpc_endpoint().to_owned();
    receiver.faults().always(Fault::status(503));
    let telemetry = builder(&endpoint)
        .setting("CAMPANILE_AUDIT_QUEUE", "3")
        // What would end others by age does not end these.
        .setting("CAMPANILE_TELEMETRY_MAX_AGE", "1")
        .build();
    let audit = telemetry.audit();
    for n in 0..3 {
        audit.record(entry(n)).unwrap();
    }
    let error = audit.record(entry(3)).unwrap_err();
    assert!(error.is_full(), "{error}");
    assert_eq!(error.missing_in().collect::<Vec<_>>(), ["OTLP"]);
    let status = telemetry.status().audit.unwrap();
    assert_eq!((status.offered, status.dropped(Loss::QueueFull)), (4, 1));

    let waiting = tokio::spawn(async move { audit.record_within(entry(4), PATIENCE).await });
    let has_tried = async || (telemetry.status().audit.unwrap().attempts >= 3).then_some(());
    until(PATIENCE, "three attempts", has_tried).await;
    assert!(!waiting.is_finished());
    receiver.faults().clear();
    waiting.await.unwrap().unwrap();
    let report = telemetry.shutdown(PATIENCE).await;
    let books = report.audit.clone().unwrap();
    assert_eq!((books.delivered, books.lost()), (4, 1), "{report}");
    assert!(books.is_balanced() && !report.is_complete());
    assert!(
        report
            .to_string()
            .contains("audit records: 4 of 5 delivered, 1 lost (queue_full)"),
        "{report}"
    );
    assert_eq!(
        targets(&receiver),
        ["order 0", "order 1", "order 2", "order 4"]
    );
}

#[tokio::test]
async fn a_storm_of_other_records_takes_no_room_from_them() {
    let telemetry = builder(&nobody().await)
        .setting("OTEL_BLRP_MAX_QUEUE_SIZE", "4")
        .build();
    harness::offer(&telemetry, 0..100);
    for n in 0..50 {
        telemetry.audit().record(entry(n)).unwrap();
    }
    let status = telemetry.status();
    assert_eq!(status.audit.unwrap().pending(), 50);
}

#[tokio::test]
async fn what_no_collector_took_is_in_the_report_of_the_shutdown() {
    let telemetry = builder(&nobody().await).build();
    let audit = telemetry.audit();
    audit.record(entry(1)).unwrap();
    let report = telemetry.shutdown(Duration::from_millis(50)).await;
    assert!(!report.is_complete());
    assert!(
        report
            .to_string()
            .contains("audit records: 0 of 1 delivered"),
        "{report}"
    );
    let error = audit.record(entry(2)).unwrap_err();
    assert!(!error.is_full(), "there is nothing to wait for: {error}");
}

/// Standard error whose reader reads only when it is asked to.
struct Slow(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Without a gatekeeper the gate is open.
        let _ = self.0.recv();
        let _ = self.1.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_log_stream_that_nobody_reads_loses_other_lines_and_keeps_these() {
    let (open, gate) = mpsc::channel();
    let (written, lines) = mpsc::channel();
    let sink = Sink::bounded(Slow(gate, written), 4096);
    let telemetry = Telemetry::from_env("shop")
        .environment(harness::only_the_pipeline)
        .setting("OTEL_SDK_DISABLED", "true")
        .lines(sink.clone())
        .drop_deadline(Duration::from_millis(100))
        .build();
    while sink.dropped() == 0 {
        sink.write_line(&[b'x'; 100]);
    }
    let audit = telemetry.audit();
    let long = "y".repeat(1000);
    let mut kept = 0;
    let error = loop {
        match audit.record(entry(kept).reason(&*long)) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(kept > 100, "{kept}");
    assert!(error.is_full(), "{error}");
    assert_eq!(error.missing_in().collect::<Vec<_>>(), ["the log stream"]);
    let waiting = {
        let (audit, entry) = (audit.clone(), entry(kept).reason(&*long));
        tokio::spawn(async move { audit.record_within(entry, PATIENCE).await })
    };
    drop(open);
    waiting.await.unwrap().unwrap();
    let flushed = tokio::task::spawn_blocking(move || sink.flush(PATIENCE));
    assert!(flushed.await.unwrap());
    let text: Vec<u8> = lines.try_iter().flatten().collect();
    let text = String::from_utf8(text).unwrap();
    let read = text
        .lines()
        .filter(|line| line.contains("\"campanile.audit\""))
        .count();
    assert_eq!(read, kept + 1, "each of them is a line");
}
