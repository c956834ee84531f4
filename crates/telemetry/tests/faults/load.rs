//! Outages under load, deadlines beyond all clocks, instruments that hang, backlogs of metrics.

use std::time::{Duration, Instant};

use campanile_otlp_receiver::{Network, Receiver};
use campanile_telemetry::{Signal, Telemetry};

use crate::harness::{self, Over, PATIENCE, offer, spans, telemetry, until};
use crate::{LOADED, N, SHORT, end, of};

/// At 1,000 spans a second an outage loses nothing, and export has caught up two seconds after it.
/// `CAMPANILE_FULL=1` makes it ten seconds long instead of two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_under_load_loses_nothing_and_is_caught_up_with() {
    let full = std::env::var("CAMPANILE_FULL").is_ok_and(|value| value == "1");
    let outage = Duration::from_secs(if full { 10 } else { 2 });
    let receiver = Receiver::start().await.unwrap();
    // Defaults, as they are in production.
    let telemetry = Telemetry::from_env("test")
        .environment(harness::only_the_pipeline)
        .default_endpoint(receiver.grpc_endpoint())
        .lines(campanile_logs::Sink::nowhere())
        .build();
    let load = telemetry.clone();
    let running = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let goes_on = running.clone();
    let worker = std::thread::spawn(move || {
        let mut n = 0;
        while goes_on.load(std::sync::atomic::Ordering::Relaxed) {
            offer(&load, n..n + 10);
            n += 10;
            std::thread::sleep(Duration::from_millis(10));
        }
        n
    });
    until(&telemetry, |signal| signal.delivered > 0).await;
    receiver.set_network(Network::Refuse).await.unwrap();
    tokio::time::sleep(outage).await;
    receiver.set_network(Network::Up).await.unwrap();
    let back = Instant::now();
    // No more waits than what comes in while a batch is filled.
    until(&telemetry, |signal| signal.pending() < 1_000).await;
    let caught_up = back.elapsed();
    running.store(false, std::sync::atomic::Ordering::Relaxed);
    let offered = tokio::task::spawn_blocking(|| worker.join().unwrap())
        .await
        .unwrap();
    let report = end(&telemetry, &receiver, PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(spans(&receiver).len() as i64, offered);
    assert!(caught_up < Duration::from_secs(2) + LOADED, "{caught_up:?}");
}

/// Any deadline is a deadline, also one that no clock can show.
#[tokio::test]
async fn a_deadline_beyond_all_clocks_is_no_panic() {
    let receiver = Receiver::start().await.unwrap();
    let settings = [
        ("CAMPANILE_TELEMETRY_MAX_AGE", "18446744073709551615"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "18446744073709551615"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "18446744073709551615"),
    ];
    let telemetry = telemetry(Over::Grpc, receiver.grpc_endpoint(), &settings);
    offer(&telemetry, 0..N);
    assert!(telemetry.flush(Duration::MAX).await.is_complete());
    offer(&telemetry, N..2 * N);
    assert!(telemetry.shutdown_blocking(Duration::MAX).is_complete());
}

/// An instrument whose callback hangs does not hold a shutdown up.
#[tokio::test]
async fn an_instrument_that_hangs_is_left_behind() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = telemetry(Over::Grpc, receiver.grpc_endpoint(), &[]);
    let (release, hang) = std::sync::mpsc::channel::<()>();
    let hang = std::sync::Mutex::new(hang);
    telemetry
        .meter("test")
        .u64_observable_gauge("hanging")
        .with_callback(move |_| {
            let _ = hang.lock().unwrap().recv();
        })
        .build();
    offer(&telemetry, 0..N);
    let began = Instant::now();
    let report = telemetry.shutdown(SHORT).await;
    assert!(began.elapsed() < SHORT + LOADED, "{:?}", began.elapsed());
    drop(release);
    let traces = of(&report, Signal::Traces);
    assert_eq!(traces.offered, traces.delivered + traces.lost(), "{report}");
}

/// A backlog of collections is sent in the order it was made, so that no point is out of order.
#[tokio::test]
async fn collections_of_metrics_do_not_overtake_each_other() {
    let receiver = Receiver::start().await.unwrap();
    receiver.set_network(Network::Refuse).await.unwrap();
    let telemetry = telemetry(Over::Http, receiver.http_endpoint(), &[]);
    let sold = telemetry.meter("test").u64_counter("sold").build();
    for _ in 0..10 {
        sold.add(1, &[]);
        let _ = telemetry.flush(Duration::from_millis(20)).await;
    }
    receiver.set_network(Network::Up).await.unwrap();
    let report = telemetry.shutdown(PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    let metrics = receiver.metrics();
    let sold = metrics
        .iter()
        .find(|metric| metric.name() == "sold")
        .unwrap();
    let mut in_order_of_arrival = sold.series[0].points.clone();
    in_order_of_arrival.sort_by_key(|point| point.seq);
    let sums: Vec<_> = in_order_of_arrival
        .iter()
        .filter_map(|point| point.value.as_f64())
        .collect();
    assert!(sums.is_sorted(), "{sums:?}");
    assert_eq!(sums.last(), Some(&10.0));
    assert!(sums.len() >= 10, "{sums:?}");
}
