//! A collector that asks for time, takes its time, or never answers.

use std::time::{Duration, Instant, SystemTime};

use campanile_otlp_receiver::{Fault, Gate, Network, Receiver, Signal as Kind};
use campanile_telemetry::{Loss, Signal, SignalStatus};

use crate::harness::{Over, PATIENCE, Watcher, offer, spans, telemetry, until};
use crate::{N, end, of};

pub(crate) async fn hint_gates(over: Over) {
    let receiver = Receiver::start().await.unwrap();
    let hint = Duration::from_secs(1);
    let fault = Fault::status(503).retry_after(hint).only(Kind::Traces);
    receiver.faults().next(fault);
    // An attempt that is given up too early counts as a retry, too; and metrics that are collected
    // meanwhile would still wait when the flush is done.
    let settings = [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
    ];
    let telemetry = telemetry(over, over.endpoint(&receiver), &settings);
    let before = SystemTime::now();
    offer(&telemetry, 0..N);
    let gated = |signal: &SignalStatus| signal.signal != Signal::Traces || signal.retries > 0;
    until(&telemetry, gated).await;
    // These come while the gate is closed; not even a flush may send them earlier.
    offer(&telemetry, N..2 * N);
    let report = telemetry.flush(PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    for span in receiver.spans() {
        let late = span.attributes.get("n").and_then(|n| n.as_int()) >= Some(N);
        let waited = span.received.duration_since(before).unwrap();
        assert!(!late || waited >= hint, "sent after {waited:?}");
    }
    assert_eq!(spans(&receiver).len() as i64, 2 * N);
}

pub(crate) async fn long_hint(over: Over) {
    let receiver = Receiver::start().await.unwrap();
    receiver
        .faults()
        .always(Fault::status(503).retry_after(Duration::from_secs(60)));
    let telemetry = telemetry(over, over.endpoint(&receiver), &[]);
    let watcher = Watcher::new(&telemetry);
    offer(&telemetry, 0..N);
    until(&telemetry, |signal| {
        signal.retries > 0 && signal.in_flight == 0
    })
    .await;
    let began = Instant::now();
    // It could not succeed within this deadline, so it does not wait for it.
    let report = telemetry.shutdown(Duration::from_secs(30)).await;
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        of(&report, Signal::Traces).dropped(Loss::Shutdown),
        N as u64
    );
    watcher.finish();
}

pub(crate) async fn slow(over: Over) {
    let receiver = Receiver::start().await.unwrap();
    let gate = Gate::new();
    receiver
        .faults()
        .always(Fault::hold(&gate).only(Kind::Traces));
    let telemetry = telemetry(
        over,
        over.endpoint(&receiver),
        &[("OTEL_EXPORTER_OTLP_TIMEOUT", "10000")],
    );
    let watcher = Watcher::new(&telemetry);
    offer(&telemetry, 0..N);
    gate.wait_for_waiting(4).await;
    let traces = &telemetry.status().signals[0];
    assert!(traces.attempts >= 4 && traces.in_flight >= 4, "{traces:?}");
    gate.open();
    let report = end(&telemetry, &receiver, PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    watcher.finish();
}

/// Whatever blocks the exporter, a request that records telemetry is answered as ever, the first
/// time it is asked: it awaited nothing.
pub(crate) async fn blocked(over: Over) {
    let gate = Gate::new();
    let settings = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000"),
    ];
    let broken: [(&str, Network, Option<Fault>); 7] = [
        ("refused", Network::Refuse, None),
        ("frozen", Network::BlackHole, None),
        ("silent", Network::Up, Some(Fault::black_hole())),
        ("held", Network::Up, Some(Fault::hold(&gate))),
        ("read slowly", Network::Up, Some(Fault::slow_read(&gate))),
        ("unavailable", Network::Up, Some(Fault::status(503))),
        ("reset", Network::Up, Some(Fault::reset_before_commit())),
    ];
    for (name, network, fault) in broken {
        let receiver = Receiver::start().await.unwrap();
        receiver.set_network(network).await.unwrap();
        if let Some(fault) = fault {
            receiver.faults().always(fault);
        }
        let telemetry = telemetry(over, over.endpoint(&receiver), &settings);
        let watcher = Watcher::new(&telemetry);
        let request = async |n: i64| {
            offer(&telemetry, n..n + 1);
            n * 2
        };
        let answers = (0..N).map(|n| at_once(request(n)));
        assert!(answers.eq((0..N).map(|n| n * 2)), "{name}");
        let status = telemetry.status();
        let offered: Vec<u64> = status.signals.iter().map(|signal| signal.offered).collect();
        assert_eq!((offered[0], offered[2]), (N as u64, N as u64), "{name}");
        assert!(
            status.signals[0].dropped(Loss::QueueFull) > 0,
            "{name}: {status:?}"
        );
        watcher.finish();
    }
    gate.open();
}

/// The value of a future that is ready at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it had to wait"),
    }
}
