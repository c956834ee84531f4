//! The handle: starting, waiting, stopping, alone and in crowds.

#![allow(clippy::unwrap_used)]

mod common;

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use campanile_otlp_receiver::{Receiver, Signal};
use common::{PROTOBUF, Sender, request};

async fn send(receiver: &Receiver, name: &str) {
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    let body = request(Signal::Traces, name);
    let answer = Sender::default()
        .post(&url, PROTOBUF, &[], body)
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_wait_ends_when_its_span_arrives() {
    let receiver = Receiver::start().await.unwrap();
    let sending = async {
        for name in ["a", "b", "c"] {
            send(&receiver, name).await;
        }
    };
    let (span, ()) = tokio::join!(receiver.wait_for_span("c"), sending);
    assert_eq!(span.unwrap().seq, 3);
}

#[tokio::test]
async fn a_wait_that_fails_shows_what_did_arrive() {
    let receiver = Receiver::start().await.unwrap();
    send(&receiver, "GET /orders").await;
    let wait = receiver.wait_for(|seen| seen.spans().named("GET /order").first());
    let error = wait
        .within(Duration::ZERO)
        .called("the order")
        .await
        .unwrap_err();
    let message = format!("{error:?}");
    assert!(
        message.starts_with("the order did not arrive within 0ns; this did:"),
        "{message}"
    );
    assert!(message.contains("1 spans"), "{message}");
    assert!(message.contains("   GET /orders 0.000 ms"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_end_a_wait() {
    let receiver = Receiver::start().await.unwrap();
    let sending = thread::spawn({
        let receiver = receiver.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(send(&receiver, "a"));
        }
    });
    receiver.wait_for_span("a").await.unwrap();
    sending.join().unwrap();
}

/// Runs a future with nothing but the standard library.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn it_runs_without_a_runtime() {
    let receiver = block_on(Receiver::start()).unwrap();
    let sending = thread::spawn({
        let receiver = receiver.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(send(&receiver, "a"));
        }
    });
    block_on(receiver.wait_for_span("a")).unwrap();
    sending.join().unwrap();
    let wait = receiver.wait_for(|seen| seen.spans().named("b").first());
    assert!(block_on(wait.within(Duration::from_millis(1)).into_future()).is_err());
    block_on(receiver.shutdown());
}

#[tokio::test]
async fn changes_wake_and_remember() {
    let receiver = Receiver::start().await.unwrap();
    let mut changes = receiver.changes();
    send(&receiver, "a").await;
    send(&receiver, "b").await;
    assert_eq!(changes.changed().await, Some(2));
    assert_eq!(receiver.spans_since(1).len(), 1);
    let nothing = tokio::time::timeout(Duration::from_millis(1), changes.changed());
    assert!(nothing.await.is_err());
}

#[tokio::test]
async fn many_receivers_stay_apart() {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50 {
        tasks.spawn(async move {
            let receiver = Receiver::start().await.unwrap();
            send(&receiver, &format!("span {number}")).await;
            let spans = receiver.spans();
            assert_eq!(spans.len(), 1);
            assert_eq!(spans[0].name, format!("span {number}"));
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_stop_frees_the_ports_and_keeps_what_was_received() {
    let receiver = Receiver::start().await.unwrap();
    send(&receiver, "a").await;
    receiver.shutdown().await;
    let address = receiver.http_endpoint().trim_start_matches("http://");
    tokio::net::TcpListener::bind(address).await.unwrap();
    assert_eq!(receiver.spans().len(), 1);
    let wait = receiver.wait_for_span("b").await;
    assert!(wait.is_err(), "and a wait for more ends at once");
}

#[tokio::test]
async fn dropping_the_last_handle_stops_it() {
    let receiver = Receiver::start().await.unwrap();
    let address = receiver
        .http_endpoint()
        .trim_start_matches("http://")
        .to_owned();
    let mut probe = tokio::net::TcpStream::connect(&address).await.unwrap();
    drop(receiver.clone());
    send(&receiver, "a").await;
    drop(receiver);
    let mut end = [0; 1];
    let read = tokio::io::AsyncReadExt::read(&mut probe, &mut end).await;
    assert!(
        matches!(read, Ok(0) | Err(_)),
        "the connection ends: {read:?}"
    );
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let receiver = Receiver::start().await.unwrap();
    let address = receiver
        .http_endpoint()
        .trim_start_matches("http://")
        .to_owned();
    let error = Receiver::builder()
        .http(address.parse().unwrap())
        .start()
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn memory_stays_bounded_and_the_oldest_goes() {
    let receiver = Receiver::builder().max_bytes(50_000).start().await.unwrap();
    for number in 0..100 {
        send(&receiver, &format!("{number:01000}")).await;
    }
    let held = receiver.held();
    assert!(held.bytes <= 50_000 && held.spans < 50, "{held:?}");
    assert_eq!(held.evicted(Signal::Traces) as usize + held.spans, 100);
    assert!(receiver.spans().last().unwrap().name.ends_with("99"));
}
