//! From the API to a real OTLP server: traces, metrics and logs arrive, by real OTLP.

#![allow(clippy::unwrap_used)]

mod harness;

use std::time::{Duration, SystemTime};

use campanile_logs::Sink;
use campanile_otlp_receiver::Receiver;
use campanile_telemetry::{Sampling, Telemetry};
use harness::Over;
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};

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

#[tokio::test]
async fn compressed_requests_arrive_over_both_transports() {
    let codings: &[&str] = if cfg!(feature = "zstd") {
        &["gzip", "zstd"]
    } else {
        &["gzip"]
    };
    for coding in codings {
        for over in [Over::Grpc, Over::Http] {
            let receiver = Receiver::start().await.unwrap();
            let settings = [("OTEL_EXPORTER_OTLP_COMPRESSION", *coding)];
            let telemetry = harness::telemetry(over, over.endpoint(&receiver), &settings);
            harness::offer(&telemetry, 0..20);
            let report = telemetry.shutdown(DEADLINE).await;
            assert!(report.is_complete(), "{coding} {over:?}: {report}");
            assert_eq!(harness::spans(&receiver).len(), 20);
        }
    }
}

#[tokio::test]
async fn values_are_cut_at_their_limits() {
    let receiver = Receiver::start().await.unwrap();
    let settings = [
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3"),
        ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "2"),
        ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "1"),
    ];
    let telemetry = harness::telemetry(Over::Grpc, receiver.grpc_endpoint(), &settings);
    tracing::dispatcher::with_default(&telemetry.subscriber(), || {
        telemetry.tracer("test").in_span("work", |context| {
            context.span().set_attribute(KeyValue::new("text", "äöüß"));
            tracing::info!(text = "äöüß", more = 1, "said");
        });
    });
    let report = telemetry.shutdown(DEADLINE).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(receiver.spans()[0].attributes.get_str("text"), Some("äöü"));
    let log = &receiver.logs()[0];
    assert_eq!((log.attributes.len(), log.dropped_attributes_count), (1, 1));
    assert_eq!(log.attributes.get_str("text"), Some("äö"));
}

/// What the pipeline counts about itself goes out by the conventions' names.
#[tokio::test]
async fn the_pipeline_measures_itself() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = harness::telemetry(Over::Grpc, receiver.grpc_endpoint(), &[]);
    telemetry.observe_process();
    telemetry.observe_runtime(&tokio::runtime::Handle::current());
    harness::offer(&telemetry, 0..20);
    // The first flush delivers, the second tells of it.
    assert!(telemetry.flush(DEADLINE).await.is_complete());
    assert!(telemetry.shutdown(DEADLINE).await.is_complete());
    let seen = receiver.seen();
    let exported = seen
        .metric("otel.sdk.exporter.span.exported")
        .with("otel.component.type", "otlp_grpc_span_exporter")
        .without("error.type");
    assert_eq!(exported.total(), Some(20.0));
    let capacity = seen
        .metric("otel.sdk.processor.log.queue.capacity")
        .with("otel.component.name", "batching_log_processor/0");
    assert_eq!(capacity.total(), Some(65_536.0));
    let decisions = seen
        .metric("campanile.sampling.decisions")
        .with("campanile.sampling.result", "sampled");
    assert_eq!(decisions.total(), Some(20.0));
    assert!(seen.metric("process.memory.usage").total() > Some(1e6));
    assert!(
        seen.metric("process.cpu.time")
            .with("cpu.mode", "user")
            .total()
            .is_some()
    );
    assert_eq!(seen.metric("tokio.worker.count").total(), Some(1.0));
    for metric in receiver.metrics() {
        let declared = campanile_semconv::metric::ALL
            .iter()
            .find(|known| known.name == metric.name());
        let declared = declared.unwrap_or_else(|| panic!("{} is not declared", metric.name()));
        assert_eq!(declared.unit, metric.unit(), "{}", metric.name());
    }
}

/// A failed and a slow request leave their root span though their traces were not sampled.
#[tokio::test]
async fn failures_and_slow_requests_leave_their_root_span() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = Telemetry::from_env("test")
        .environment(harness::only_the_pipeline)
        .default_endpoint(receiver.grpc_endpoint())
        .sampling(Sampling::ratio(0.0).slower_than(Duration::from_secs(2)))
        .lines(Sink::nowhere())
        .build();
    let tracer = telemetry.tracer("test");
    let request = |name: &'static str, took: Duration, status: Status| {
        let start = SystemTime::now();
        let builder = tracer
            .span_builder(name)
            .with_kind(SpanKind::Server)
            .with_start_time(start);
        let context = Context::current_with_span(builder.start(&tracer));
        tracer.start_with_context("inner", &context).end();
        context.span().set_status(status);
        context.span().end_with_timestamp(start + took);
    };
    request("fine", Duration::from_millis(1), Status::Unset);
    request("failed", Duration::from_millis(1), Status::error(""));
    request("slow", Duration::from_secs(3), Status::Unset);
    assert!(telemetry.shutdown(DEADLINE).await.is_complete());

    let mut kept: Vec<_> = receiver
        .spans()
        .iter()
        .map(|span| {
            let reason = span.attributes.get_str("campanile.sampling.reason");
            (
                span.name.clone(),
                reason.unwrap_or_default().to_owned(),
                span.flags & 1,
            )
        })
        .collect();
    kept.sort();
    let expected = [("failed", "failure", 0), ("slow", "slow", 0)];
    let expected =
        expected.map(|(name, reason, flags)| (name.to_owned(), reason.to_owned(), flags));
    assert_eq!(kept, expected);
}

/// Cumulative by default; delta by the standard variable.
#[tokio::test]
async fn temporality_is_as_the_environment_asks() {
    for (preference, expected) in [("cumulative", [3.0, 5.0]), ("delta", [3.0, 2.0])] {
        let receiver = Receiver::start().await.unwrap();
        let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        let telemetry =
            harness::telemetry(Over::Http, receiver.http_endpoint(), &[(name, preference)]);
        let sold = telemetry.meter("test").u64_counter("sold").build();
        sold.add(3, &[]);
        assert!(telemetry.flush(DEADLINE).await.is_complete());
        sold.add(2, &[]);
        assert!(telemetry.shutdown(DEADLINE).await.is_complete());
        let sums: Vec<f64> = receiver
            .metrics()
            .iter()
            .filter(|metric| metric.name() == "sold")
            .flat_map(|metric| &metric.series[0].points)
            .filter_map(|point| point.value.as_f64())
            .collect();
        assert_eq!(sums, expected, "{preference}");
    }
}

#[tokio::test]
async fn beyond_the_cap_attribute_sets_are_added_up_visibly() {
    let receiver = Receiver::start().await.unwrap();
    let aggregation = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    let settings = [
        ("CAMPANILE_TELEMETRY_CARDINALITY", "10"),
        (aggregation, "base2_exponential_bucket_histogram"),
    ];
    let telemetry = harness::telemetry(Over::Grpc, receiver.grpc_endpoint(), &settings);
    let sold = telemetry.meter("test").u64_counter("sold").build();
    let took = telemetry.meter("test").f64_histogram("took").build();
    for n in 0..100 {
        sold.add(1, &[KeyValue::new("n", n)]);
        took.record(0.5, &[]);
    }
    assert!(telemetry.shutdown(DEADLINE).await.is_complete());
    let seen = receiver.seen();
    assert!(
        seen.metric("sold")
            .with("otel.metric.overflow", true)
            .total()
            >= Some(85.0)
    );
    assert_eq!(seen.metric("sold").total(), Some(100.0));
    let took = seen.metric("took");
    let kinds: Vec<_> = took
        .as_slice()
        .iter()
        .map(|metric| metric.kind().as_str())
        .collect();
    assert_eq!(kinds, ["exponential_histogram"]);
}
