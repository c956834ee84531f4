//! Sessions that outlive their connections, on one node.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::extract::ws::Message as Sent;
use campanile_semconv::metric::{self, Metric};
use campanile_ws::resume::store::{MemoryStore, SessionStore};
use campanile_ws::resume::{Key, Keys, Resume};
use campanile_ws::{Builder, Outbox, OutboxLimits, Sessions, Upgrade};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::probe::Probe;
use crate::server::{Client, Server};
use crate::until::{HANG, until};

/// A wall clock that tests move.
#[derive(Clone, Default)]
pub struct Wall(Arc<Mutex<Duration>>);

impl Wall {
    pub fn now(&self) -> SystemTime {
        SystemTime::now() + *self.0.lock().unwrap()
    }

    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

pub fn keys() -> Keys {
    Keys::new(Key::new(1, [7; 32]).unwrap())
}

/// A server whose sessions are resumable, and the outboxes that its handlers made.
pub struct Live {
    pub server: Server,
    pub outboxes: Arc<Mutex<Vec<Outbox<Sent>>>>,
    pub heard: Arc<Mutex<Vec<String>>>,
    pub wall: Wall,
}

impl Live {
    pub async fn start() -> Self {
        Self::with(MemoryStore::new(), |resume| resume, |builder| builder).await
    }

    pub async fn with(
        store: impl SessionStore,
        resume: impl FnOnce(Resume) -> Resume,
        build: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let (probe, wall) = (Probe::new(), Wall::default());
        let clock = wall.clone();
        let settings = Resume::new(keys()).store(store).clock(move || clock.now());
        let builder = Sessions::builder(&probe.handle()).resume(resume(settings));
        let sessions = build(builder).build();
        let outboxes = Arc::<Mutex<Vec<Outbox<Sent>>>>::default();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let (kept, said) = (outboxes.clone(), heard.clone());
        let handler = move |upgrade: Upgrade| {
            let (kept, said) = (kept.clone(), said.clone());
            async move {
                let upgrade = upgrade.endpoint("live");
                upgrade.principal("ann").on_session(async move |session| {
                    let mut session = session.with_outbox::<Sent>(OutboxLimits::default());
                    kept.lock().unwrap().push(session.outbox().clone());
                    while let Some(Ok(message)) = session.recv().await {
                        if let Sent::Text(text) = message {
                            if text.as_str() == "bye" {
                                session.close(1000, "bye").await.unwrap();
                            }
                            said.lock().unwrap().push(text.to_string());
                        }
                    }
                })
            }
        };
        let server = Server::with(probe, sessions, handler).await;
        Self {
            server,
            outboxes,
            heard,
            wall,
        }
    }

    pub fn probe(&self) -> &Probe {
        &self.server.probe
    }

    /// Connects with a `ws-resume` header.
    pub async fn dial(&self, header: &str) -> Dialled {
        let mut request = self.server.url().into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("ws-resume", header.parse().unwrap());
        let (socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
        assert_eq!(response.headers()["ws-session"], "welcome");
        Dialled::after(socket).await
    }

    pub async fn resume(&self, token: &str, seq: u32) -> Dialled {
        self.dial(&format!("{token};seq={seq}")).await
    }

    /// Says that it has messages up to one that was never sent; with what it is sent away.
    pub async fn refused_hello(&self, token: &str, seq: u32) -> (u16, String) {
        let mut request = self.server.url().into_client_request().unwrap();
        let header = format!("{token};seq={seq}").parse().unwrap();
        request.headers_mut().insert("ws-resume", header);
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else {
            panic!("it is ahead of what was sent")
        };
        (frame.code.into(), frame.reason.to_string())
    }

    pub async fn push(&self, text: &str) {
        let outbox = self.outbox().await;
        outbox.push(Sent::text(text));
    }

    pub async fn outbox(&self) -> Outbox<Sent> {
        let last = async || self.outboxes.lock().unwrap().last().cloned();
        until(HANG, "a handler that has begun", last).await
    }

    pub async fn detached(&self, count: i64) {
        let detached = |probe: &Probe| probe.sum(&metric::WEBSOCKET_SESSION_DETACHED, &[]) == count;
        self.probe().until("detached sessions", detached).await;
    }

    /// Until so many sessions wait here, counted or not.
    pub async fn waiting(&self, count: usize) {
        let waits = async || (self.server.sessions.detached() == count).then_some(());
        until(HANG, "sessions that wait", waits).await;
    }

    pub fn detachments(&self) -> i64 {
        let metric = &metric::WEBSOCKET_SESSION_DETACHMENTS;
        self.probe().sum(metric, &[])
    }

    pub fn attempts(&self, result: &str) -> i64 {
        let result = format!("websocket.resume.result={result}");
        self.probe()
            .sum(&metric::WEBSOCKET_RESUME_ATTEMPTS, &[&result])
    }

    pub fn ends(&self, end: &str) -> i64 {
        let end = format!("websocket.session.end={end}");
        self.probe().sum(&metric::WEBSOCKET_SESSION_ENDS, &[&end])
    }

    pub fn outcome(&self, outcome: &str) -> i64 {
        let outcome = format!("websocket.delivery.outcome={outcome}");
        self.probe()
            .sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[&outcome])
    }

    /// detachments = returns + ends of those that waited + those that wait
    pub fn assert_identity(&self) {
        let sum = |metric: &'static Metric| self.probe().sum(metric, &[]);
        let returns: i64 = ["resumed", "replayed", "resynced"]
            .map(|result| self.attempts(result))
            .iter()
            .sum();
        let ends: i64 = ["abandoned", "superseded", "revoked", "drain_lost"]
            .map(|end| self.ends(end))
            .iter()
            .sum();
        assert_eq!(
            sum(&metric::WEBSOCKET_SESSION_DETACHMENTS),
            returns + ends + sum(&metric::WEBSOCKET_SESSION_DETACHED),
            "returned {returns}, ended {ends}"
        );
    }

    /// accepted = decided + pending
    pub fn assert_books(&self) {
        let sum = |metric: &'static Metric| self.probe().sum(metric, &[]);
        assert_eq!(
            sum(&metric::WEBSOCKET_DELIVERY_ACCEPTED),
            sum(&metric::WEBSOCKET_DELIVERY_MESSAGES) + sum(&metric::WEBSOCKET_DELIVERY_PENDING)
        );
    }
}

/// A client that has its welcome.
pub struct Dialled {
    pub socket: Client,
    pub welcome: Value,
}

impl Dialled {
    pub async fn after(mut socket: Client) -> Self {
        let first = socket.next().await.unwrap().unwrap();
        let welcome = serde_json::from_str(first.to_text().unwrap()).unwrap();
        Self { socket, welcome }
    }

    pub fn token(&self) -> String {
        self.welcome["rt"].as_str().unwrap().to_owned()
    }

    pub fn state(&self) -> &str {
        self.welcome["state"].as_str().unwrap()
    }

    pub fn sid(&self) -> &str {
        self.welcome["sid"].as_str().unwrap()
    }

    pub fn number(&self, name: &str) -> u64 {
        self.welcome[name].as_u64().unwrap()
    }

    async fn frame(&mut self) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(10), self.socket.next());
        next.await.expect("no frame came").unwrap().unwrap()
    }

    /// The next data frame, as it is on the wire.
    pub async fn text(&mut self) -> String {
        loop {
            match self.frame().await {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub async fn ack(&mut self, seq: u32) {
        let text = format!("\u{1e}{{\"op\":\"hb\",\"seq\":{seq}}}");
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Acknowledges, and waits until that was read.
    pub async fn ack_and_wait(&mut self, seq: u32) {
        let text = format!("\u{1e}{{\"op\":\"hb\",\"seq\":{seq},\"t0\":5}}");
        self.socket.send(Message::text(text)).await.unwrap();
        let answer = self.text().await;
        let answer: Value = serde_json::from_str(answer.strip_prefix('\u{1e}').unwrap()).unwrap();
        assert_eq!((&answer["op"], &answer["t0"]), (&"hb".into(), &5.0.into()));
    }

    /// The code and reason of the close frame.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.frame().await {
                Message::Close(Some(frame)) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Message::Close(None) => panic!("a close frame without a code"),
                _ => {}
            }
        }
    }

    /// Loses the connection without a word.
    pub fn lose(self) -> String {
        self.token()
    }
}

#[tokio::test]
async fn a_client_that_was_cut_off_gets_what_it_missed_exactly_once() {
    let live = Live::start().await;
    let mut client = live.dial("new").await;
    assert_eq!(client.state(), "new");
    assert_eq!(client.number("from"), 0);
    live.push("one").await;
    live.push("two").await;
    assert_eq!(client.text().await, "one");
    assert_eq!(client.text().await, "two");
    let sid = client.sid().to_owned();
    client.ack_and_wait(1).await;
    let token = client.lose();
    live.detached(1).await;
    assert_eq!(live.server.sessions.detached(), 1);
    assert_eq!(live.server.sessions.open(), 0);
    live.push("three").await;

    let mut client = live.resume(&token, 1).await;
    assert_eq!((client.state(), client.sid()), ("replayed", &*sid));
    assert_eq!((client.number("from"), client.number("n")), (1, 2));
    assert_eq!(client.number("lost"), 0);
    assert_eq!(client.text().await, "two");
    assert_eq!(client.text().await, "three");
    live.push("four").await;
    assert_eq!(client.text().await, "four");
    client.ack_and_wait(4).await;
    assert_eq!(live.attempts("replayed"), 1);
    live.detached(0).await;

    let token = client.lose();
    live.detached(1).await;
    let client = live.resume(&token, 4).await;
    assert_eq!((client.state(), client.number("n")), ("resumed", 0));
    live.assert_identity();
    let pending = |probe: &Probe| probe.sum(&metric::WEBSOCKET_DELIVERY_PENDING, &[]) == 0;
    live.probe().until("all decided", pending).await;
    live.assert_books();
    assert_eq!(live.outcome("lost"), 0);
}

#[tokio::test]
async fn a_client_that_does_not_ask_sees_nothing_of_it() {
    let live = Live::start().await;
    let mut client = live.server.connect().await;
    live.push("\u{1e}plain").await;
    let first = client.next().await.unwrap().unwrap();
    assert_eq!(first, Message::text("\u{1e}plain"));
    drop(client);
    live.server.disconnected().await;
    assert_eq!(live.server.sessions.detached(), 0);
}
