//! From the API to a real OTLP server: traces, metrics and logs arrive, by real OTLP.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use campanile_otlp_receiver::Receiver;
use campanile_telemetry::Telemetry;
use opentelemetry::trace::{TraceContextExt, Tracer};

const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn all_three_signals_arrive_and_the_report_says_so() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = Telemetry::for_test(receiver.grpc_endpoint());
    telemetry
        .meter("test")
        .u64_counter("sold")
        .build()
        .add(3, &[]);
    tracing::dispatcher::with_default(&telemetry.subscriber(), || {
        telemetry.tracer("test").in_span("work", |context| {
            assert!(context.span().span_context().is_sampled());
            tracing::info!(items = 3, "sold");
        });
    });

    let report = telemetry.shutdown(DEADLINE).await;
    assert!(report.is_complete(), "{report}");

    let spans = receiver.spans();
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].name, "work");
    let logs = receiver.logs();
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].trace_id, Some(spans[0].trace_id));
    assert!(
        receiver
            .metrics()
            .iter()
            .any(|metric| metric.name() == "sold")
    );
}

#[tokio::test]
async fn flush_delivers_and_the_pipeline_goes_on() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = Telemetry::for_test(receiver.grpc_endpoint());
    for round in 1..=3 {
        telemetry.tracer("test").in_span("work", |_| {});
        let report = telemetry.flush(DEADLINE).await;
        assert!(report.is_complete(), "{report}");
        assert_eq!(receiver.spans().len(), round);
    }
}
