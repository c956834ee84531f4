//! Threads come, push and go while others flush, look and shut down: every span is in exactly one
//! column of the books, and what was delivered arrived once.

#![allow(clippy::unwrap_used)]

mod harness;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use campanile_otlp_receiver::{Network, Receiver};
use campanile_telemetry::{Loss, Signal, SignalStatus, Telemetry};
use harness::{Over, Watcher, telemetry};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, Tracer as _};

const ROUNDS: u64 = 40;
const WORKERS: u64 = 4;
const SHORT_LIVED: u64 = 6;
const SPANS: u64 = 9;
const ALL: u64 = WORKERS * SHORT_LIVED * SPANS;

fn traces(telemetry: &Telemetry) -> SignalStatus {
    let signals = telemetry.status().signals;
    let mut traces = signals
        .into_iter()
        .filter(|signal| signal.signal == Signal::Traces);
    traces.next().unwrap()
}

/// Workers whose threads live for a few spans each, behind one gate.
fn work(telemetry: &Telemetry, pushed: &Arc<AtomicU64>) -> (Arc<Barrier>, Vec<Join>) {
    let gate = Arc::new(Barrier::new(WORKERS as usize + 1));
    let workers = (0..WORKERS).map(|worker| {
        let (telemetry, gate, pushed) = (telemetry.clone(), gate.clone(), pushed.clone());
        std::thread::spawn(move || {
            gate.wait();
            for life in 0..SHORT_LIVED {
                let (telemetry, pushed) = (telemetry.clone(), pushed.clone());
                let number = (worker * SHORT_LIVED + life) * SPANS;
                let thread = std::thread::spawn(move || {
                    // several scopes share a thread's buffer
                    for n in number..number + SPANS {
                        let name = ["one", "two", "three"][(n % 3) as usize];
                        let mut span = telemetry.tracer(name).start("work");
                        span.set_attribute(KeyValue::new("n", n as i64));
                        span.end();
                        pushed.fetch_add(1, Ordering::SeqCst);
                    }
                });
                thread.join().unwrap();
            }
        })
    });
    let workers = workers.collect();
    (gate, workers)
}

type Join = std::thread::JoinHandle<()>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_delivers_everything_that_was_pushed_before_it() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = telemetry(Over::Grpc, receiver.grpc_endpoint(), &[]);
    let watcher = Watcher::new(&telemetry);
    for round in 1..=ROUNDS / 4 {
        receiver.clear();
        let pushed = Arc::new(AtomicU64::new(0));
        let (gate, workers) = work(&telemetry, &pushed);
        gate.wait();
        // in the middle of it: at least what came before
        let before = (round - 1) * ALL + pushed.load(Ordering::SeqCst);
        let _ = telemetry.flush(Duration::from_secs(30)).await;
        assert!(traces(&telemetry).delivered >= before);
        for worker in workers {
            worker.join().unwrap();
        }
        let _ = telemetry.flush(Duration::from_secs(30)).await;
        let traces = traces(&telemetry);
        assert_eq!(
            (traces.offered, traces.delivered),
            (round * ALL, round * ALL)
        );
        let expected: BTreeSet<i64> = (0..ALL as i64).collect();
        assert_eq!(harness::spans(&receiver), expected);
        assert_eq!(receiver.spans().len() as u64, ALL);
    }
    watcher.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_in_the_middle_loses_nothing_unseen() {
    let receiver = Receiver::start().await.unwrap();
    for round in 0..ROUNDS {
        receiver.clear();
        // every other time there is nobody to deliver to, and little room
        let is_up = round % 2 == 0;
        let network = if is_up { Network::Up } else { Network::Refuse };
        receiver.set_network(network).await.unwrap();
        let few = [("OTEL_BSP_MAX_QUEUE_SIZE", "20")];
        let more: &[_] = if is_up { &[] } else { &few };
        let telemetry = telemetry(Over::Grpc, receiver.grpc_endpoint(), more);
        let watcher = Watcher::new(&telemetry);
        let pushed = Arc::new(AtomicU64::new(0));
        let (gate, workers) = work(&telemetry, &pushed);
        gate.wait();
        // at a moment that differs from round to round
        while pushed.load(Ordering::SeqCst) < round * ALL / ROUNDS {
            std::thread::yield_now();
        }
        let deadline = Duration::from_millis(if is_up { 30_000 } else { 5 });
        let report = telemetry.shutdown(deadline).await;
        let at_the_end = &report.signals[0];
        assert_eq!((at_the_end.pending(), at_the_end.is_balanced()), (0, true));
        for worker in workers {
            worker.join().unwrap();
        }
        watcher.finish();
        let traces = traces(&telemetry);
        assert_eq!((traces.offered, traces.pending()), (ALL, 0), "{traces:?}");
        assert_eq!(traces.delivered + traces.lost(), ALL, "{traces:?}");
        // what was under way at the deadline may have arrived, but nobody said so
        let arrived = receiver.spans().len();
        assert!(arrived as u64 >= traces.delivered, "{traces:?}");
        assert_eq!(harness::spans(&receiver).len(), arrived, "each once");
        if is_up {
            assert_eq!(traces.lost(), traces.dropped(Loss::Shutdown));
        }
    }
}
