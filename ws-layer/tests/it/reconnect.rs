//! The client that comes back: against our server, and against servers that do as they are told.

mod gate;
mod hints;
mod scripted;

use std::time::Duration;

use campanile_semconv::metric::{self, Metric};
use campanile_ws::reconnect::{Attached, Detached, Ended, Event, ReconnectingBuilder, State};
use campanile_ws::resume::Rung;
use campanile_ws::{Cause, Reconnecting, Sessions};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::probe::Probe;
use crate::resume::Live;
use gate::Gate;
use scripted::{Listener, server, welcome};

const HANG: Duration = Duration::from_secs(30);

/// A client and what it tells.
struct Client {
    probe: Probe,
    live: Reconnecting,
}

impl Client {
    fn of(url: &str) -> Self {
        Self::with(url, |builder| builder)
    }

    /// Comes back without any wait unless the server asks for it.
    fn with(url: &str, change: impl FnOnce(ReconnectingBuilder) -> ReconnectingBuilder) -> Self {
        let probe = Probe::new();
        let sessions = Sessions::new(&probe.handle());
        let builder = Reconnecting::builder(&sessions, url).endpoint("up");
        let live = change(builder.random(|| 0.0)).open().unwrap();
        Self { probe, live }
    }

    async fn next(&mut self) -> Event {
        let next = tokio::time::timeout(HANG, self.live.next()).await;
        next.expect("something happens").expect("it has not ended")
    }

    async fn attached(&mut self) -> Attached {
        match self.next().await {
            Event::Attached(attached) => attached,
            other => panic!("{other:?}"),
        }
    }

    async fn detached(&mut self) -> Detached {
        match self.next().await {
            Event::Detached(detached) => detached,
            other => panic!("{other:?}"),
        }
    }

    async fn text(&mut self) -> String {
        match self.next().await {
            Event::Message(message) => message.into_text().unwrap().to_string(),
            other => panic!("{other:?}"),
        }
    }

    async fn ended(&mut self) -> Ended {
        match self.next().await {
            Event::Ended(ended) => {
                assert_eq!(self.live.next().await, None);
                ended
            }
            other => panic!("{other:?}"),
        }
    }

    fn sum(&self, metric: &'static Metric) -> i64 {
        self.probe.sum(metric, &["websocket.role=client"])
    }

    fn attempts(&self, result: &str) -> i64 {
        let result = format!("websocket.resume.result={result}");
        let series = ["websocket.role=client", &*result];
        self.probe.sum(&metric::WEBSOCKET_RESUME_ATTEMPTS, &series)
    }

    fn ends(&self, end: &str) -> i64 {
        let series = [&*format!("websocket.session.end={end}")];
        self.probe.sum(&metric::WEBSOCKET_SESSION_ENDS, &series)
    }

    /// detachments = returns + ends of those that waited + those that wait
    fn assert_identity(&self) {
        let returns: i64 = ["resumed", "replayed", "resynced", "conflict"]
            .map(|result| self.attempts(result))
            .iter()
            .sum();
        let ends: i64 = ["abandoned", "superseded", "revoked", "drain_lost"]
            .map(|end| self.ends(end))
            .iter()
            .sum();
        assert_eq!(
            self.sum(&metric::WEBSOCKET_SESSION_DETACHMENTS),
            returns + ends + self.sum(&metric::WEBSOCKET_SESSION_DETACHED),
            "returned {returns}, ended {ends}"
        );
    }
}

#[tokio::test]
async fn a_client_whose_socket_dies_again_and_again_hands_over_each_message_once() {
    const ROUNDS: usize = 20;
    let server = Live::start().await;
    let gate = Gate::before(server.server.address).await;
    let mut client = Client::of(&gate.url("live"));
    let first = client.attached().await;
    assert_eq!((first.state, first.rung), (State::New, None));
    let (mut pushed, mut read) = (0, 0);
    let mut push = async |server: &Live, count: usize| {
        for _ in 0..count {
            server.push(&pushed.to_string()).await;
            pushed += 1;
        }
        pushed
    };
    let mut replayed = 0;
    for round in 0..ROUNDS {
        let until = push(&server, 5).await;
        // Some of what is under way is read, some is not.
        while read < until - round % 4 {
            assert_eq!(client.text().await, read.to_string());
            read += 1;
        }
        gate.cut();
        loop {
            match client.next().await {
                Event::Message(message) => {
                    assert_eq!(message.into_text().unwrap().as_str(), read.to_string());
                    read += 1;
                }
                Event::Detached(detached) => {
                    assert_eq!((detached.cause, detached.attempt), (Cause::Network, 0));
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        server.detached(1).await;
        push(&server, 2).await;
        let attached = client.attached().await;
        assert_eq!(attached.sid, first.sid);
        assert!(!attached.must_load(), "{attached:?}");
        match attached.state {
            State::Replayed { messages } => replayed += i64::from(messages),
            other => panic!("{other:?}"),
        }
    }
    let until = push(&server, 1).await;
    while read < until {
        assert_eq!(client.text().await, read.to_string());
        read += 1;
    }
    assert!(replayed >= 2 * 20);
    assert_eq!(server.outcome("lost"), 0);
    assert_eq!(server.attempts("replayed"), 20);
    assert_eq!(client.attempts("replayed"), 20);
    client.assert_identity();
    client.live.close().await;
    let ended = |probe: &Probe| probe.sum(&metric::WEBSOCKET_SESSION_ENDS, &[]) == 1;
    server.probe().until("the end", ended).await;
    assert_eq!(server.ends("client"), 1);
    let ends = |probe: &Probe| probe.sum(&metric::WEBSOCKET_SESSION_ENDS, &[]);
    assert_eq!(ends(&client.probe), 1);
}

#[tokio::test]
async fn what_was_handed_over_is_acknowledged_and_decided_at_the_server() {
    let server = Live::start().await;
    let mut client = Client::of(&server.server.url());
    client.attached().await;
    for text in ["one", "two", "three"] {
        server.push(text).await;
        assert_eq!(client.text().await, text);
    }
    let decided = |probe: &Probe| probe.sum(&metric::WEBSOCKET_DELIVERY_PENDING, &[]) == 0;
    tokio::select! {
        event = client.next() => panic!("{event:?}"),
        () = server.probe().until("all decided", decided) => {}
    }
    assert_eq!(server.outcome("on_time"), 3);
}

#[tokio::test]
async fn text_that_looks_like_a_frame_of_the_contract_passes_both_ways() {
    let server = Live::start().await;
    let mut client = Client::of(&server.server.url());
    client.attached().await;
    for text in ["\u{1e}{\"op\":\"hb\"}", "\u{1e}\u{1e}", "\u{1e}", ""] {
        server.push(text).await;
        assert_eq!(client.text().await, text);
        client.live.send(Message::text(text)).await.unwrap();
    }
    client.live.close().await;
    let ended = |probe: &Probe| probe.sum(&metric::WEBSOCKET_SESSION_ENDS, &[]) == 1;
    server.probe().until("the end", ended).await;
    assert_eq!(
        server.outcome("lost"),
        0,
        "all is acknowledged before the end"
    );
    let heard = server.heard.lock().unwrap();
    assert_eq!(
        *heard,
        ["\u{1e}{\"op\":\"hb\"}", "\u{1e}\u{1e}", "\u{1e}", ""]
    );
}

#[tokio::test]
async fn a_session_that_nobody_knows_any_more_begins_anew() {
    let (url, served) = server(async |listener: Listener| {
        let mut first = listener.welcome(welcome("new", 0, 0)).await;
        assert_eq!(first.asked, "new");
        assert_eq!(first.beat().await["seq"], 0);
        first.text("one").await;
        assert_eq!(first.beat().await["seq"], 1);
        drop(first);
        let mut second = listener.welcome(welcome("unknown_session", 0, 0)).await;
        assert_eq!(second.asked, "after-new-0;seq=1");
        second.text("two").await;
        assert_eq!(second.beat().await["seq"], 0);
        drop(second);
        let third = listener.welcome(welcome("resumed", 1, 0)).await;
        assert_eq!(third.asked, "after-unknown_session-0;seq=1");
        third.close(1000, "done").await;
    })
    .await;
    let mut client = Client::of(&url);
    client.attached().await;
    assert_eq!(client.text().await, "one");
    client.detached().await;
    let attached = client.attached().await;
    assert_eq!(attached.rung, Some(Rung::UnknownSession));
    assert!(attached.state == State::New && attached.must_load());
    assert_eq!(client.text().await, "two");
    client.detached().await;
    assert_eq!(client.attached().await.state, State::Resumed);
    let (code, reason) = (1000, "done".to_owned());
    assert_eq!(client.ended().await, Ended::ByServer { code, reason });
    served.await.unwrap();
    assert_eq!(client.attempts("unknown_session"), 1);
    assert_eq!((client.ends("abandoned"), client.ends("client")), (1, 1));
    client.assert_identity();
}

#[tokio::test]
async fn what_a_server_sends_twice_or_skips_is_handed_over_once_and_counted() {
    let (url, served) = server(async |listener: Listener| {
        let mut first = listener.welcome(welcome("new", 0, 0)).await;
        for text in ["1", "2", "3"] {
            first.text(text).await;
        }
        while first.beat().await["seq"] != 3 {}
        drop(first);
        // It has forgotten the acknowledgement, and sends two of three again.
        let mut second = listener.welcome(welcome("replayed", 1, 3)).await;
        assert_eq!(second.asked, "after-new-0;seq=3");
        for text in ["2", "3", "4"] {
            second.text(text).await;
        }
        second.control(json!({"op": "skip", "n": 3})).await;
        second.control(json!({"op": "later", "n": 3})).await;
        second.text("8").await;
        while second.beat().await["seq"] != 8 {}
        drop(second);
        let third = listener.welcome(welcome("resumed", 10, 0)).await;
        assert_eq!(third.asked, "after-replayed-1;seq=8");
        drop(third);
        let fourth = listener.welcome(welcome("resumed", 10, 0)).await;
        assert_eq!(fourth.asked, "after-resumed-10;seq=10");
        fourth.close(1000, "").await;
    })
    .await;
    let mut client = Client::of(&url);
    client.attached().await;
    for text in ["1", "2", "3"] {
        assert_eq!(client.text().await, text);
    }
    client.detached().await;
    client.attached().await;
    assert_eq!(client.text().await, "4");
    assert_eq!(client.text().await, "8");
    client.detached().await;
    let attached = client.attached().await;
    assert_eq!(
        attached.state,
        State::Resynced { lost: 0 },
        "two are missing"
    );
    assert!(attached.must_load());
    client.detached().await;
    assert!(!client.attached().await.must_load());
    client.ended().await;
    served.await.unwrap();
    client.assert_identity();
}

#[tokio::test]
async fn a_server_without_the_contract_is_served_plainly() {
    let (url, served) = server(async |listener: Listener| {
        let mut first = listener.plain().await;
        first.text("\u{1e}as it is").await;
        assert_eq!(first.read().await, Message::text("\u{1e}x"));
        drop(first);
        let second = listener.plain().await;
        assert_eq!(second.asked, "new");
        second.close(1000, "").await;
    })
    .await;
    let mut client = Client::of(&url);
    let attached = client.attached().await;
    assert_eq!((attached.sid, attached.state), (None, State::Plain));
    assert_eq!(client.text().await, "\u{1e}as it is");
    client.live.send(Message::text("\u{1e}x")).await.unwrap();
    client.detached().await;
    assert_eq!(client.attached().await.state, State::Plain);
    client.ended().await;
    served.await.unwrap();
    assert_eq!(client.sum(&metric::WEBSOCKET_RESUME_ATTEMPTS), 0);
    assert_eq!(client.sum(&metric::WEBSOCKET_SESSION_DETACHMENTS), 0);
}

#[tokio::test]
async fn a_client_stays_away_for_as_long_as_it_is_told() {
    let (url, served) = server(async |listener: Listener| {
        let first = listener.welcome(welcome("new", 0, 0)).await;
        first.close(1012, "k=drain;ra=60").await;
        let second = listener.accept().await;
        second.close(1013, "k=overload;ra=70").await;
        listener
            .refuse("503 Service Unavailable\r\nretry-after: 0")
            .await;
        listener.refuse("404 Not Found").await;
        let last = listener.welcome(welcome("resumed", 0, 0)).await;
        assert_eq!(last.asked, "after-new-0;seq=0");
        last.close(1000, "k=superseded").await;
    })
    .await;
    let mut client = Client::of(&url);
    client.attached().await;
    let mut waits = Vec::new();
    for cause in [Cause::Drain, Cause::App, Cause::Drain, Cause::Error] {
        let detached = client.detached().await;
        assert_eq!(detached.cause, cause);
        waits.push((detached.attempt, detached.retry_in.as_millis()));
    }
    assert_eq!(waits, [(0, 60), (1, 70), (2, 0), (3, 0)]);
    client.attached().await;
    assert_eq!(client.ended().await, Ended::Superseded);
    served.await.unwrap();
    assert_eq!(client.attempts("overloaded"), 2);
    assert_eq!(client.attempts("handshake_failed"), 1);
    assert_eq!(
        (client.attempts("resumed"), client.ends("superseded")),
        (1, 1)
    );
    client.assert_identity();
}

#[tokio::test]
async fn a_client_that_is_refused_or_revoked_stays_away() {
    let (url, served) = server(async |listener: Listener| {
        listener.refuse("403 Forbidden").await;
        let revoked = listener.welcome(welcome("new", 0, 0)).await;
        revoked.close(1008, "k=revoked").await;
    })
    .await;
    let mut client = Client::of(&url);
    assert_eq!(client.ended().await, Ended::Refused { status: 403 });
    let mut client = Client::of(&url);
    client.attached().await;
    assert_eq!(client.ended().await, Ended::Revoked);
    served.await.unwrap();
    assert_eq!(client.ends("revoked"), 1);
    client.assert_identity();
    let sent = client.live.send(Message::text("late")).await.unwrap_err();
    assert!(sent.is_ended());
}

#[tokio::test]
async fn nonsense_from_a_server_is_not_taken_up_again() {
    let (url, served) = server(async |listener: Listener| {
        let mut first = listener.welcome(welcome("new", 0, 0)).await;
        first.text("\u{1e}{").await;
        assert_eq!(first.closed().await, 1007);
        let mut second = listener.accept().await;
        assert_eq!(second.asked, "new", "the session is left alone");
        second.text("{\"op\":\"goodbye\"}").await;
        let mut third = listener.welcome(welcome("new", 0, 0)).await;
        let long = "x".repeat(5000);
        third.control(json!({"op": "hb", "x": long})).await;
        assert_eq!(third.closed().await, 1009);
        listener
            .welcome(welcome("new", 0, 0))
            .await
            .close(4000, "")
            .await;
    })
    .await;
    let mut client = Client::of(&url);
    for _ in 0..2 {
        client.attached().await;
        assert_eq!(client.detached().await.cause, Cause::Error);
        if let Event::Detached(detached) = client.next().await {
            assert_eq!(detached.cause, Cause::Error);
        } else {
            break;
        }
    }
    assert!(matches!(
        client.ended().await,
        Ended::ByServer { code: 4000, .. }
    ));
    served.await.unwrap();
    assert_eq!(client.ends("abandoned"), 2);
    client.assert_identity();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left() {
    let (url, served) = server(async |listener: Listener| {
        // A welcome that does not come, and a server that stops to answer.
        let silent = listener.accept().await;
        let mut said = welcome("new", 0, 0);
        said["hb"] = 1.into();
        let mut second = listener.welcome(said).await;
        assert!(!second.read().await.is_empty());
        listener
            .welcome(welcome("resumed", 0, 0))
            .await
            .close(1000, "")
            .await;
        drop(silent);
    })
    .await;
    let connect = Duration::from_millis(200);
    let mut client = Client::with(&url, |builder| builder.connect_timeout(connect));
    let detached = client.detached().await;
    assert_eq!((detached.cause, detached.attempt), (Cause::Network, 1));
    client.attached().await;
    assert_eq!(client.detached().await.cause, Cause::Heartbeat);
    assert_eq!(client.attached().await.state, State::Resumed);
    client.ended().await;
    served.await.unwrap();
    let cause = ["websocket.close.cause=heartbeat"];
    let lost = client.probe.sum(&metric::WEBSOCKET_DISCONNECTS, &cause);
    assert_eq!(lost, 1);
    let attempts = client.probe.sum(&metric::WEBSOCKET_RESUME_ATTEMPTS, &cause);
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn what_is_sent_while_away_waits_in_order_and_not_without_bound() {
    let (url, served) = server(async |listener: Listener| {
        let mut socket = listener.welcome(welcome("new", 0, 0)).await;
        assert_eq!(
            socket.beat().await["seq"],
            0,
            "the token is confirmed first"
        );
        for text in ["1", "2", "3"] {
            assert_eq!(socket.read().await, Message::text(text));
        }
        socket.close(1000, "").await;
    })
    .await;
    let mut client = Client::with(&url, |builder| builder.queue(2));
    for text in ["1", "2"] {
        client.live.send(Message::text(text)).await.unwrap();
    }
    let full = client.live.send(Message::text("3")).await.unwrap_err();
    assert!(full.is_full());
    client.attached().await;
    client.live.send(full.into_message()).await.unwrap();
    let ping = Message::Ping(Vec::new().into());
    let other = client.live.send(ping).await.unwrap_err();
    assert!(!other.is_full() && !other.is_ended());
    client.ended().await;
    served.await.unwrap();
}

#[tokio::test]
async fn a_client_gives_up_when_it_is_told_to() {
    let (url, served) = server(async |listener: Listener| {
        listener.welcome(welcome("new", 0, 0)).await;
        for _ in 0..3 {
            listener.refuse("500 Internal Server Error").await;
        }
    })
    .await;
    let mut client = Client::with(&url, |builder| builder.max_attempts(3));
    client.attached().await;
    for attempt in 0..3 {
        assert_eq!(client.detached().await.attempt, attempt);
    }
    assert_eq!(client.ended().await, Ended::GaveUp);
    served.await.unwrap();
    assert_eq!(client.ends("abandoned"), 1);
    client.assert_identity();

    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("ws://{}/", unused.local_addr().unwrap());
    drop(unused);
    let patience = Duration::from_millis(1);
    let mut client = Client::with(&nobody, |builder| {
        builder.random(|| 1.0).give_up_after(patience)
    });
    assert_eq!(client.ended().await, Ended::GaveUp);
    assert_eq!(client.sum(&metric::WEBSOCKET_SESSION_ENDS), 0);
}

#[tokio::test]
async fn a_client_that_is_dropped_has_abandoned_its_session() {
    let (url, served) = server(async |listener: Listener| {
        listener
            .welcome(welcome("new", 0, 0))
            .await
            .closed_without_a_word()
            .await;
    })
    .await;
    let mut client = Client::of(&url);
    client.attached().await;
    let Client { probe, live } = client;
    drop(live);
    served.await.unwrap();
    assert_eq!(
        probe.sum(
            &metric::WEBSOCKET_SESSION_ENDS,
            &["websocket.session.end=abandoned"]
        ),
        1
    );
    assert_eq!(probe.sum(&metric::WEBSOCKET_SESSION_DETACHMENTS, &[]), 1);
    assert_eq!(probe.sum(&metric::WEBSOCKET_SESSION_DETACHED, &[]), 0);
}
