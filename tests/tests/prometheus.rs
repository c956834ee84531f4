//! A real Prometheus scrapes what the receiver was sent.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::Message;
use axum::http::Request;
use axum::routing::get;
use campanile::Telemetry;
use campanile::http::{RouteLayer, ServerLayer};
use campanile::ws::resume::{Key, Keys, Resume};
use campanile::ws::{
    Failure, Fault, Outbox, OutboxLimits, OutboxSession, Outgoing, Sessions, Upgrade, observe,
};
use campanile_otlp_receiver::Receiver;
use campanile_tests::live::{Client, Dialled};
use campanile_tests::peers;
use campanile_tests::until::{HANG, until};
use futures_util::{FutureExt, Sink, Stream};
use serde_json::Value;
use tower::ServiceExt;

async fn send(receiver: &Receiver, requests: usize) {
    let telemetry = Telemetry::for_test(receiver);
    let app = Router::new()
        .route("/rooms/{id}", get(|| async { "room" }))
        .route_layer(RouteLayer::new().domain("chat"))
        .layer(ServerLayer::new(&telemetry));
    for _ in 0..requests {
        let request = Request::get("/rooms/7").body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        axum::body::to_bytes(response.into_body(), 1024)
            .await
            .unwrap();
    }
    let report = telemetry.shutdown(Duration::from_secs(10)).await;
    assert!(report.is_complete(), "{report:?}");
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A real Prometheus that scrapes a receiver.
struct Prometheus {
    child: tokio::process::Child,
    folder: PathBuf,
    port: u16,
}

impl Prometheus {
    fn start(program: &Path, receiver: &Receiver) -> Self {
        let port = free_port();
        let name = format!("campanile-prometheus-{}-{port}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let target = receiver.http_endpoint().trim_start_matches("http://");
        let config = format!(
            "scrape_configs:\n  - job_name: receiver\n    scrape_interval: 1s\n    static_configs:\n      - targets: [\"{target}\"]\n"
        );
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let child = tokio::process::Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            child,
            folder,
            port,
        }
    }

    /// Asks until there is an answer that will do: the first series, and its value.
    async fn wait(&self, text: &str, will_do: impl Fn(&str) -> bool) -> (Value, String) {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.port);
        let client = reqwest::Client::new();
        let ask = async || {
            let answer = client.get(&url).query(&[("query", text)]).send().await;
            let answer: Value = answer.ok()?.json().await.ok()?;
            let first = answer["data"]["result"].get(0)?;
            let value = first["value"][1].as_str().unwrap();
            will_do(value).then(|| (first["metric"].clone(), value.to_owned()))
        };
        until(HANG, format!("an answer to {text}"), ask).await
    }

    async fn stop(mut self) {
        self.child.kill().await.unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

#[tokio::test]
async fn a_real_prometheus_answers_the_question_for_p95_by_domain() {
    let Some(program) = peers::prometheus() else {
        return;
    };
    let receiver = Receiver::start().await.unwrap();
    send(&receiver, 40).await;

    let prometheus = Prometheus::start(&program, &receiver);
    let any = |_: &str| true;
    let count = "http_server_request_duration_seconds_count";
    let (labels, count) = prometheus.wait(count, any).await;
    assert_eq!(count, "40", "{labels}");
    assert_eq!(
        (&labels["http_route"], &labels["campanile_domain"]),
        (&"/rooms/{id}".into(), &"chat".into())
    );
    let p95 = "histogram_quantile(0.95, sum by (le, campanile_domain) (http_server_request_duration_seconds_bucket))";
    let (labels, seconds) = prometheus.wait(p95, any).await;
    assert_eq!(labels["campanile_domain"], "chat");
    assert!(seconds.parse::<f64>().unwrap() > 0.0, "{seconds}");
    prometheus.stop().await;
}

/// A socket that takes everything and says nothing.
struct Silent;

#[derive(Debug)]
struct Never;

impl Fault for Never {
    fn failure(&self) -> Failure {
        Failure::Misuse
    }

    fn cut_off() -> Self {
        Self
    }
}

impl Stream for Silent {
    type Item = Result<Message, Never>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl Sink<Message> for Silent {
    type Error = Never;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Never>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: Message) -> Result<(), Never> {
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Never>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Never>> {
        Poll::Ready(Ok(()))
    }
}

/// Rounds in each of which ten messages are on time, one is superseded, and some find no room.
fn converse(session: &mut OutboxSession<Message, Silent>, rounds: usize, dropped: usize) {
    for _ in 0..rounds {
        for _ in 0..2 {
            let presence = Outgoing::new(Message::text("here")).supersede(1);
            session.outbox().push(presence);
        }
        for _ in 0..9 + dropped {
            session.outbox().push(Message::text("hello"));
        }
        assert!(session.recv().now_or_never().is_none());
    }
}

/// The SLI as the guide gives it.
fn freshness_query() -> String {
    let guide = peers::root().join("docs/guide/freshness.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, rest) = guide.split_once("The SLO is one query").unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[tokio::test]
async fn the_guides_query_for_freshness_answers_what_the_counters_say() {
    let Some(program) = peers::prometheus() else {
        return;
    };
    let receiver = Receiver::start().await.unwrap();
    let telemetry = Telemetry::for_test(&receiver);
    let sessions = Sessions::new(&telemetry);
    let limits = OutboxLimits {
        messages: 10,
        ..OutboxLimits::default()
    };
    let mut session = observe(Silent, &sessions).start().with_outbox(limits);
    let prometheus = Prometheus::start(&program, &receiver);
    let counter = |outcome: &str| {
        format!("websocket_delivery_messages_total{{websocket_delivery_outcome=\"{outcome}\"}}")
    };

    // What was before the window began: two thirds were on time.
    let (mut on_time, mut dropped) = (0, 0);
    for (rounds, each) in [(8, 5), (6, 2)] {
        converse(&mut session, rounds, each);
        on_time += rounds * 10;
        dropped += rounds * each;
        let told = async {
            loop {
                assert!(telemetry.flush(HANG).await.is_complete());
                let now = counter("on_time");
                let known = prometheus.wait(&now, |_| true).await.1;
                if known == on_time.to_string() {
                    return;
                }
            }
        };
        tokio::time::timeout(HANG, told).await.unwrap();
    }
    for (outcome, count) in [
        ("on_time", on_time),
        ("dropped", dropped),
        ("superseded", 14),
    ] {
        let (_, known) = prometheus.wait(&counter(outcome), |_| true).await;
        assert_eq!(known, count.to_string(), "{outcome}");
    }

    // In the window 60 were on time and 12 dropped; superseded ones do not count.
    let sli = |value: &str| {
        value
            .parse()
            .is_ok_and(|sli: f64| (sli - 60.0 / 72.0).abs() < 1e-9)
    };
    prometheus.wait(&freshness_query(), sli).await;
    drop(session);
    assert!(telemetry.shutdown(HANG).await.is_complete());
    prometheus.stop().await;
}

/// A service whose sessions wait for a second and keep two messages.
struct Live {
    address: std::net::SocketAddr,
    sessions: Sessions,
    outbox: Arc<Mutex<Option<Outbox<Message>>>>,
}

impl Live {
    async fn start(telemetry: &Telemetry) -> Self {
        let keys = Keys::new(Key::new(1, [7; 32]).unwrap());
        let resume = Resume::new(keys)
            .window(Duration::from_secs(1))
            .buffer(2, 1024, HANG);
        let sessions = Sessions::builder(telemetry).resume(resume).build();
        let outbox = Arc::<Mutex<Option<Outbox<Message>>>>::default();
        let last = outbox.clone();
        let live = move |upgrade: Upgrade| {
            let last = last.clone();
            async move {
                upgrade.principal("ann").on_session(async move |session| {
                    let mut session = session.with_outbox(OutboxLimits::default());
                    *last.lock().unwrap() = Some(session.outbox().clone());
                    while let Some(Ok(_)) = session.recv().await {}
                })
            }
        };
        let app = Router::new()
            .route("/live", axum::routing::any(live))
            .with_state(sessions.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            sessions,
            outbox,
        }
    }

    async fn detached(&self, count: usize) {
        let are_away = async || (self.sessions.detached() == count).then_some(());
        until(HANG, "sessions that wait", are_away).await;
    }

    async fn dial(&self, client: &mut Client) {
        let dialled = client.dial(self.address).await.unwrap();
        assert!(matches!(dialled, Dialled::In));
    }

    /// Loses a connection, and comes back after so many messages; what the client is told.
    async fn come_back(&self, missed: usize) -> String {
        let mut client = Client::new("ann", [127, 0, 0, 1]);
        *self.outbox.lock().unwrap() = None;
        self.dial(&mut client).await;
        let begun = async || self.outbox.lock().unwrap().clone();
        let outbox = until(HANG, "a handler that has begun", begun).await;
        client.lose();
        self.detached(1).await;
        for _ in 0..missed {
            outbox.push(Message::text("hello"));
        }
        self.dial(&mut client).await;
        let state = client.state().to_owned();
        client.close().await;
        state
    }

    /// So many that return in each way, and that never do.
    async fn lives(&self, resumed: usize, replayed: usize, resynced: usize, abandoned: usize) {
        for (count, missed, told) in [
            (resumed, 0, "resumed"),
            (replayed, 1, "replayed"),
            (resynced, 3, "resynced"),
        ] {
            for _ in 0..count {
                assert_eq!(self.come_back(missed).await, told);
            }
        }
        for _ in 0..abandoned {
            let mut client = Client::new("ann", [127, 0, 0, 1]);
            self.dial(&mut client).await;
            client.lose();
            self.detached(1).await;
            self.detached(0).await;
        }
    }
}

/// The query under this name on the page of signals.
fn indicator(name: &str) -> String {
    let page = std::fs::read_to_string(peers::root().join("docs/signals.md")).unwrap();
    let (_, rest) = page.split_once(&format!("**{name}**")).unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[tokio::test]
async fn the_two_rates_of_reconnects_answer_what_happened() {
    let Some(program) = peers::prometheus() else {
        return;
    };
    let receiver = Receiver::start().await.unwrap();
    let telemetry = Telemetry::for_test(&receiver);
    let live = Live::start(&telemetry).await;
    let prometheus = Prometheus::start(&program, &receiver);
    let told = async |resumed: usize, abandoned: usize| {
        assert!(telemetry.flush(HANG).await.is_complete());
        for (query, count) in [
            (
                "websocket_resume_attempts_total{websocket_resume_result=\"resumed\"}",
                resumed,
            ),
            (
                "websocket_session_ends_total{websocket_session_end=\"abandoned\"}",
                abandoned,
            ),
        ] {
            let is_it = |value: &str| value == count.to_string();
            prometheus.wait(query, is_it).await;
        }
    };
    // A rate needs series that were there before.
    live.lives(1, 1, 1, 1).await;
    told(1, 1).await;
    live.lives(5, 3, 2, 2).await;
    told(6, 3).await;
    for (name, wanted) in [
        ("Resume success", 8.0 / 10.0),
        ("Session survival", 10.0 / 12.0),
    ] {
        let is_it = |value: &str| {
            let value = value.parse();
            value.is_ok_and(|value: f64| (value - wanted).abs() < 1e-9)
        };
        prometheus.wait(&indicator(name), is_it).await;
    }
    prometheus.stop().await;
}
