//! How fresh messages are when they arrive: against a reader that stalls.

use std::time::Duration;

use axum::extract::ws::Message as Sent;
use campanile_semconv::metric;
use campanile_ws::{OutboxLimits, Outgoing, Session, Sessions, Stage, Stamp, Upgrade};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::probe::Probe;
use crate::server::{Server, finish};

const MESSAGES: usize = 200;
const STALL: Duration = Duration::from_millis(700);

/// Sends 200 messages of 1 KiB at once, then reads.
async fn burst(mut session: Session) {
    for _ in 0..MESSAGES {
        session.send(Sent::binary(vec![7; 1024])).await.unwrap();
    }
    while let Some(Ok(_)) = session.recv().await {}
}

fn outcome(probe: &Probe, outcome: &str) -> i64 {
    let outcome = format!("websocket.delivery.outcome={outcome}");
    probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[&outcome])
}

fn ages(probe: &Probe, stage: &str) -> Vec<f64> {
    let stage = format!("websocket.delivery.stage={stage}");
    let samples = probe.samples(&metric::WEBSOCKET_DELIVERY_AGE, &[&stage]);
    let each = |(age, times): (f64, u64)| std::iter::repeat_n(age, usize::try_from(times).unwrap());
    samples.into_iter().flat_map(each).collect()
}

fn balance(probe: &Probe) -> i64 {
    probe.sum(&metric::WEBSOCKET_DELIVERY_ACCEPTED, &[])
        - probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[])
        - probe.sum(&metric::WEBSOCKET_DELIVERY_PENDING, &[])
}

#[tokio::test]
async fn a_stalled_reader_shows_at_receipt_and_not_at_flush() {
    let server = Server::start(burst).await;
    let mut client = server.connect().await;
    let probe = &server.probe;
    // The client does not read. Late is charged meanwhile, not when it reads again.
    let late = |probe: &Probe| outcome(probe, "late") == i64::try_from(MESSAGES).unwrap();
    probe.until("late while the reader stalls", late).await;
    let oldest = probe.samples(
        &metric::WEBSOCKET_DELIVERY_OLDEST_AGE,
        &["websocket.delivery.stage=receipt"],
    );
    assert!(oldest.iter().any(|(age, _)| *age > 0.4), "{oldest:?}");
    assert!(ages(probe, "receipt").is_empty());
    tokio::time::sleep(STALL - Duration::from_millis(500)).await;
    let reading = tokio::spawn(async move { finish(&mut client).await });

    let received = |probe: &Probe| ages(probe, "receipt").len() == MESSAGES;
    probe.until("every receipt", received).await;
    let mut flush = ages(probe, "flush");
    flush.sort_by(f64::total_cmp);
    let mut receipt = ages(probe, "receipt");
    receipt.sort_by(f64::total_cmp);
    assert_eq!(flush.len(), MESSAGES);
    assert!(
        flush[MESSAGES / 2] < 0.2,
        "the kernel took them at once: {flush:?}"
    );
    assert!(
        receipt[0] > 0.5,
        "the peer had read none of them: {receipt:?}"
    );
    assert_eq!(
        (outcome(probe, "late"), outcome(probe, "on_time")),
        (200, 0)
    );
    assert_eq!(balance(probe), 0);
    reading.abort();
}

#[tokio::test]
async fn a_reader_that_keeps_up_is_on_time_at_receipt() {
    let server = Server::start(burst).await;
    let mut client = server.connect().await;
    let reading = tokio::spawn(async move { finish(&mut client).await });
    let probe = &server.probe;
    let decided = |probe: &Probe| probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[]) == 200;
    probe.until("two hundred outcomes", decided).await;
    assert_eq!(balance(probe), 0);
    let pings = [
        "websocket.message.direction=transmit",
        "websocket.message.type=ping",
    ];
    reading.abort();
    server.disconnected().await;
    let pings = probe.sum(&metric::WEBSOCKET_MESSAGES, &pings);
    assert!((1..=20).contains(&pings), "barriers are few: {pings}");
}

#[tokio::test]
async fn what_a_dying_connection_had_not_delivered_is_lost() {
    let server = Server::start(burst).await;
    let client = server.connect().await;
    let probe = &server.probe;
    let accepted = |probe: &Probe| ages(probe, "flush").len() == MESSAGES;
    probe.until("everything flushed", accepted).await;
    drop(client);
    server.disconnected().await;
    let decided = outcome(probe, "lost") + outcome(probe, "late");
    assert_eq!((decided, balance(probe)), (200, 0));
    assert_eq!(probe.sum(&metric::WEBSOCKET_DELIVERY_PENDING, &[]), 0);
}

#[tokio::test]
async fn the_application_may_acknowledge() {
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .decide_at(Stage::AppAck)
        .build();
    let handler = |upgrade: Upgrade| async move {
        upgrade.on_session(|mut session| async move {
            for _ in 0..3 {
                session.send(Sent::text("?")).await.unwrap();
            }
            while let Some(Ok(message)) = session.recv().await {
                if let Sent::Text(count) = message {
                    let found = session.acknowledge(count.parse().unwrap());
                    session.send(Sent::text(found.to_string())).await.unwrap();
                }
            }
        })
    };
    let server = Server::with(probe, sessions, handler).await;
    let mut client = server.connect().await;
    for (acknowledge, found) in [("2", "2"), ("9", "2")] {
        client.send(Message::text(acknowledge)).await.unwrap();
        let answer = loop {
            match client.next().await.unwrap().unwrap() {
                Message::Text(text) if text != "?" => break text,
                _ => {}
            }
        };
        assert_eq!(answer, found);
    }
    client.close(None).await.unwrap();
    finish(&mut client).await;
    server.disconnected().await;
    assert_eq!(
        (
            outcome(&server.probe, "on_time"),
            outcome(&server.probe, "lost")
        ),
        (4, 1)
    );
    assert_eq!(ages(&server.probe, "app_ack").len(), 4);
}

#[tokio::test]
async fn a_clients_clock_enters_no_age_and_one_that_is_ahead_is_an_anomaly() {
    let server = Server::start(|mut session| async move {
        let hour = Duration::from_secs(3600);
        let class = campanile_ws::ClassId::default();
        let now = std::time::SystemTime::now();
        for made in [now - hour, now + hour] {
            let stamp = Stamp::now().from_client(made);
            let message = Sent::text("relayed");
            session.send_stamped(message, class, stamp).await.unwrap();
        }
        while let Some(Ok(_)) = session.recv().await {}
    })
    .await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.next().await.unwrap().unwrap();
    }
    let anomalies = &metric::WEBSOCKET_DELIVERY_CLOCK_ANOMALIES;
    let client = ["websocket.clock.source=client"];
    assert_eq!(server.probe.sum(anomalies, &client), 1);
    assert_eq!(server.probe.sum(anomalies, &[]), 1);
    assert!(ages(&server.probe, "origin").is_empty());
}

#[tokio::test]
async fn another_nodes_clock_has_its_own_series_and_cannot_make_an_age_negative() {
    let server = Server::start(|session| async move {
        let ahead = std::time::SystemTime::now() + Duration::from_secs(3600);
        let mut session = session.with_outbox(OutboxLimits::default());
        let outgoing = |text| Outgoing::new(Sent::text(text));
        session.outbox().push(outgoing("made here"));
        let stamp = Stamp::now().from_node(ahead);
        session
            .outbox()
            .push(outgoing("made elsewhere").stamp(stamp));
        while let Some(Ok(_)) = session.recv().await {}
    })
    .await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.next().await.unwrap().unwrap();
    }
    let anomaly = ["websocket.clock.source=node"];
    assert_eq!(
        server
            .probe
            .sum(&metric::WEBSOCKET_DELIVERY_CLOCK_ANOMALIES, &anomaly),
        1
    );
    assert_eq!(ages(&server.probe, "origin"), [0.0]);
    assert!(
        ages(&server.probe, "flush")
            .iter()
            .all(|age| (0.0..10.0).contains(age))
    );
}
