//! Heartbeats: round trips measured, half-open peers found.

use std::time::Duration;

use axum::extract::ws::Message as Sent;
use campanile_semconv::metric;
use campanile_ws::{Sessions, Upgrade};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::probe::Probe;
use crate::server::{Server, echo};
use crate::until::{HANG, until};

/// An interval long enough for a busy machine not to lose two in a row.
const BEAT: Duration = Duration::from_millis(200);

async fn beating() -> Server {
    let probe = Probe::new();
    let builder = Sessions::builder(&probe.handle());
    let sessions = builder.heartbeat(BEAT).build();
    let handler = |upgrade: Upgrade| async move { upgrade.on_session(echo) };
    Server::with(probe, sessions, handler).await
}

#[tokio::test]
async fn a_peer_that_answers_lives_and_its_round_trip_is_measured() {
    let server = beating().await;
    let mut client = server.connect().await;
    let reading = tokio::spawn(async move { while let Some(Ok(_)) = client.next().await {} });
    let beats = |probe: &Probe| {
        probe
            .samples(&metric::WEBSOCKET_HEARTBEAT_DURATION, &[])
            .len()
            >= 5
    };
    server.probe.until("three round trips", beats).await;
    assert_eq!(server.sessions.open(), 1);
    reading.abort();
}

#[tokio::test]
async fn a_peer_that_is_silent_for_two_beats_is_dead() {
    let server = beating().await;
    // It keeps its socket open and never reads: its stack answers nothing.
    let _client = server.connect().await;
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.cause"], "heartbeat");
    assert_eq!(end.attributes["websocket.close.class"], "abnormal");
    assert_eq!(end.error, Some("heartbeat"));
    assert_eq!(
        server.probe.sum(&metric::WEBSOCKET_HEARTBEAT_TIMEOUTS, &[]),
        2
    );
}

#[tokio::test]
async fn the_answers_to_our_pings_are_kept_from_the_application_and_others_are_not() {
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle()).heartbeat(BEAT).build();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |upgrade: Upgrade| {
        let tell = tell.clone();
        async move {
            upgrade.on_session(|mut session| async move {
                while let Some(Ok(message)) = session.recv().await {
                    tell.send(message).unwrap();
                }
            })
        }
    };
    let server = Server::with(probe, sessions, handler).await;
    let mut client = server.connect().await;
    client.send(Message::Pong("unasked".into())).await.unwrap();
    let reading = tokio::spawn(async move { while let Some(Ok(_)) = client.next().await {} });
    assert_eq!(told.recv().await.unwrap(), Sent::Pong("unasked".into()));
    let beats = |probe: &Probe| {
        probe
            .samples(&metric::WEBSOCKET_HEARTBEAT_DURATION, &[])
            .len()
            >= 3
    };
    server.probe.until("three round trips", beats).await;
    assert!(told.try_recv().is_err());
    reading.abort();
}

#[tokio::test]
async fn the_ticker_ends_with_the_last_session() {
    let server = beating().await;
    let client = server.connect().await;
    drop(client);
    server.disconnected().await;
    let metrics = tokio::runtime::Handle::current().metrics();
    // The server's accept loop and this test remain; the ticker has nothing left to do.
    let is_over = async || (metrics.num_alive_tasks() <= 1).then_some(());
    until(HANG, "the end of the ticker", is_over).await;
}

#[tokio::test]
async fn a_session_in_which_nothing_is_said_is_closed_as_idle() {
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .heartbeat(BEAT)
        .idle_after(2 * BEAT)
        .build();
    let handler = |upgrade: Upgrade| async move { upgrade.on_session(echo) };
    let server = Server::with(probe, sessions, handler).await;
    let mut client = server.connect().await;
    client.send(Message::text("something")).await.unwrap();
    let close = loop {
        if let Message::Close(frame) = client.next().await.unwrap().unwrap() {
            break frame.unwrap();
        }
    };
    assert_eq!(u16::from(close.code), 1001);
    crate::server::finish(&mut client).await;
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.cause"], "idle");
}

/// A handler that sends until it cannot.
async fn flood(mut session: campanile_ws::Session) {
    let megabyte = Sent::binary(vec![0; 1024 * 1024]);
    while session.send(megabyte.clone()).await.is_ok() {}
}

#[tokio::test]
async fn a_send_to_a_peer_that_never_reads_ends_with_the_heartbeat() {
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle()).heartbeat(BEAT).build();
    let handler = |upgrade: Upgrade| async move { upgrade.on_session(flood) };
    let server = Server::with(probe, sessions, handler).await;
    let _client = server.connect().await;
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.cause"], "heartbeat");
    assert_eq!(server.sessions.open(), 0);
}

#[tokio::test]
async fn a_blocked_send_is_cut_off_at_the_deadline_of_a_drain() {
    let server = Server::start(flood).await;
    let _client = server.connect().await;
    let probe = &server.probe;
    let sent = |probe: &Probe| probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]) == 1;
    probe.until("the session", sent).await;
    let drained = server.sessions.drain(Duration::from_millis(200)).await;
    assert_eq!(drained.remaining, 1);
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.cause"], "drain");
}
