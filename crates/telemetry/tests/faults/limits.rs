//! What a collector, a request or a queue does not take, and what waited too long.

use campanile_otlp_receiver::{Fault, Network, Receiver};
use campanile_telemetry::{Loss, Signal};

use crate::harness::{Over, PATIENCE, Watcher, offer, spans, telemetry, until};
use crate::{N, end, of};

pub(crate) async fn rejects_some(over: Over) {
    let receiver = Receiver::start().await.unwrap();
    receiver
        .faults()
        .always(Fault::partial_success(1, "too old"));
    // An attempt that is given up too early would reject one more.
    let settings = [("OTEL_EXPORTER_OTLP_TIMEOUT", "60000")];
    let telemetry = telemetry(over, over.endpoint(&receiver), &settings);
    let watcher = Watcher::new(&telemetry);
    offer(&telemetry, 0..N);
    let report = telemetry.shutdown(PATIENCE).await;
    assert!(!report.is_complete());
    for signal in [Signal::Traces, Signal::Logs] {
        let status = of(&report, signal);
        assert_eq!(
            status.rejected, status.attempts,
            "one of each batch: {status:?}"
        );
        assert_eq!(status.delivered + status.rejected, N as u64);
        assert!(status.error.as_deref().unwrap().contains("too old"));
    }
    watcher.finish();
}

pub(crate) async fn oversized(over: Over) {
    let receiver = Receiver::builder()
        .max_request_bytes(64 * 1024)
        .start()
        .await
        .unwrap();
    let telemetry = telemetry(over, over.endpoint(&receiver), &[]);
    let watcher = Watcher::new(&telemetry);
    let tracer = telemetry.tracer("load");
    let span = |n: i64, size: usize| {
        use opentelemetry::trace::{Span, Tracer};
        let mut span = tracer.start("large");
        span.set_attribute(opentelemetry::KeyValue::new("n", n));
        span.set_attribute(opentelemetry::KeyValue::new("payload", "x".repeat(size)));
        span.end();
    };
    for n in 0..64 {
        span(n, 20_000);
    }
    // This one fits nowhere, and takes nothing down with it.
    span(64, 100_000);
    let report = telemetry.shutdown(PATIENCE).await;
    let traces = of(&report, Signal::Traces);
    assert_eq!(
        (traces.delivered, traces.dropped(Loss::TooLarge)),
        (64, 1),
        "{report}"
    );
    assert_eq!(spans(&receiver), (0..64).collect());
    watcher.finish();
}

pub(crate) async fn expired(over: Over) {
    let receiver = Receiver::start().await.unwrap();
    receiver.set_network(Network::Refuse).await.unwrap();
    let telemetry = telemetry(
        over,
        over.endpoint(&receiver),
        &[("CAMPANILE_TELEMETRY_MAX_AGE", "50")],
    );
    let watcher = Watcher::new(&telemetry);
    offer(&telemetry, 0..N);
    until(&telemetry, |signal| {
        signal.dropped(Loss::Expired) == N as u64
    })
    .await;
    // The collector is back: export goes on by itself.
    receiver.set_network(Network::Up).await.unwrap();
    offer(&telemetry, N..N + 10);
    until(&telemetry, |signal| {
        signal.pending() == 0 && signal.offered == N as u64 + 10
    })
    .await;
    watcher.finish();
}

pub(crate) async fn full(over: Over) {
    let receiver = Receiver::start().await.unwrap();
    receiver.set_network(Network::Refuse).await.unwrap();
    let settings = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "64"),
    ];
    let telemetry = telemetry(over, over.endpoint(&receiver), &settings);
    let watcher = Watcher::new(&telemetry);
    offer(&telemetry, 0..N);
    until(&telemetry, |signal| {
        signal.dropped(Loss::QueueFull) == N as u64 - 64
    })
    .await;
    receiver.set_network(Network::Up).await.unwrap();
    let report = end(&telemetry, &receiver, PATIENCE).await;
    assert_eq!(of(&report, Signal::Traces).delivered, 64, "{report}");
    // The first to come are the ones that were kept.
    assert_eq!(spans(&receiver), (0..64).collect());
    watcher.finish();
}
