//! What is said about failures.

use std::time::Instant;

use campanile_otlp_receiver::{Fault, Receiver};
use campanile_telemetry::Telemetry;

use crate::harness::{self, PATIENCE};
use crate::settled;

#[tokio::test]
async fn at_most_three_lines_a_minute_speak_of_failures() {
    let began = Instant::now();
    let receiver = Receiver::start().await.unwrap();
    let (sink, captured) = campanile_logs::Sink::captured();
    let telemetry = Telemetry::from_env("test")
        .environment(harness::only_the_pipeline)
        .default_endpoint(receiver.grpc_endpoint())
        .setting("CAMPANILE_TELEMETRY_RETRY_FIRST", "1")
        .setting("CAMPANILE_TELEMETRY_RETRY_MAX", "2")
        // metrics that are collected meanwhile would still wait when a flush is done
        .setting("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
        .lines(sink)
        .build();
    for round in 0..20 {
        receiver.faults().next_times(6, Fault::status(503));
        let tracer = telemetry.tracer("load");
        opentelemetry::trace::Tracer::in_span(&tracer, "work", |_| {});
        let report = telemetry.flush(PATIENCE).await;
        assert!(report.is_complete(), "round {round}: {report}");
    }
    let text = settled(&captured, "campanile.telemetry.recovered").await;
    let spoken = text
        .lines()
        .filter(|line| line.contains("campanile.telemetry."))
        .count();
    let failing = text
        .lines()
        .filter(|line| line.contains("campanile.telemetry.failing"));
    let first = failing.clone().next().expect("the beginning is told");
    assert!(first.contains("UNAVAILABLE"), "{first}");
    assert!(text.contains("campanile.telemetry.recovered"), "{text}");
    // The configuration is told once, at the start. A machine may need more than a minute.
    let minutes = began.elapsed().as_secs() / 60 + 1;
    assert!(spoken as u64 <= 1 + 3 * minutes, "{text}");
}
