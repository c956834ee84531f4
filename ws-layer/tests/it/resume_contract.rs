//! What a resumable session says and hears beside the application's messages.

use std::time::Duration;

use axum::extract::ws::Message as Sent;
use campanile_semconv::metric;
use campanile_ws::resume::store::MemoryStore;
use campanile_ws::resume::{Keep, Resume};
use campanile_ws::{MessageClass, Outgoing};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::probe::Probe;
use crate::resume::{Dialled, Live};

#[tokio::test]
async fn text_that_looks_like_the_contract_passes_both_ways() {
    let live = Live::start().await;
    let mut client = live.dial("new").await;
    live.push("\u{1e}{\"op\":\"skip\",\"n\":9}").await;
    assert_eq!(client.text().await, "\u{1e}\u{1e}{\"op\":\"skip\",\"n\":9}");
    live.outbox()
        .await
        .push(Sent::binary(b"\x1ebytes".to_vec()));
    loop {
        let next = client.socket.next().await.unwrap().unwrap();
        if let Message::Binary(bytes) = next {
            assert_eq!(&*bytes, b"\x1ebytes", "bytes are always the application's");
            break;
        }
    }
    for text in [
        "\u{1e}\u{1e}mine",
        "plain",
        "\u{1e}{\"op\":\"later\"}",
        "bye",
    ] {
        client.socket.send(Message::text(text)).await.unwrap();
    }
    assert_eq!(client.closed().await.0, 1000);
    assert_eq!(*live.heard.lock().unwrap(), ["\u{1e}mine", "plain", "bye"]);
    drop(client);
    let ended = |probe: &Probe| probe.sum(&metric::WEBSOCKET_SESSION_ENDS, &[]) == 1;
    live.probe().until("the end", ended).await;
    assert_eq!(live.ends("client"), 1, "the application has closed it");
    assert_eq!(live.server.sessions.detached(), 0);
}

#[tokio::test]
async fn what_breaks_the_contract_is_closed_with_its_code() {
    for (text, code) in [
        ("\u{1e}{\"op\":\"hb\",\"seq\":1}".to_owned(), 1002),
        ("\u{1e}{\"op\":\"hb\",\"seq\":-1}".to_owned(), 1007),
        ("\u{1e}not json".to_owned(), 1007),
        (format!("\u{1e}{}", " ".repeat(4096)), 1009),
    ] {
        let live = Live::start().await;
        let mut client = live.dial("new").await;
        client
            .socket
            .send(Message::text(text.clone()))
            .await
            .unwrap();
        assert_eq!(client.closed().await.0, code, "{text}");
        let token = client.lose();
        live.detached(1).await;
        assert_eq!(live.resume(&token, 0).await.state(), "resumed");
        live.assert_identity();
    }
}

#[tokio::test]
async fn a_token_that_has_lived_for_half_of_its_time_is_renewed() {
    let life = |resume: Resume| resume.token_life(Duration::from_secs(100));
    let live = Live::with(MemoryStore::new(), life, |builder| builder).await;
    let mut client = live.dial("new").await;
    let ask = "\u{1e}{\"op\":\"hb\",\"seq\":0,\"t0\":1}";
    let answer = async |client: &mut Dialled| {
        client.socket.send(Message::text(ask)).await.unwrap();
        let answer = client.text().await;
        serde_json::from_str::<Value>(answer.strip_prefix('\u{1e}').unwrap()).unwrap()
    };
    assert_eq!(answer(&mut client).await.get("rt"), None);
    live.wall.advance(Duration::from_secs(60));
    let renewed = answer(&mut client).await;
    let token = renewed["rt"].as_str().unwrap().to_owned();
    assert_eq!(answer(&mut client).await.get("rt"), None, "once");
    drop(client);
    live.detached(1).await;
    live.wall.advance(Duration::from_secs(60));
    assert_eq!(live.resume(&token, 0).await.state(), "resumed");
}

#[tokio::test]
async fn messages_that_are_too_old_are_left_out_by_number() {
    let old = |resume: Resume| resume.buffer(10, 1000, Duration::from_secs(30));
    let typing = MessageClass::new("typing").time_to_live(Duration::from_secs(5));
    let live = Live::with(MemoryStore::new(), old, |builder| {
        builder.class(MessageClass::new("chat")).class(typing)
    })
    .await;
    let client = live.dial("new").await;
    let token = client.lose();
    live.detached(1).await;
    let class = live.server.sessions.class("typing").unwrap();
    let outbox = live.outbox().await;
    live.push("one").await;
    live.wall.advance(Duration::from_secs(25));
    outbox.push(Outgoing::new(Sent::text("typing")).class(class));
    live.push("two").await;
    live.wall.advance(Duration::from_secs(10));
    live.push("three").await;
    let mut client = live.resume(&token, 0).await;
    assert_eq!(client.text().await, "\u{1e}{\"op\":\"skip\",\"n\":2}");
    assert_eq!(client.text().await, "two");
    assert_eq!(client.text().await, "three");
    client.ack_and_wait(4).await;
    let expired = |probe: &Probe| {
        let expired = ["websocket.delivery.outcome=expired"];
        probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &expired) == 2
    };
    live.probe().until("expired messages", expired).await;
    let decided = |probe: &Probe| probe.sum(&metric::WEBSOCKET_DELIVERY_PENDING, &[]) == 0;
    live.probe().until("all decided", decided).await;
    live.assert_books();
}

#[tokio::test]
async fn a_session_that_ends_while_it_waits_loses_what_waits_with_it() {
    let live = Live::start().await;
    let client = live.dial("new").await;
    let token = client.lose();
    live.detached(1).await;
    live.push("one").await;
    let outbox = live.outbox().await;
    outbox.push(Outgoing::new(Sent::text("presence")).supersede(1));
    outbox.push(Outgoing::new(Sent::text("presence")).supersede(1));
    assert_eq!(live.server.sessions.revoke(b"bob"), 0);
    assert_eq!(live.server.sessions.revoke(b"ann"), 1);
    live.detached(0).await;
    assert_eq!(live.ends("revoked"), 1);
    assert_eq!(live.outcome("lost"), 2);
    assert_eq!(live.outcome("superseded"), 1);
    live.assert_books();
    live.assert_identity();
    assert_eq!(outbox.push(Sent::text("two")), campanile_ws::Pushed::Ended);
    assert_eq!(live.resume(&token, 0).await.state(), "unknown_session");
}

#[tokio::test]
async fn a_session_that_is_revoked_while_it_is_attached_is_closed_and_over() {
    let live = Live::start().await;
    let mut client = live.dial("new").await;
    assert_eq!(live.server.sessions.revoke(b"ann"), 1);
    assert_eq!(client.closed().await, (1008, "k=revoked".to_owned()));
    let token = client.lose();
    let ended = |probe: &Probe| probe.sum(&metric::WEBSOCKET_SESSION_ENDS, &[]) == 1;
    live.probe().until("the end", ended).await;
    assert_eq!(live.resume(&token, 0).await.state(), "unknown_session");
    live.assert_identity();
}

#[tokio::test]
async fn a_client_that_says_goodbye_ends_its_session_and_a_reload_does_not() {
    for (code, detached) in [(1000, 0), (4000, 0), (1001, 1)] {
        let live = Live::start().await;
        let mut client = live.dial("new").await;
        let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        client.socket.close(Some(frame)).await.unwrap();
        live.server.disconnected().await;
        assert_eq!(live.server.sessions.detached(), detached, "{code}");
        assert_eq!(live.ends("client"), i64::from(detached == 0));
        live.assert_identity();
    }
}

#[tokio::test]
async fn past_the_number_that_may_wait_the_longest_is_given_up() {
    let two = |resume: Resume| resume.max_detached(2);
    let live = Live::with(MemoryStore::new(), two, |builder| builder).await;
    let mut tokens = Vec::new();
    for i in 0..3 {
        live.wall.advance(Duration::from_secs(1));
        let client = live.dial("new").await;
        tokens.push(client.lose());
        let detachments =
            |probe: &Probe| probe.sum(&metric::WEBSOCKET_SESSION_DETACHMENTS, &[]) == i + 1;
        live.probe().until("the detachment", detachments).await;
    }
    live.detached(2).await;
    assert_eq!(live.ends("revoked"), 1);
    assert_eq!(live.resume(&tokens[0], 0).await.state(), "unknown_session");
    assert_eq!(live.resume(&tokens[2], 0).await.state(), "resumed");
    live.assert_identity();
}

#[tokio::test]
async fn many_that_wait_are_a_storm_and_clients_are_told_to_spread() {
    let slow = |builder: campanile_ws::Builder| builder.peers_admit(10);
    let live = Live::with(MemoryStore::new(), |resume| resume, slow).await;
    let mut clients = Vec::new();
    for _ in 0..60 {
        clients.push(live.dial("new").await);
    }
    drop(clients);
    live.detached(60).await;
    let storm = |probe: &Probe| {
        let active = probe.samples(&metric::WEBSOCKET_STORM_ACTIVE, &[]);
        active.last().is_some_and(|(active, _)| *active > 0.0)
    };
    live.probe().until("a storm", storm).await;
    let client = live.dial("new").await;
    assert_eq!(client.welcome["retry"]["spread"], 6000, "60 at 10 a second");
}

/// Pushes, reads, acknowledges, loses and resumes by chance: every message reaches the application
/// once and in order, and every count holds.
#[tokio::test]
async fn whatever_happens_each_message_is_handed_over_once_and_the_books_hold() {
    for (seed, keep) in [(1, Keep::OnDetach), (2, Keep::Always), (3, Keep::OnDetach)] {
        let mut chance = fastrand::Rng::with_seed(seed);
        let keeps = |resume: Resume| resume.keep(keep);
        let live = Live::with(MemoryStore::new(), keeps, |builder| builder).await;
        let (mut pushed, mut handed, mut lives) = (0_u32, 0_u32, 1_i64);
        let mut client = live.dial("new").await;
        let outbox = live.outbox().await;
        for _ in 0..400 {
            match chance.u32(0..10) {
                0..=4 => {
                    pushed += 1;
                    outbox.push(Sent::text(pushed.to_string()));
                }
                5..=7 if handed < pushed => {
                    handed += 1;
                    assert_eq!(client.text().await, handed.to_string());
                }
                8 => client.ack(handed).await,
                9 if chance.u32(0..3) == 0 => {
                    let token = client.lose();
                    let detachments = |probe: &Probe| {
                        probe.sum(&metric::WEBSOCKET_SESSION_DETACHMENTS, &[]) == lives
                    };
                    // At times the client is back before the old socket is found dead.
                    if chance.bool() {
                        live.probe().until("the detachment", detachments).await;
                    }
                    client = live.resume(&token, handed).await;
                    let from = client.number("from");
                    assert_eq!((from, client.number("lost")), (handed.into(), 0));
                    let sum = |metric| live.probe().sum(metric, &[]);
                    lives = sum(&metric::WEBSOCKET_SESSION_DETACHMENTS) + 1;
                }
                _ => {}
            }
        }
        while handed < pushed {
            handed += 1;
            assert_eq!(client.text().await, handed.to_string());
        }
        client.ack_and_wait(handed).await;
        let decided = |probe: &Probe| probe.sum(&metric::WEBSOCKET_DELIVERY_PENDING, &[]) == 0;
        live.probe().until("all decided", decided).await;
        live.assert_books();
        live.assert_identity();
        let accepted = live.probe().sum(&metric::WEBSOCKET_DELIVERY_ACCEPTED, &[]);
        assert_eq!(accepted, i64::from(pushed));
        assert_eq!(live.outcome("lost") + live.outcome("dropped"), 0);
    }
}
