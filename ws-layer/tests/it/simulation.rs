//! Thousands of random lives in virtual time: the books balance at every moment.

use std::time::Duration;

use campanile_semconv::{event, metric, span};
use campanile_ws::{
    Failure, MessageClass, OutboxLimits, Outgoing, Pushed, Sessions, WhenFull, observe,
};
use fastrand::Rng;
use tokio_tungstenite::tungstenite::Message;

use crate::logged::Logged;
use crate::probe::Probe;
use crate::wire::{Peer, wire};

const RUNS: u64 = 10_000;
/// Lives that share one `Sessions`, one after the other and sometimes side by side.
const TOGETHER: u64 = 50;

fn sum(probe: &Probe, outcome: &str) -> i64 {
    let outcome = format!("websocket.delivery.outcome={outcome}");
    probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[&outcome])
}

fn balanced(probe: &Probe) {
    let accepted = probe.sum(&metric::WEBSOCKET_DELIVERY_ACCEPTED, &[]);
    let decided = probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[]);
    let pending = probe.sum(&metric::WEBSOCKET_DELIVERY_PENDING, &[]);
    assert_eq!(accepted, decided + pending);
    assert!(pending >= 0);
}

fn limits(rng: &mut Rng) -> OutboxLimits {
    let policies = [WhenFull::DropNewest, WhenFull::DropOldest, WhenFull::Close];
    OutboxLimits {
        messages: rng.usize(1..20),
        bytes: rng.usize(10..200),
        when_full: policies[rng.usize(..3)],
    }
}

/// One way to die, or none.
fn kill(rng: &mut Rng, peer: &Peer) {
    match rng.u8(..6) {
        0 => peer.fail(Failure::Reset),
        1 => peer.fail(Failure::Protocol),
        2 => peer.end(),
        3 => peer.say(Message::Close(None)),
        _ => peer.read(usize::MAX),
    }
}

/// Lives one life; returns how many messages were accepted, and how many the peer has read.
async fn live(sessions: &Sessions, probe: &Probe, rng: &mut Rng) -> (i64, usize) {
    let typing = sessions.class("typing").unwrap();
    let (socket, peer) = wire(rng.usize(1..30), rng.usize(0..10));
    let session = observe(socket, sessions).with_pings().start();
    let mut session = session.with_outbox::<Message>(limits(rng));
    let outbox = session.outbox().clone();
    let task = tokio::spawn(async move { while let Some(Ok(_)) = session.recv().await {} });
    let mut accepted = 0;
    for _ in 0..rng.usize(1..30) {
        match rng.u8(..10) {
            0..=4 => {
                let text = Message::text("x".repeat(rng.usize(..20)));
                let mut message = Outgoing::new(text);
                if rng.bool() {
                    message = message.class(typing).supersede(rng.u64(..3));
                }
                if outbox.push(message) != Pushed::Ended {
                    accepted += 1;
                }
            }
            5 | 6 => peer.read(rng.usize(..5)),
            7 => tokio::time::sleep(Duration::from_millis(rng.u64(1..3_000))).await,
            8 => tokio::task::yield_now().await,
            _ if rng.u8(..5) == 0 => kill(rng, &peer),
            _ => peer.say(Message::text("hi")),
        }
        balanced(probe);
    }
    if rng.bool() {
        peer.read(usize::MAX);
        tokio::time::sleep(Duration::from_millis(rng.u64(1..1_000))).await;
    }
    match rng.u8(..3) {
        0 => task.abort(),
        1 => peer.end(),
        _ => peer.fail(Failure::Reset),
    }
    let _ = task.await;
    (accepted, peer.data())
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_random_lives_leave_nothing_unaccounted() {
    let mut outcomes = [0; 6];
    for seed in 0..RUNS / TOGETHER {
        fastrand::seed(seed);
        let probe = Probe::new();
        let sessions = Sessions::builder(&probe.handle())
            .class(MessageClass::new("message"))
            .class(
                MessageClass::new("typing")
                    .threshold(Duration::from_secs(1))
                    .time_to_live(Duration::from_millis(500)),
            )
            .heartbeat(Duration::from_secs(2))
            .spans_per_second(1_000_000)
            .build();
        let mut rng = Rng::with_seed(seed);
        let (mut accepted, mut read) = (0, 0);
        for _ in 0..TOGETHER {
            let life = live(&sessions, &probe, &mut rng).await;
            accepted += life.0;
            read += life.1;
        }
        if rng.bool() {
            sessions.drain(Duration::from_secs(1)).await;
        }
        balanced(&probe);
        assert_eq!(
            probe.sum(&metric::WEBSOCKET_DELIVERY_ACCEPTED, &[]),
            accepted
        );
        assert_eq!(
            probe.sum(&metric::WEBSOCKET_DELIVERY_PENDING, &[]),
            0,
            "all have ended"
        );
        assert_eq!(probe.sum(&metric::WEBSOCKET_QUEUE_LENGTH, &[]), 0);
        assert_eq!(probe.sum(&metric::WEBSOCKET_QUEUE_SIZE, &[]), 0);
        assert_eq!(probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]), 0);
        let lives = i64::try_from(TOGETHER).unwrap();
        assert_eq!(probe.sum(&metric::WEBSOCKET_DISCONNECTS, &[]), lives);
        assert_eq!(probe.moments(span::WEBSOCKET_CONNECT).len(), 50);
        assert_eq!(probe.moments(span::WEBSOCKET_DISCONNECT).len(), 50);
        assert_eq!(sessions.open(), 0);
        let on_time = sum(&probe, "on_time");
        assert!(
            on_time <= i64::try_from(read).unwrap(),
            "on time is what the peer has read"
        );
        let names = campanile_semconv::value::WEBSOCKET_DELIVERY_OUTCOMES;
        for (total, name) in outcomes.iter_mut().zip(names) {
            *total += sum(&probe, name);
        }
    }
    assert!(
        outcomes.iter().all(|total| *total > 100),
        "every outcome occurred: {outcomes:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_million_messages_leave_two_spans() {
    let probe = Probe::new();
    let sessions = Sessions::new(&probe.handle());
    let (socket, peer) = wire(64, 0);
    let mut session = observe(socket, &sessions).start();
    let message = Message::binary(vec![0; 8]);
    for _ in 0..1_000_000 / 50 {
        for _ in 0..50 {
            futures_util::SinkExt::feed(&mut session, message.clone())
                .await
                .unwrap();
        }
        futures_util::SinkExt::flush(&mut session).await.unwrap();
        peer.read(50);
    }
    peer.end();
    assert!(session.recv().await.is_none());
    let sent = ["websocket.message.direction=transmit"];
    assert_eq!(probe.sum(&metric::WEBSOCKET_MESSAGES, &sent), 1_000_000);
    assert_eq!(probe.sum(&metric::WEBSOCKET_IO, &sent), 8_000_000);
    let spans = [span::WEBSOCKET_CONNECT, span::WEBSOCKET_DISCONNECT];
    assert_eq!(spans.map(|name| probe.moments(name).len()), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_stall_that_lasted_too_long_leaves_one_span() {
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .without_heartbeat()
        .build();
    let (socket, peer) = wire(100, 0);
    let mut session = observe(socket, &sessions).with_pings().start();
    session.send(Message::text("x")).await.unwrap();
    let task = tokio::spawn(async move { while let Some(Ok(_)) = session.recv().await {} });
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(
        probe.moments(span::WEBSOCKET_STALL).is_empty(),
        "it is not over"
    );
    peer.read(usize::MAX);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stalls = probe.moments(span::WEBSOCKET_STALL);
    let connect = probe.moments(span::WEBSOCKET_CONNECT).remove(0).context;
    assert_eq!(stalls.len(), 1);
    assert_eq!(stalls[0].links, [connect]);
    let oldest = ["websocket.delivery.stage=receipt"];
    let gauge = probe.samples(&metric::WEBSOCKET_DELIVERY_OLDEST_AGE, &oldest);
    assert!(gauge.iter().any(|(age, _)| *age > 7.0), "{gauge:?}");
    assert_eq!(
        gauge.last().unwrap().0,
        0.0,
        "and falls back when nothing waits"
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn stalls_are_capped_on_their_own() {
    const PEERS: usize = 30;
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .without_heartbeat()
        .stalls_per_second(3)
        .build();
    let mut peers = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..PEERS {
        let (socket, peer) = wire(100, 0);
        let mut session = observe(socket, &sessions).with_pings().start();
        session.send(Message::text("x")).await.unwrap();
        peers.push(peer);
        tasks.spawn(async move { while let Some(Ok(_)) = session.recv().await {} });
    }
    tokio::time::sleep(Duration::from_secs(8)).await;
    for peer in &peers {
        peer.read(usize::MAX);
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    let stalls = probe.moments(span::WEBSOCKET_STALL).len();
    assert!((3..=5).contains(&stalls), "{stalls}");
    let held_back = probe.sum(&metric::CAMPANILE_SPAN_SUPPRESSIONS, &[]);
    assert_eq!(held_back, i64::try_from(PEERS - stalls).unwrap());
    tasks.shutdown().await;
    let told = |probe: &Probe| probe.moments(span::WEBSOCKET_DISCONNECT).len() == PEERS;
    probe.until("every disconnect", told).await;
}

#[test]
fn sessions_outlive_the_runtime_that_ticked_for_them() {
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle()).build();
    for round in 1..=2 {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (socket, _peer) = wire(10, 0);
            let mut session = observe(socket, &sessions).with_pings().start();
            session.send(Message::text("x")).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(sum(&probe, "late"), round, "somebody still ticks");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_given_up_is_named_in_the_log_with_what_was_waiting() {
    let (logged, _guard) = Logged::listen();
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .class(MessageClass::new("patient").threshold(Duration::from_secs(3600)))
        .heartbeat(Duration::from_secs(1))
        .build();
    let (socket, _peer) = wire(10, 0);
    let mut session = observe(socket, &sessions).with_pings().start();
    session.send(Message::text("x")).await.unwrap();
    while let Some(Ok(_)) = session.recv().await {}
    let lines = logged.of(event::WEBSOCKET_HEARTBEAT_LOST);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["websocket.pending.count"], "1");
}
