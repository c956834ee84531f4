//! A crowd: thousands of real sockets between two processes, and many more connections in memory.
//!
//! The sizes are small by default. `CAMPANILE_FULL=1` makes them 19,000 sockets (one process may
//! hold 20,000 files) and 1,000,000 connections in memory, which are the bookkeeping alone and no
//! sockets. Client sockets come from several addresses of 127.0.0.0/8, as one has 28,000 ports.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "../../tests/src/part.rs"]
mod part;
#[path = "../src/probe.rs"]
mod probe;
#[path = "../../tests/src/until.rs"]
mod until;

use std::net::SocketAddr;
use std::time::Instant;

use axum::Router;
use axum::extract::ws::Message as Sent;
use axum::routing::any;
use campanile_semconv::{metric, span};
use campanile_ws::{Sessions, Upgrade, observe};
use futures_util::{SinkExt, StreamExt};
use part::{Part, told};
use probe::Probe;
use tokio::net::{TcpListener, TcpSocket};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use until::{HANG, until};

fn size(small: usize, full: usize) -> usize {
    let is_full = std::env::var_os("CAMPANILE_FULL").is_some_and(|value| value == "1");
    if is_full { full } else { small }
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Not a test of its own: what a child process does.
#[test]
fn part() {
    let Some(part) = part::part() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match part.strip_prefix("client ") {
        Some(rest) => {
            let (count, address) = rest.split_once(' ').unwrap();
            runtime.block_on(client(count.parse().unwrap(), address.parse().unwrap()));
        }
        None => runtime.block_on(server(part.parse().unwrap())),
    }
}

async fn server(count: usize) {
    let probe = Probe::new();
    let sessions = Sessions::new(&probe.handle());
    let live = |upgrade: Upgrade| async move {
        let small = upgrade.read_buffer_size(1024).write_buffer_size(0);
        small.on_session(|mut session| async move {
            while let Some(Ok(message)) = session.recv().await {
                if matches!(message, Sent::Text(_)) && session.send(message).await.is_err() {
                    break;
                }
            }
        })
    };
    let app = Router::new()
        .route("/", any(live))
        .with_state(sessions.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("@listening {}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let settled = async |open: usize| {
        let is_settled = async || (sessions.open() == open).then_some(());
        until(10 * HANG, "as many sessions as expected", is_settled).await;
    };
    let before = resident_kib();
    settled(count).await;
    println!(
        "@open {} {}",
        sessions.open(),
        (resident_kib() - before) * 1024 / count
    );
    settled(0).await;
    let spans = probe.moments(span::WEBSOCKET_CONNECT).len()
        + probe.moments(span::WEBSOCKET_DISCONNECT).len();
    let accepted = probe.sum(&metric::WEBSOCKET_DELIVERY_ACCEPTED, &[]);
    let decided = probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[]);
    println!(
        "@ended {} {} {} {}",
        probe.sum(&metric::WEBSOCKET_DISCONNECTS, &[]),
        probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]),
        accepted - decided,
        i64::try_from(spans).unwrap() + probe.sum(&metric::CAMPANILE_SPAN_SUPPRESSIONS, &[]),
    );
}

async fn client(count: usize, address: SocketAddr) {
    let (close, closing) = tokio::sync::watch::channel(false);
    let mut tasks = tokio::task::JoinSet::new();
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(0);
    for i in 0..count {
        let from = TcpSocket::new_v4().unwrap();
        let source = [127, 0, 1, u8::try_from(1 + i / 5_000).unwrap()];
        from.bind(SocketAddr::from((source, 0))).unwrap();
        let tcp = from.connect(address).await.unwrap();
        let url = format!("ws://{address}/");
        let opened = tokio_tungstenite::client_async_with_config(url, tcp, Some(config)).await;
        let mut socket = opened.unwrap().0;
        socket.send(Message::text("here")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("here"));
        // Reading on answers the server's pings; else it would count the crowd as dead.
        let mut closing = closing.clone();
        tasks.spawn(async move {
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => {}
                () = async { while let Some(Ok(_)) = socket.next().await {} } => {}
            }
            let _ = socket.close(None).await;
            while let Some(Ok(_)) = socket.next().await {}
        });
    }
    println!("@connected {count}");
    told().await;
    close.send(true).unwrap();
    tasks.join_all().await;
}

#[test]
fn every_one_of_many_real_sockets_is_counted_in_and_out() {
    let count = size(300, 19_000);
    let mut server = Part::start(&count.to_string());
    let address = server.hear("listening");
    let mut client = Part::start(&format!("client {count} {address}"));
    client.hear("connected");
    let open = server.hear("open");
    let (open, bytes) = open.split_once(' ').unwrap();
    println!("{open} sockets, {bytes} bytes of the server's memory for each, all told");
    client.tell("close");
    let spans = 2 * count;
    assert_eq!(server.hear("ended"), format!("{count} 0 0 {spans}"));
}

#[tokio::test]
async fn every_one_of_many_more_in_memory_is_counted_in_and_out() {
    let count = size(10_000, 1_000_000);
    let probe = Probe::new();
    let sessions = Sessions::new(&probe.handle());
    let before = resident_kib();
    let began = Instant::now();
    let all: Vec<_> = (0..count)
        .map(|_| observe((), &sessions).endpoint("memory").start())
        .collect();
    let bytes = resident_kib().saturating_sub(before) * 1024 / count;
    println!(
        "{count} connections in memory, {bytes} bytes each, begun in {:?}",
        began.elapsed()
    );
    let total = i64::try_from(count).unwrap();
    assert_eq!(probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]), total);
    assert_eq!(sessions.open(), count);
    drop(all);
    assert_eq!(probe.sum(&metric::WEBSOCKET_DISCONNECTS, &[]), total);
    assert_eq!(probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]), 0);
    assert_eq!(sessions.open(), 0);
}
