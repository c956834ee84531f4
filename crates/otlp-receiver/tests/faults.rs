//! What a test can do to a sender, and what the sender then sees.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use campanile_otlp_receiver::{Fault, Gate, Network, Receiver, Signal};
use common::{Answer, PROTOBUF, Sender, TRACE_EXPORT, framed, request};
use tokio::net::TcpStream;

async fn over_http(sender: &Sender, receiver: &Receiver) -> Result<Answer, String> {
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    sender
        .post(&url, PROTOBUF, &[], request(Signal::Traces, "a"))
        .await
}

async fn over_grpc(sender: &Sender, receiver: &Receiver) -> Result<Answer, String> {
    let body = framed(0, &request(Signal::Traces, "a"));
    sender
        .call(receiver.grpc_endpoint(), TRACE_EXPORT, &[], body)
        .await
}

fn address(endpoint: &str) -> String {
    endpoint.trim_start_matches("http://").to_owned()
}

/// Starts a receiver, and a sender that has a connection of each kind.
async fn connected() -> (Receiver, Sender) {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    over_http(&sender, &receiver).await.unwrap();
    over_grpc(&sender, &receiver).await.unwrap();
    receiver.clear();
    (receiver, sender)
}

#[tokio::test]
async fn a_script_meets_requests_in_order_and_is_used_up() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    let script = receiver.faults().next_times(2, Fault::status(503));
    script
        .next(Fault::none())
        .next(Fault::status(429))
        .next(Fault::status(500).only(Signal::Logs));
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(over_http(&sender, &receiver).await.unwrap().status);
    }
    assert_eq!(statuses, [503, 503, 200, 429, 200]);
    assert_eq!(
        receiver.faults().pending(),
        1,
        "the fault for logs waits for logs"
    );
    assert_eq!(receiver.spans().len(), 2);
    receiver.faults().clear();
    assert_eq!(receiver.faults().pending(), 0);
}

#[tokio::test]
async fn a_status_carries_its_code_message_and_throttle_hint() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    let fault = Fault::status(503)
        .message("full: 100 %")
        .retry_after(Duration::from_millis(1500));
    receiver.faults().always(fault);
    let answer = over_http(&sender, &receiver).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, "2"));
    let answer = over_grpc(&sender, &receiver).await.unwrap();
    assert_eq!(answer.header("grpc-status"), "14");
    assert_eq!(answer.header("grpc-message"), "full: 100 %25");
    // Status { code: 14, message: .., details: [RetryInfo { 1 s 500,000,000 ns }] }
    let details = answer.header("grpc-status-details-bin");
    let expected = "CA4SC2Z1bGw6IDEwMCAlGjYKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SCgoICAEQgMq17gE";
    assert_eq!(details, expected);
    receiver.faults().always(Fault::grpc_status(16));
    assert_eq!(over_http(&sender, &receiver).await.unwrap().status, 401);
    assert_eq!(
        over_grpc(&sender, &receiver)
            .await
            .unwrap()
            .header("grpc-status"),
        "16"
    );
    assert!(receiver.spans().is_empty());
    assert_eq!(receiver.traffic().total().refused_requests, 4);
}

#[tokio::test]
async fn a_gate_holds_requests_until_the_test_opens_it() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    let gate = Gate::new();
    receiver.faults().always(Fault::hold(&gate));
    let test = async {
        gate.wait_for_waiting(2).await;
        assert!(
            receiver.spans().is_empty(),
            "nothing is stored before the gate opens"
        );
        gate.let_through(1);
        receiver
            .wait_for(|seen| seen.spans().at_least(1))
            .await
            .unwrap();
        assert_eq!((receiver.spans().len(), gate.waiting()), (1, 1));
        gate.open();
    };
    let (http, grpc, ()) = tokio::join!(
        over_http(&sender, &receiver),
        over_grpc(&sender, &receiver),
        test
    );
    assert_eq!((http.unwrap().status, grpc.unwrap().status), (200, 200));
    assert_eq!(receiver.spans().len(), 2);
}

#[tokio::test]
async fn a_black_hole_swallows_requests_and_is_healed() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    receiver.faults().next_times(2, Fault::black_hole());
    let swallowed = async {
        receiver
            .wait_for(|seen| (seen.traffic().total().bytes > 40).then_some(()))
            .await
            .unwrap();
    };
    let lost = async { tokio::join!(over_http(&sender, &receiver), over_grpc(&sender, &receiver)) };
    tokio::select! {
        answers = lost => panic!("a black hole answered: {answers:?}"),
        () = swallowed => {}
    }
    assert_eq!(receiver.traffic().total().requests, 2);
    assert!(receiver.spans().is_empty());
    assert_eq!(
        over_http(&Sender::default(), &receiver)
            .await
            .unwrap()
            .status,
        200
    );
    receiver.shutdown().await;
}

#[tokio::test]
async fn resets_lose_the_answer_before_or_after_the_commit() {
    let (receiver, sender) = connected().await;
    receiver.faults().next(Fault::reset_before_commit());
    over_http(&sender, &receiver).await.unwrap_err();
    assert!(receiver.spans().is_empty());
    receiver.faults().next(Fault::reset_after_commit());
    over_http(&sender, &receiver).await.unwrap_err();
    assert_eq!(
        receiver.spans().len(),
        1,
        "stored, yet the sender cannot know"
    );
    receiver.faults().next(Fault::reset_before_commit());
    over_grpc(&sender, &receiver).await.unwrap_err();
    receiver.faults().next(Fault::reset_after_commit());
    over_grpc(&sender, &receiver).await.unwrap_err();
    assert_eq!(receiver.spans().len(), 2);
    over_grpc(&sender, &receiver).await.unwrap();
}

#[tokio::test]
async fn a_partial_success_stores_all_and_says_otherwise() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    receiver
        .faults()
        .always(Fault::partial_success(7, "too many"));
    let answer = over_http(&sender, &receiver).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.as_ref(), b"\x0a\x0c\x08\x07\x12\x08too many");
    let answer = over_grpc(&sender, &receiver).await.unwrap();
    assert_eq!(&answer.body[5..], b"\x0a\x0c\x08\x07\x12\x08too many");
    assert_eq!(receiver.spans().len(), 2);
    assert_eq!(receiver.traffic().total().refused_items, 14);
}

#[tokio::test]
async fn a_slow_reader_takes_a_body_piece_by_piece() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    let gate = Gate::new();
    receiver.faults().next(Fault::slow_read(&gate));
    let url = format!("{}/v1/traces", receiver.http_endpoint());
    let body = request(Signal::Traces, &"x".repeat(4 << 20));
    let size = body.len() as u64;
    let test = async {
        let mut last = 0;
        for _ in 0..3 {
            gate.wait_for_waiting(1).await;
            let taken = receiver.traffic().total().bytes;
            assert!(taken < size, "not all at once");
            gate.let_through(1);
            let more = receiver.wait_for(|seen| {
                let bytes = seen.traffic().total().bytes;
                (bytes > last).then_some(bytes)
            });
            last = more.await.unwrap();
        }
        gate.open();
    };
    let (answer, ()) = tokio::join!(sender.post(&url, PROTOBUF, &[], body), test);
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(receiver.spans().len(), 1);
}

#[tokio::test]
async fn a_refusing_network_resets_what_is_open_and_keeps_the_port() {
    let (receiver, sender) = connected().await;
    receiver.set_network(Network::Refuse).await.unwrap();
    for endpoint in [receiver.grpc_endpoint(), receiver.http_endpoint()] {
        let error = TcpStream::connect(address(endpoint)).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    over_http(&sender, &receiver).await.unwrap_err();
    over_grpc(&sender, &receiver).await.unwrap_err();
    receiver.set_network(Network::Up).await.unwrap();
    assert_eq!(over_http(&sender, &receiver).await.unwrap().status, 200);
    assert_eq!(over_grpc(&sender, &receiver).await.unwrap().status, 200);
    assert_eq!(receiver.spans().len(), 2);
}

#[tokio::test]
async fn a_black_hole_network_freezes_connections_until_it_is_up_again() {
    let (receiver, sender) = connected().await;
    receiver.set_network(Network::BlackHole).await.unwrap();
    let fresh = Sender::default();
    let mut waiting = tokio::task::JoinSet::new();
    for sender in [&sender, &fresh] {
        let (sender, receiver) = (sender.clone(), receiver.clone());
        waiting.spawn(async move {
            over_http(&sender, &receiver).await.unwrap();
            over_grpc(&sender, &receiver).await.unwrap();
        });
    }
    // Connecting works: the handshake is the kernel's.
    let probe = TcpStream::connect(address(receiver.http_endpoint())).await;
    assert!(probe.is_ok());
    assert_eq!(
        receiver.traffic().of_signal(Signal::Traces).requests,
        2,
        "those before"
    );
    receiver.set_network(Network::Up).await.unwrap();
    while let Some(done) = waiting.join_next().await {
        done.unwrap();
    }
    assert_eq!(receiver.spans().len(), 4);
}

#[tokio::test]
async fn connections_requests_and_bytes_are_counted() {
    let (receiver, sender) = (Receiver::start().await.unwrap(), Sender::default());
    let size = request(Signal::Traces, "a").len() as u64;
    over_http(&sender, &receiver).await.unwrap();
    over_http(&sender, &receiver).await.unwrap();
    over_grpc(&sender, &receiver).await.unwrap();
    let traffic = receiver.traffic();
    assert_eq!((traffic.connections, traffic.open_connections), (2, 2));
    assert_eq!(traffic.total().requests, 3);
    assert_eq!(traffic.total().bytes, 3 * size + 5);
    drop(sender);
    let closed = receiver.wait_for(|seen| (seen.traffic().open_connections == 0).then_some(()));
    closed.await.unwrap();
}
