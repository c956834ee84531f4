//! The outbox over real sockets: other tasks push, the session sends.

use std::time::Duration;

use axum::extract::ws::Message as Sent;
use campanile_semconv::metric;
use campanile_ws::{
    MessageClass, Outbox, OutboxLimits, Outgoing, Pushed, Sessions, Upgrade, WhenFull, fan_out,
};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::probe::Probe;
use crate::server::{Server, finish};
use crate::until::{HANG, until};

/// A server whose sessions hand out their outboxes.
async fn posting(limits: OutboxLimits) -> (Server, mpsc::UnboundedReceiver<Outbox<Sent>>) {
    let probe = Probe::new();
    let typing = MessageClass::new("typing")
        .threshold(Duration::from_secs(2))
        .time_to_live(Duration::from_millis(30));
    let sessions = Sessions::builder(&probe.handle())
        .class(MessageClass::new("message"))
        .class(typing)
        .build();
    let (give, take) = mpsc::unbounded_channel();
    let handler = move |upgrade: Upgrade| {
        let give = give.clone();
        async move {
            upgrade.on_session(move |session| async move {
                let mut session = session.with_outbox(limits);
                give.send(session.outbox().clone()).unwrap();
                while let Some(Ok(_)) = session.recv().await {}
            })
        }
    };
    (Server::with(probe, sessions, handler).await, take)
}

fn outcome(probe: &Probe, outcome: &str) -> i64 {
    let outcome = format!("websocket.delivery.outcome={outcome}");
    probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[&outcome])
}

#[tokio::test]
async fn what_others_push_is_sent_in_order() {
    let (server, mut outboxes) = posting(OutboxLimits::default()).await;
    let mut client = server.connect().await;
    let outbox = outboxes.recv().await.unwrap();
    for i in 0..100 {
        assert_eq!(outbox.push(Sent::text(i.to_string())), Pushed::Queued);
        if i % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for i in 0..100 {
        let message = loop {
            match client.next().await.unwrap().unwrap() {
                Message::Ping(_) => {}
                message => break message,
            }
        };
        assert_eq!(message, Message::text(i.to_string()));
    }
    let reading = tokio::spawn(async move { finish(&mut client).await });
    let delivered = |probe: &Probe| outcome(probe, "on_time") + outcome(probe, "late") == 100;
    server.probe.until("a hundred receipts", delivered).await;
    assert_eq!(outbox.waiting(), (0, 0));
    reading.abort();
}

#[tokio::test]
async fn a_room_is_told_at_once_and_a_dead_outbox_refuses() {
    let (server, mut outboxes) = posting(OutboxLimits::default()).await;
    let mut room = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(server.connect().await);
        room.push(outboxes.recv().await.unwrap());
    }
    let hello = Outgoing::new(Sent::text("hello"));
    assert_eq!(fan_out(&room, &hello), 3);
    for client in &mut clients {
        assert_eq!(
            client.next().await.unwrap().unwrap(),
            Message::text("hello")
        );
    }
    let mut gone = clients.pop().unwrap();
    gone.close(None).await.unwrap();
    finish(&mut gone).await;
    server.disconnected().await;
    assert_eq!(room[2].push(Sent::text("anyone?")), Pushed::Ended);
    assert_eq!(fan_out(&room, &hello), 2);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_closed_as_a_slow_consumer() {
    let limits = OutboxLimits {
        bytes: 4 * 1024 * 1024,
        when_full: WhenFull::Close,
        ..OutboxLimits::default()
    };
    let (server, mut outboxes) = posting(limits).await;
    let mut client = server.connect().await;
    let outbox = outboxes.recv().await.unwrap();
    let megabyte = Sent::binary(vec![0; 1024 * 1024]);
    while outbox.push(megabyte.clone()) == Pushed::Queued {
        tokio::task::yield_now().await;
    }
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.cause"], "slow_consumer");
    assert_eq!(end.attributes["websocket.close.code"], "3008");
    let probe = &server.probe;
    assert!(outcome(probe, "dropped") >= 1 && outcome(probe, "lost") + outcome(probe, "late") >= 1);
    let accepted = probe.sum(&metric::WEBSOCKET_DELIVERY_ACCEPTED, &[]);
    assert_eq!(
        accepted,
        probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[])
    );
    assert_eq!(probe.sum(&metric::WEBSOCKET_QUEUE_LENGTH, &[]), 0);
    assert_eq!(probe.sum(&metric::WEBSOCKET_QUEUE_SIZE, &[]), 0);
    let _ = client.close(None).await;
}

#[tokio::test]
async fn typing_notices_supersede_each_other_and_expire() {
    let (server, mut outboxes) = posting(OutboxLimits::default()).await;
    let client = server.connect().await;
    let outbox = outboxes.recv().await.unwrap();
    let typing = server.sessions.class("typing").unwrap();
    // Fill the way to the client, so that what follows waits.
    let is_full = async || {
        outbox.push(Sent::binary(vec![0; 100 * 1024]));
        tokio::task::yield_now().await;
        while outbox.waiting().0 == 0 {
            outbox.push(Sent::binary(vec![0; 100 * 1024]));
            tokio::task::yield_now().await;
        }
        (outbox.waiting().0 >= 8).then_some(())
    };
    until(HANG, "a way to the client that is full", is_full).await;
    let notice = |text: &str| Outgoing::new(Sent::text(text)).class(typing).supersede(1);
    assert_eq!(outbox.push(notice("a")), Pushed::Queued);
    assert_eq!(outbox.push(notice("ab")), Pushed::Superseded);
    let probe = &server.probe;
    let expired =
        |probe: &Probe| outcome(probe, "expired") == 1 && outcome(probe, "superseded") == 1;
    probe.until("the notice expired", expired).await;
    drop(client);
}
