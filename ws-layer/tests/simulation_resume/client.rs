//! A client that lives at random, and checks all that it is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::ws::Message as Sent;
use campanile_ws::Pushed;
use fastrand::Rng;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::fleet::{Fleet, WINDOW};

struct Socket {
    stream: WebSocketStream<DuplexStream>,
    incarnation: u64,
}

pub struct Member {
    fleet: Arc<Fleet>,
    id: u64,
    rng: Rng,
    socket: Option<Socket>,
    sid: String,
    token: String,
    /// The token before, which is worth nothing once this one was used.
    old: Option<String>,
    seq: u32,
    /// The number in the last message that was put into the outbox, and in the last that came.
    given: u64,
    taken: u64,
    /// Messages that came, and that are known not to come, since the session began.
    came: u64,
    missed: u64,
    /// What was given before the session began does not come.
    before: u64,
    /// Whether messages may be gone that nobody could count.
    is_blurred: bool,
    /// What it lived through, to be told when its sums are wrong.
    story: Vec<String>,
}

impl Member {
    pub fn new(fleet: Arc<Fleet>, id: u64, rng: Rng) -> Self {
        Self {
            fleet,
            id,
            rng,
            socket: None,
            sid: String::new(),
            token: String::new(),
            old: None,
            seq: 0,
            given: 0,
            taken: 0,
            came: 0,
            missed: 0,
            before: 0,
            is_blurred: false,
            story: Vec::new(),
        }
    }

    fn note(&mut self, event: String) {
        let at = self.fleet.since_the_start();
        self.story.push(format!("{at:.3}: {event}"));
    }

    pub async fn live(mut self) {
        self.act(async |member| member.begin().await).await;
        for _ in 0..self.rng.u32(2..8) {
            let pause = Duration::from_secs_f64(self.rng.f64() * 60.0);
            sleep(pause).await;
            let still_there = self.act(async |member| member.still_there()).await;
            if !still_there || self.rng.u8(..3) == 0 {
                if !self.away().await {
                    return;
                }
            } else {
                self.act(async |member| member.converse().await).await;
            }
        }
        self.act(async |member| member.end().await).await;
    }

    /// Acts while no checkpoint is made.
    async fn act<T>(&mut self, action: impl AsyncFnOnce(&mut Self) -> T) -> T {
        let fleet = self.fleet.clone();
        let _open = fleet.gate.read().await;
        action(self).await
    }

    fn still_there(&self) -> bool {
        let socket = self.socket.as_ref();
        socket.is_some_and(|socket| self.fleet.is_alive(socket.incarnation))
    }

    /// Puts messages into the outbox of the session, wherever that is, and gives its node the time
    /// to hand them over: what is pushed in the very moment of a claim elsewhere is lost, and so is
    /// what a node that cannot reach the store never gets to tell.
    async fn push(&mut self, count: u64) {
        let Some((outbox, is_unsure)) = self.fleet.outbox(self.id) else {
            return;
        };
        for _ in 0..count {
            let next = self.given + 1;
            match outbox.push(Sent::text(next.to_string())) {
                Pushed::Queued => self.given = next,
                other => assert!(
                    matches!(other, Pushed::Ended | Pushed::Dropped),
                    "{other:?}"
                ),
            }
        }
        sleep(Duration::from_millis(50)).await;
        let is_unsure = is_unsure.load(Ordering::Relaxed);
        self.is_blurred |= is_unsure;
        let (given, home) = (self.given, self.fleet.home(self.id));
        self.note(format!(
            "pushed to {given} at {home:?}, unsure: {is_unsure}"
        ));
    }

    /// What it is welcomed with; `None` if what it says to have was never sent, by what is known
    /// there.
    async fn dial(&mut self, header: &str) -> Option<Value> {
        let mut request = "ws://fleet/".into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("ws-resume", header.parse().unwrap());
        headers.insert("member", self.id.into());
        let (incarnation, stream) = self.fleet.dial(self.rng.usize(..3));
        let config = WebSocketConfig::default()
            .read_buffer_size(1024)
            .write_buffer_size(0);
        let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
        let (mut stream, response) = opened.await.unwrap();
        assert_eq!(response.headers()["ws-session"], "welcome");
        let first = match stream.next().await.unwrap().unwrap() {
            Message::Close(Some(close)) => {
                assert_eq!(&*close.reason, "seq ahead");
                return None;
            }
            first => first,
        };
        self.socket = Some(Socket {
            stream,
            incarnation,
        });
        let (seq, taken) = (self.seq, self.taken);
        self.note(format!(
            "came to {incarnation} with seq {seq}, read to {taken}: {first}"
        ));
        Some(serde_json::from_str(first.to_text().unwrap()).unwrap())
    }

    async fn begin(&mut self) {
        let welcome = self.dial("new").await.unwrap();
        assert_eq!(welcome["state"], "new");
        self.fresh(&welcome);
        self.confirm().await;
    }

    /// A new session has begun.
    fn fresh(&mut self, welcome: &Value) {
        let sid = welcome["sid"].as_str().unwrap();
        assert_ne!(sid, self.sid);
        assert_eq!(welcome["from"], 0);
        self.sid = sid.to_owned();
        self.seq = 0;
        self.before = self.given;
        self.taken = self.given;
        (self.came, self.missed, self.is_blurred) = (0, 0, false);
        self.token = welcome["rt"].as_str().unwrap().to_owned();
        self.old = None;
    }

    /// Says what it has.
    async fn confirm(&mut self) {
        let seq = self.seq;
        let socket = self.socket.as_mut().unwrap();
        let text = format!("\u{1e}{{\"op\":\"hb\",\"seq\":{seq}}}");
        // The server may have ended the connection.
        let _ = socket.stream.send(Message::text(text)).await;
    }

    /// Pushes, reads some or all of it, acknowledges or not.
    async fn converse(&mut self) {
        let count = self.rng.u64(..20);
        self.push(count).await;
        let most = if self.rng.bool() {
            u64::MAX
        } else {
            self.rng.u64(..10)
        };
        self.read(most).await;
        if self.rng.bool() && self.socket.is_some() {
            self.confirm().await;
        }
    }

    /// Reads what comes within a moment, at most so many messages.
    async fn read(&mut self, most: u64) {
        for _ in 0..most {
            let Some(socket) = self.socket.as_mut() else {
                return;
            };
            let Ok(next) = timeout(Duration::from_millis(20), socket.stream.next()).await else {
                return;
            };
            match next {
                Some(Ok(Message::Text(text))) => self.hear(text.as_str()),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => {}
                Some(Ok(other)) => panic!("{other:?}"),
                Some(Err(_)) | None => self.socket = None,
            }
        }
    }

    fn hear(&mut self, text: &str) {
        if let Some(control) = text.strip_prefix('\u{1e}') {
            let control: Value = serde_json::from_str(control).unwrap();
            if control["op"] == "skip" {
                let count = control["n"].as_u64().unwrap();
                self.seq = self.seq.wrapping_add(u32::try_from(count).unwrap());
                self.missed += count;
            }
            return;
        }
        self.seq = self.seq.wrapping_add(1);
        let number: u64 = text.parse().unwrap();
        assert!(number > self.taken, "{number} after {}: twice", self.taken);
        self.taken = number;
        self.came += 1;
    }

    /// Loses the connection, and comes back or does not. False: it is gone for good.
    async fn away(&mut self) -> bool {
        let keeps_socket = self.rng.u8(..20) == 0 && self.still_there();
        if !keeps_socket {
            self.act(async |member| member.socket = None).await;
        }
        let window = WINDOW.as_secs_f64();
        let away = match self.rng.u8(..10) {
            0..6 => self.rng.f64() * 10.0,
            6..9 => self.rng.f64() * window * 0.9,
            _ => window * (1.05 + self.rng.f64()),
        };
        let away = Duration::from_secs_f64(if keeps_socket { 0.1 } else { away });
        sleep(away / 2).await;
        self.act(async |member| {
            let count = match member.rng.u8(..8) {
                0 => 100,
                1..5 => member.rng.u64(..20),
                _ => 0,
            };
            member.push(count).await;
        })
        .await;
        sleep(away / 2).await;
        if self.rng.u8(..20) == 0 && !keeps_socket {
            self.fleet.forget(self.id);
            return false;
        }
        self.act(async |member| member.come_back(keeps_socket).await)
            .await;
        true
    }

    /// Dials with the token that it has; now and then with a forged one, and while the session is
    /// attached also with an old one.
    async fn come_back(&mut self, is_attached: bool) {
        let forged = self.rng.u8(..50) == 0;
        let replayed = is_attached && self.rng.u8(..3) == 0;
        let mut token = self.token.clone();
        if let Some(old) = self.old.clone().filter(|_| replayed) {
            token = old;
        } else if forged {
            let at = self.rng.usize(..token.len());
            let other = if token.as_bytes()[at] == b'A' {
                "B"
            } else {
                "A"
            };
            token.replace_range(at..=at, other);
        }
        let previous = self.socket.take();
        let welcome = self.dial(&format!("{token};seq={}", self.seq)).await;
        drop(previous);
        let Some(welcome) = welcome else {
            // It has gone on at two nodes that could not ask, and this is what the other one has.
            assert!(self.is_blurred);
            self.fleet.told("handshake_failed");
            return self.begin().await;
        };
        let state = welcome["state"].as_str().unwrap().to_owned();
        self.fleet.told(&state);
        match &*state {
            "resumed" | "replayed" | "resynced" | "conflict" => self.go_on(&state, &welcome),
            "expired" | "unknown_session" | "token_invalid" | "token_replayed" => {
                self.fresh(&welcome);
            }
            other => panic!("{other}"),
        }
        self.confirm().await;
    }

    fn go_on(&mut self, state: &str, welcome: &Value) {
        assert_eq!(welcome["sid"], *self.sid);
        let number = |name: &str| u32::try_from(welcome[name].as_u64().unwrap()).unwrap();
        let (from, again, lost) = (number("from"), number("n"), number("lost"));
        assert_eq!(from.wrapping_sub(self.seq), lost, "{welcome}");
        match state {
            "resumed" => assert_eq!((again, lost), (0, 0), "{welcome}"),
            "replayed" => assert!(again > 0 && lost == 0, "{welcome}"),
            _ => self.is_blurred |= state == "resynced",
        }
        self.seq = from;
        self.missed += u64::from(lost);
        self.old = Some(std::mem::replace(
            &mut self.token,
            welcome["rt"].as_str().unwrap().to_owned(),
        ));
    }

    /// Reads all that is there, closes, and does the sums.
    async fn end(&mut self) {
        if !self.still_there() {
            self.socket = None;
        }
        self.read(u64::MAX).await;
        while self.socket.is_none() {
            self.come_back(false).await;
            self.read(u64::MAX).await;
        }
        let given = self.given - self.before;
        let known = self.came + self.missed;
        assert!(known <= given, "{known} of {given}");
        if !self.is_blurred {
            let (came, missed, story) = (self.came, self.missed, self.story.join("\n"));
            if known != given {
                eprintln!(
                    "outages: {:?}",
                    self.fleet
                        .outages
                        .lock()
                        .unwrap()
                        .iter()
                        .rev()
                        .take(20)
                        .collect::<Vec<_>>()
                );
            }
            assert_eq!(known, given, "{came} came, {missed} missed:\n{story}");
        }
        if let Some(socket) = self.socket.as_mut() {
            self.fleet.forget(self.id);
            let _ = socket.stream.close(None).await;
            while let Some(Ok(_)) = socket.stream.next().await {}
        }
    }
}
