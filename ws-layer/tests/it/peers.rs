//! Independent implementations, as clients and as servers: Python's `websockets`, npm's `ws`, and
//! the browser-shaped WebSocket of Node.
//!
//! They live in `.provision` (`cargo xtask test --install`). Where they are missing these tests
//! say so and pass, unless `CAMPANILE_REQUIRE_PEERS=1`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::extract::ws::Message as Sent;
use campanile_semconv::{metric, span};
use campanile_ws::{Connector, Session, Sessions, Upgrade};
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::TraceContextExt;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio_tungstenite::tungstenite::Message;

use crate::probe::Probe;
use crate::server::{Server, echo, upgrade_span};

fn provisioned(path: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    present(root.join(".provision").join(path))
}

/// The path, if it exists; else says loudly that it does not.
fn present(path: PathBuf) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    let missing = format!(
        "{} is missing: run `cargo xtask test --install`",
        path.display()
    );
    let required = std::env::var_os("CAMPANILE_REQUIRE_PEERS");
    assert!(required.is_none_or(|value| value != "1"), "{missing}");
    eprintln!("SKIPPED: {missing}");
    None
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers")
        .join(name)
}

/// Python's `websockets`, running a script.
fn python(name: &str) -> Option<Command> {
    let mut command = Command::new(provisioned("venv/bin/python")?);
    command.arg(script(name));
    Some(command)
}

/// npm's `ws`, running a script.
fn node(name: &str) -> Option<Command> {
    let modules = provisioned("node_modules/ws")?;
    let mut command = Command::new("node");
    command.arg(script(name)).arg(modules.parent().unwrap());
    Some(command)
}

/// A peer that runs, line by line.
struct Peer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line());
        line.await.unwrap().unwrap().expect("the peer ended")
    }

    async fn signal(&self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        let status = Command::new("kill")
            .args([signal, &id])
            .status()
            .await
            .unwrap();
        assert!(status.success());
    }
}

async fn as_client(command: Option<Command>) {
    let Some(mut command) = command else { return };
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .heartbeat(Duration::from_millis(300))
        .build();
    let handler = |upgrade: Upgrade| async move { upgrade.on_session(echo) };
    let server = Server::with(probe, sessions, handler).await;
    command.arg(server.url()).arg("1.5");
    let mut peer = Peer::start(command);
    assert_eq!(peer.line().await, "ok 4001");
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.class"], "app");
    assert_eq!(end.attributes["websocket.close.cause"], "client");
    let probe = &server.probe;
    let beats = probe
        .samples(&metric::WEBSOCKET_HEARTBEAT_DURATION, &[])
        .len();
    assert!(beats >= 3, "the peer answered our pings: {beats}");
    assert_eq!(probe.sum(&metric::WEBSOCKET_HEARTBEAT_TIMEOUTS, &[]), 0);
    let accepted = probe.sum(&metric::WEBSOCKET_DELIVERY_ACCEPTED, &[]);
    let decided = probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[]);
    let lost = ["websocket.delivery.outcome=lost"];
    assert_eq!(accepted, decided);
    assert_eq!(probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &lost), 0);
}

#[tokio::test]
async fn python_as_client() {
    as_client(python("client.py")).await;
}

#[tokio::test]
async fn node_as_client() {
    as_client(node("client.mjs")).await;
}

async fn as_server(command: Option<Command>) {
    let Some(command) = command else { return };
    let mut peer = Peer::start(command);
    let url = format!("ws://127.0.0.1:{}/", peer.line().await);
    let probe = Probe::new();
    let connector = Connector::new(&Sessions::new(&probe.handle())).with_pings();
    let context = Context::new().with_remote_span_context(upgrade_span());
    let (mut session, _) = connector.connect(&url).with_context(context).await.unwrap();
    let traceparent = peer.line().await;
    assert_eq!(
        traceparent,
        "traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    );
    for message in [
        Message::text("text"),
        Message::binary(vec![0, 255]),
        Message::text(""),
    ] {
        session.send(message.clone()).await.unwrap();
        assert_eq!(session.recv().await.unwrap().unwrap(), message);
    }
    session.close(1000, "done").await.unwrap();
    while let Some(message) = session.recv().await {
        message.unwrap();
    }
    let ends = [
        "websocket.close.class=normal",
        "websocket.close.cause=client",
    ];
    assert_eq!(probe.sum(&metric::WEBSOCKET_DISCONNECTS, &ends), 1);
    assert_eq!(probe.sum(&metric::WEBSOCKET_DELIVERY_ACCEPTED, &[]), 3);
    assert_eq!(probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[]), 3);
}

#[tokio::test]
async fn python_as_server() {
    as_server(python("server.py")).await;
}

#[tokio::test]
async fn node_as_server() {
    as_server(node("server.mjs")).await;
}

#[tokio::test]
async fn a_browser_without_headers_names_its_span_twice_and_is_linked_once() {
    if provisioned("node_modules/ws").is_none() {
        return;
    }
    let handler = |upgrade: Upgrade| async move { upgrade.with_hello().on_session(echo) };
    let server = Server::route(handler).await;
    let mut command = Command::new("node");
    command
        .arg("--experimental-websocket")
        .arg(script("browser.mjs"));
    command.arg(server.url());
    command.arg("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let mut peer = Peer::start(command);
    assert_eq!(peer.line().await, "ok 1000");
    server.disconnected().await;
    let connect = server.probe.moments(span::WEBSOCKET_CONNECT).remove(0);
    let links = connect.links.iter().map(|link| link.span_id().to_string());
    let upgrade = upgrade_span().span_id().to_string();
    assert_eq!(
        links.collect::<Vec<_>>(),
        [upgrade, "b7ad6b7169203331".to_owned()]
    );
}

#[tokio::test]
async fn headless_chromium_speaks_the_contract_and_answers_our_pings() {
    let Some(modules) = provisioned("node_modules/playwright-core") else {
        return;
    };
    if present("/usr/bin/chromium".into()).is_none() {
        return;
    }
    let probe = Probe::new();
    let builder = Sessions::builder(&probe.handle());
    let sessions = builder.heartbeat(Duration::from_millis(300)).build();
    let handler = |upgrade: Upgrade| async move { upgrade.with_hello().on_session(echo) };
    let server = Server::with(probe, sessions, handler).await;
    let mut command = Command::new("node");
    command
        .arg(script("chromium.mjs"))
        .arg(modules.parent().unwrap());
    command.arg(server.url());
    command.arg("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let mut peer = Peer::start(command);
    assert_eq!(peer.line().await, "wsobs.v1 welcome κόσμε 4001");
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.class"], "app");
    let connect = server.probe.moments(span::WEBSOCKET_CONNECT).remove(0);
    assert_eq!(
        connect.links.len(),
        2,
        "the upgrade, and the page's span once"
    );
    let beats = server
        .probe
        .samples(&metric::WEBSOCKET_HEARTBEAT_DURATION, &[]);
    assert!(beats.len() >= 3, "{beats:?}");
}

/// 200 messages of 1 KiB as soon as the application says so.
async fn burst_server() -> (Server, tokio::sync::watch::Sender<bool>) {
    let (go, wait) = tokio::sync::watch::channel(false);
    let server = Server::start(move |mut session: Session| {
        let mut wait = wait.clone();
        async move {
            wait.wait_for(|go| *go).await.unwrap();
            for _ in 0..200 {
                session.send(Sent::binary(vec![7; 1024])).await.unwrap();
            }
            while let Some(Ok(_)) = session.recv().await {}
        }
    })
    .await;
    (server, go)
}

fn ages(probe: &Probe, stage: &str) -> Vec<f64> {
    let stage = format!("websocket.delivery.stage={stage}");
    let samples = probe.samples(&metric::WEBSOCKET_DELIVERY_AGE, &[&stage]);
    let each = |(age, times): (f64, u64)| std::iter::repeat_n(age, usize::try_from(times).unwrap());
    let mut all: Vec<f64> = samples.into_iter().flat_map(each).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn outcome(probe: &Probe, outcome: &str) -> i64 {
    let outcome = format!("websocket.delivery.outcome={outcome}");
    probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[&outcome])
}

#[tokio::test]
async fn a_reader_stopped_for_two_seconds_is_stale_at_receipt_and_fresh_at_flush() {
    let Some(mut command) = python("reader.py") else {
        return;
    };
    let (server, go) = burst_server().await;
    command.arg(server.url());
    let mut peer = Peer::start(command);
    assert_eq!(peer.line().await, "connected");
    peer.signal("-STOP").await;
    go.send(true).unwrap();
    let began = std::time::Instant::now();
    let probe = &server.probe;
    let late = |probe: &Probe| outcome(probe, "late") == 200;
    probe.until("late while the reader is stopped", late).await;
    let rising = ["websocket.delivery.stage=receipt"];
    let oldest = probe.samples(&metric::WEBSOCKET_DELIVERY_OLDEST_AGE, &rising);
    assert!(oldest.iter().any(|(age, _)| *age > 0.4), "{oldest:?}");
    tokio::time::sleep(Duration::from_secs(2).saturating_sub(began.elapsed())).await;
    peer.signal("-CONT").await;
    let received = |probe: &Probe| ages(probe, "receipt").len() == 200;
    probe.until("every receipt", received).await;
    let (flush, receipt) = (ages(probe, "flush"), ages(probe, "receipt"));
    println!(
        "flush p50 {:.4} s, p99 {:.4} s; receipt p50 {:.4} s, p99 {:.4} s",
        flush[99], flush[197], receipt[99], receipt[197]
    );
    assert!(
        flush[197] < 1.0,
        "flush knows nothing of the stall: {}",
        flush[197]
    );
    assert!(receipt[197] >= 1.9, "receipt does: {}", receipt[197]);
    assert_eq!(outcome(probe, "late"), 200);
}

#[tokio::test]
async fn the_books_balance_after_the_client_was_killed() {
    let Some(mut command) = python("reader.py") else {
        return;
    };
    let (server, go) = burst_server().await;
    command.arg(server.url());
    let mut peer = Peer::start(command);
    assert_eq!(peer.line().await, "connected");
    peer.signal("-STOP").await;
    go.send(true).unwrap();
    let flushed = |probe: &Probe| ages(probe, "flush").len() == 200;
    server.probe.until("everything flushed", flushed).await;
    peer.signal("-KILL").await;
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.cause"], "network");
    let probe = &server.probe;
    assert_eq!(probe.sum(&metric::WEBSOCKET_DELIVERY_ACCEPTED, &[]), 200);
    assert_eq!(outcome(probe, "lost") + outcome(probe, "late"), 200);
    assert_eq!(probe.sum(&metric::WEBSOCKET_DELIVERY_PENDING, &[]), 0);
}
