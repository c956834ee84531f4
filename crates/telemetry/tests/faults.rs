//! The fault matrix: whatever a collector does, the books balance exactly, bounds hold, the
//! application is not held up, and nothing is lost that need not be.

#![allow(clippy::unwrap_used)]

mod harness;

use std::time::{Duration, Instant, SystemTime};

use campanile_otlp_receiver::{Fault, Gate, Network, Receiver, Signal as Kind};
use campanile_telemetry::{Loss, Report, Signal, SignalStatus, Telemetry};
use harness::{Over, PATIENCE, Watcher, logs, offer, spans, telemetry, until};

/// Items of each signal in a case.
const N: i64 = 200;

/// A shutdown that has to give up.
const SHORT: Duration = Duration::from_millis(300);

/// What a loaded machine may add to a deadline.
const LOADED: Duration = Duration::from_secs(3);

fn of(report: &Report, signal: Signal) -> &SignalStatus {
    let found = report.signals.iter().find(|status| status.signal == signal);
    found.expect("the signal is exported")
}

/// Shuts down within the deadline, and checks that the report agrees with what arrived.
async fn end(telemetry: &Telemetry, receiver: &Receiver, deadline: Duration) -> Report {
    let began = Instant::now();
    let report = telemetry.shutdown(deadline).await;
    assert!(began.elapsed() < deadline + LOADED, "{:?}", began.elapsed());
    for (signal, arrived) in [
        (Signal::Traces, spans(receiver)),
        (Signal::Logs, logs(receiver)),
    ] {
        let status = of(&report, signal);
        harness::check(status);
        assert_eq!(status.pending(), 0, "{status:?}");
        // Unique items at the collector: everything reported as delivered, and nothing invented.
        assert!(arrived.len() as u64 >= status.delivered, "{status:?}");
        assert!(arrived.len() as u64 <= status.offered, "{status:?}");
    }
    report
}

/// Everything arrives, once the collector lets it.
async fn delivers_all(
    over: Over,
    break_it: impl AsyncFnOnce(&Receiver),
    mend_it: impl AsyncFnOnce(&Receiver),
) {
    let receiver = Receiver::start().await.unwrap();
    break_it(&receiver).await;
    let telemetry = telemetry(over, over.endpoint(&receiver), &[]);
    let watcher = Watcher::new(&telemetry);
    offer(&telemetry, 0..N);
    mend_it(&receiver).await;
    let report = end(&telemetry, &receiver, PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(spans(&receiver), (0..N).collect());
    assert_eq!(logs(&receiver), (0..N).collect());
    watcher.finish();
}

/// Nothing can be delivered: it is all reported as lost, for one of these reasons, and why.
async fn loses_all(
    over: Over,
    receiver: &Receiver,
    endpoint: &str,
    reasons: &[Loss],
    why: &[&str],
) {
    let telemetry = telemetry(over, endpoint, &[]);
    let watcher = Watcher::new(&telemetry);
    offer(&telemetry, 0..N);
    until(&telemetry, |signal| signal.error.is_some()).await;
    let report = end(&telemetry, receiver, SHORT).await;
    assert!(!report.is_complete(), "{report}");
    for signal in [Signal::Traces, Signal::Logs] {
        let status = of(&report, signal);
        let lost: u64 = reasons.iter().map(|reason| status.dropped(*reason)).sum();
        assert_eq!((status.delivered, lost), (0, N as u64), "{report}");
        let error = status.error.as_deref().unwrap();
        assert!(why.iter().any(|why| error.contains(why)), "{error}");
    }
    watcher.finish();
}

macro_rules! over_both {
    ($($(#[$meta:meta])* $name:ident => $case:expr;)+) => {
        mod grpc {
            use super::*;
            $($(#[$meta])* #[tokio::test] async fn $name() { ($case)(Over::Grpc).await })+
        }
        mod http {
            use super::*;
            $($(#[$meta])* #[tokio::test] async fn $name() { ($case)(Over::Http).await })+
        }
    };
}

over_both! {
    healthy => async |over| delivers_all(over, async |_| {}, async |_| {}).await;

    refused_then_back => async |over| {
        delivers_all(
            over,
            async |receiver| receiver.set_network(Network::Refuse).await.unwrap(),
            async |receiver| {
                tokio::time::sleep(Duration::from_millis(100)).await;
                receiver.set_network(Network::Up).await.unwrap();
            },
        ).await;
    };

    unavailable_for_a_while => async |over| {
        delivers_all(
            over,
            async |receiver| {
                receiver.faults().next_times(40, Fault::status(503));
            },
            async |_| {},
        ).await;
    };

    throttled_for_a_while => async |over| {
        delivers_all(
            over,
            async |receiver| {
                let fault = Fault::status(429).retry_after(Duration::from_millis(30));
                receiver.faults().next(fault);
            },
            async |_| {},
        ).await;
    };

    reset_before_it_was_taken => async |over| {
        delivers_all(
            over,
            async |receiver| {
                receiver.faults().next_times(5, Fault::reset_before_commit());
            },
            async |_| {},
        ).await;
    };

    // The sender cannot know: everything is there, some of it more than once.
    reset_after_it_was_taken => async |over| {
        delivers_all(
            over,
            async |receiver| {
                receiver.faults().next_times(5, Fault::reset_after_commit());
            },
            async |_| {},
        ).await;
    };

    answers_later_than_the_timeout_for_a_while => async |over| {
        delivers_all(
            over,
            async |receiver| {
                receiver.faults().next_times(3, Fault::black_hole());
            },
            async |_| {},
        ).await;
    };

    frozen_connections_that_thaw => async |over| {
        delivers_all(
            over,
            async |receiver| receiver.set_network(Network::BlackHole).await.unwrap(),
            async |receiver| {
                tokio::time::sleep(Duration::from_millis(400)).await;
                receiver.set_network(Network::Up).await.unwrap();
            },
        ).await;
    };

    refused_for_ever => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.set_network(Network::Refuse).await.unwrap();
        let endpoint = over.endpoint(&receiver).to_owned();
        loses_all(over, &receiver, &endpoint, &[Loss::Shutdown], &["refused"]).await;
    };

    silent_for_ever => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.set_network(Network::BlackHole).await.unwrap();
        let endpoint = over.endpoint(&receiver).to_owned();
        loses_all(over, &receiver, &endpoint, &[Loss::Shutdown], &["no answer within"]).await;
    };

    unavailable_for_ever => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.faults().always(Fault::status(503).message("out to lunch"));
        let endpoint = over.endpoint(&receiver).to_owned();
        loses_all(over, &receiver, &endpoint, &[Loss::Shutdown], &["out to lunch"]).await;
    };

    exhausted_without_a_hint => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.faults().always(Fault::status(429));
        let endpoint = over.endpoint(&receiver).to_owned();
        // gRPC: final without RetryInfo. HTTP: worth a retry without Retry-After.
        let reasons = [Loss::Refused, Loss::Shutdown];
        loses_all(over, &receiver, &endpoint, &reasons, &["RESOURCE_EXHAUSTED", "429"]).await;
    };

    internal_error => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.faults().always(Fault::status(500));
        let endpoint = over.endpoint(&receiver).to_owned();
        let reasons = [Loss::Refused, Loss::Shutdown];
        loses_all(over, &receiver, &endpoint, &reasons, &["INTERNAL", "500"]).await;
    };

    unauthenticated => async |over: Over| {
        let receiver = Receiver::start().await.unwrap();
        receiver.faults().always(Fault::status(401));
        let endpoint = over.endpoint(&receiver).to_owned();
        let reasons = [Loss::Refused, Loss::Shutdown];
        loses_all(over, &receiver, &endpoint, &reasons, &["UNAUTHENTICATED", "401"]).await;
    };

    a_name_that_does_not_resolve => async |over| {
        let receiver = Receiver::start().await.unwrap();
        // A label of more than 63 characters fails without asking a network.
        let endpoint = format!("http://{}:4317", "x".repeat(70));
        loses_all(over, &receiver, &endpoint, &[Loss::Shutdown], &["dns", "lookup", "name"]).await;
    };

    half_rejected => async |over| rejects_some(over).await;
    a_hint_holds_for_the_whole_signal => async |over| hint_gates(over).await;
    a_hint_longer_than_the_shutdown_ends_it_early => async |over| long_hint(over).await;
    slow_answers_have_several_exports_in_flight => async |over| slow(over).await;
    oversized_batches_are_split => async |over| oversized(over).await;
    what_waited_too_long_is_given_up => async |over| expired(over).await;
    a_full_queue_turns_away_and_counts => async |over| full(over).await;
    a_blocked_exporter_holds_nobody_up => async |over| blocked(over).await;
}

async fn rejects_some(over: Over) {
    let receiver = Receiver::start().await.unwrap();
    receiver
        .faults()
        .always(Fault::partial_success(1, "too old"));
    let telemetry = telemetry(over, over.endpoint(&receiver), &[]);
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

async fn hint_gates(over: Over) {
    let receiver = Receiver::start().await.unwrap();
    let hint = Duration::from_secs(1);
    let fault = Fault::status(503).retry_after(hint).only(Kind::Traces);
    receiver.faults().next(fault);
    let telemetry = telemetry(over, over.endpoint(&receiver), &[]);
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

async fn long_hint(over: Over) {
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

async fn slow(over: Over) {
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

async fn oversized(over: Over) {
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

async fn expired(over: Over) {
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

async fn full(over: Over) {
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

/// Whatever blocks the exporter, a request that records telemetry is answered as ever, the first
/// time it is asked: it awaited nothing.
async fn blocked(over: Over) {
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

#[tokio::test]
async fn grpc_to_an_http_port_falls_back_and_says_so_once() {
    let receiver = Receiver::start().await.unwrap();
    let (sink, captured) = campanile_logs::Sink::captured();
    let telemetry = Telemetry::from_env("test")
        .environment(harness::only_the_pipeline)
        .default_endpoint(receiver.http_endpoint())
        // Several attempts are under way together when the first one fails.
        .setting("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
        .lines(sink)
        .build();
    offer(&telemetry, 0..N);
    let report = end(&telemetry, &receiver, PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(spans(&receiver).len() as i64, N);
    let text = settled(&captured, "set OTEL_EXPORTER_OTLP_PROTOCOL").await;
    let told = text.matches("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf");
    assert_eq!(told.count(), 1, "{text}");
}

/// What was said, once it contains `part`: lines are written beside the export thread.
async fn settled(captured: &campanile_logs::Captured, part: &str) -> String {
    let said = async {
        while !captured.text().contains(part) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, said).await;
    captured.text()
}

#[tokio::test]
async fn http_to_a_grpc_port_is_kept_and_named() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = telemetry(Over::Http, receiver.grpc_endpoint(), &[]);
    offer(&telemetry, 0..N);
    until(&telemetry, |signal| signal.error.is_some()).await;
    let report = telemetry.shutdown(SHORT).await;
    let traces = of(&report, Signal::Traces);
    assert_eq!((traces.delivered, traces.lost()), (0, N as u64), "{report}");
}

#[tokio::test]
async fn something_else_on_the_port_is_survived() {
    use tokio::io::AsyncWriteExt;

    let receiver = Receiver::start().await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // Answers every connection with what a TLS server says to plain text.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream
                .write_all(&[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46])
                .await;
        }
    });
    for over in [Over::Grpc, Over::Http] {
        let telemetry = telemetry(over, &endpoint, &[]);
        offer(&telemetry, 0..N);
        until(&telemetry, |signal| signal.error.is_some()).await;
        let report = end(&telemetry, &receiver, SHORT).await;
        assert_eq!(of(&report, Signal::Traces).lost(), N as u64, "{report}");
    }
}

/// A firewall that drops: connects hang, and the attempt's timeout still holds.
#[tokio::test]
async fn a_connect_that_hangs_ends_with_the_attempt() {
    let receiver = Receiver::start().await.unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let _listener = socket.listen(1).unwrap();
    // Fill the accept queue until a connect hangs.
    let mut waiting = Vec::new();
    loop {
        let connect = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(100), connect).await {
            Ok(stream) => waiting.push(stream.unwrap()),
            Err(_) => break,
        }
    }
    for over in [Over::Grpc, Over::Http] {
        loses_all(
            over,
            &receiver,
            &format!("http://{address}"),
            &[Loss::Shutdown],
            &["no answer within", "deadline"],
        )
        .await;
    }
}

#[tokio::test]
async fn at_most_three_lines_a_minute_speak_of_failures() {
    let receiver = Receiver::start().await.unwrap();
    let (sink, captured) = campanile_logs::Sink::captured();
    let telemetry = Telemetry::from_env("test")
        .environment(harness::only_the_pipeline)
        .default_endpoint(receiver.grpc_endpoint())
        .setting("CAMPANILE_TELEMETRY_RETRY_FIRST", "1")
        .setting("CAMPANILE_TELEMETRY_RETRY_MAX", "2")
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
    // The configuration is told once, at the start.
    assert!(spoken <= 1 + 3, "{text}");
}

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
