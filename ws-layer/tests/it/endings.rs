//! Each way a connection can end, over a real socket: one end, its class, its cause.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Sent};
use campanile_semconv::metric;
use campanile_ws::Upgrade;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame as PeerClose;

use crate::server::{Client, Server, echo, finish};

/// The end as it was reported, after checking that there was exactly one.
async fn end(server: &Server) -> (String, String, String, Option<&'static str>) {
    let seen = server.disconnected().await;
    let probe = &server.probe;
    let settled =
        |probe: &crate::probe::Probe| probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]) == 0;
    probe.until("none active", settled).await;
    let of = |key: &str| seen.attributes[key].clone();
    let class = of("websocket.close.class");
    let cause = of("websocket.close.cause");
    let series = [
        &*format!("websocket.close.class={class}"),
        &*format!("websocket.close.cause={cause}"),
    ];
    assert_eq!(probe.sum(&metric::WEBSOCKET_DISCONNECTS, &series), 1);
    assert_eq!(probe.sum(&metric::WEBSOCKET_DISCONNECTS, &[]), 1);
    (class, cause, of("websocket.close.initiator"), seen.error)
}

fn is(
    found: &(String, String, String, Option<&'static str>),
    class: &str,
    cause: &str,
    initiator: &str,
    error: Option<&str>,
) {
    let found = (&*found.0, &*found.1, &*found.2, found.3);
    assert_eq!(found, (class, cause, initiator, error));
}

#[tokio::test]
async fn the_peer_closes() {
    let server = Server::start(echo).await;
    let mut client = server.connect().await;
    let frame = PeerClose {
        code: 4321.into(),
        reason: "bye".into(),
    };
    client.close(Some(frame)).await.unwrap();
    finish(&mut client).await;
    is(&end(&server).await, "app", "client", "peer", None);
    let code = server.disconnected().await.attributes["websocket.close.code"].clone();
    assert_eq!(code, "4321");
}

#[tokio::test]
async fn the_peer_closes_without_a_code() {
    let server = Server::start(echo).await;
    let mut client = server.connect().await;
    client.close(None).await.unwrap();
    finish(&mut client).await;
    is(&end(&server).await, "no_status", "client", "peer", None);
}

#[tokio::test]
async fn the_application_closes() {
    let server = Server::start(|mut session| async move {
        session.close(3000, "who are you").await.unwrap();
        while let Some(Ok(_)) = session.recv().await {}
    })
    .await;
    let mut client = server.connect().await;
    finish(&mut client).await;
    is(&end(&server).await, "auth", "auth", "local", None);
}

#[tokio::test]
async fn the_application_closes_by_the_sink() {
    let server = Server::start(|mut session| async move {
        SinkExt::close(&mut session).await.unwrap();
        while let Some(Ok(_)) = session.recv().await {}
    })
    .await;
    let mut client = server.connect().await;
    finish(&mut client).await;
    is(&end(&server).await, "no_status", "app", "local", None);
}

#[tokio::test]
async fn the_application_fails_and_says_so() {
    let server = Server::start(|mut session| async move {
        let frame = CloseFrame {
            code: 1011,
            reason: "".into(),
        };
        session.send(Sent::Close(Some(frame))).await.unwrap();
    })
    .await;
    let mut client = server.connect().await;
    finish(&mut client).await;
    is(
        &end(&server).await,
        "internal",
        "error",
        "local",
        Some("internal"),
    );
}

#[tokio::test]
async fn the_application_drops_the_socket() {
    let server = Server::start(|session| async move { drop(session) }).await;
    let mut client = server.connect().await;
    finish(&mut client).await;
    is(
        &end(&server).await,
        "abnormal",
        "app",
        "local",
        Some("dropped"),
    );
}

#[tokio::test]
async fn the_handler_panics() {
    let server = Server::start(|session| async move {
        let _session = session;
        panic!("on purpose");
    })
    .await;
    let mut client = server.connect().await;
    finish(&mut client).await;
    is(
        &end(&server).await,
        "abnormal",
        "error",
        "local",
        Some("panic"),
    );
}

#[tokio::test]
async fn the_peer_vanishes_with_an_end_of_file() {
    let server = Server::start(echo).await;
    let client = server.connect().await;
    drop(client);
    is(
        &end(&server).await,
        "abnormal",
        "network",
        "peer",
        Some("eof"),
    );
}

#[tokio::test]
async fn the_peer_resets_the_connection() {
    let server = Server::start(echo).await;
    let client = server.connect().await;
    let MaybeTlsStream::Plain(tcp) = client.get_ref() else {
        unreachable!()
    };
    tcp.set_zero_linger().unwrap();
    drop(client);
    is(
        &end(&server).await,
        "abnormal",
        "network",
        "peer",
        Some("reset"),
    );
}

/// Sends raw bytes on the client's socket, and reads to the end.
async fn raw(client: &mut Client, bytes: &[u8]) {
    let MaybeTlsStream::Plain(tcp) = client.get_mut() else {
        unreachable!()
    };
    tcp.write_all(bytes).await.unwrap();
    finish(client).await;
}

#[tokio::test]
async fn the_peer_breaks_the_protocol() {
    let server = Server::start(echo).await;
    let mut client = server.connect().await;
    // A text frame without a mask.
    raw(&mut client, &[0x81, 0x01, b'x']).await;
    is(
        &end(&server).await,
        "protocol",
        "error",
        "local",
        Some("protocol"),
    );
}

#[tokio::test]
async fn the_peer_sends_text_that_is_not_utf_8() {
    let server = Server::start(echo).await;
    let mut client = server.connect().await;
    raw(&mut client, &[0x81, 0x81, 0, 0, 0, 0, 0xff]).await;
    is(
        &end(&server).await,
        "protocol",
        "error",
        "local",
        Some("invalid_utf8"),
    );
}

#[tokio::test]
async fn the_peer_sends_too_much() {
    let server =
        Server::route(
            |upgrade: Upgrade| async move { upgrade.max_frame_size(16).on_session(echo) },
        )
        .await;
    let mut client = server.connect().await;
    client.send(Message::binary(vec![0; 17])).await.unwrap();
    finish(&mut client).await;
    is(
        &end(&server).await,
        "too_big",
        "error",
        "local",
        Some("too_big"),
    );
}

#[tokio::test]
async fn a_bad_close_code_is_a_protocol_error() {
    let server = Server::start(echo).await;
    let mut client = server.connect().await;
    // Close with code 1005, which may not stand on the wire.
    raw(&mut client, &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed]).await;
    is(
        &end(&server).await,
        "protocol",
        "error",
        "peer",
        Some("protocol"),
    );
}

#[tokio::test]
async fn a_task_that_is_aborted_ends_its_session() {
    let (give, mut take) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |session| {
        let give = give.clone();
        async move {
            let task = tokio::spawn(echo(session));
            give.send(task.abort_handle()).unwrap();
        }
    })
    .await;
    let mut client = server.connect().await;
    client.send(Message::text("alive")).await.unwrap();
    client.next().await.unwrap().unwrap();
    take.recv().await.unwrap().abort();
    is(
        &end(&server).await,
        "abnormal",
        "app",
        "local",
        Some("dropped"),
    );
    let gone = tokio::time::timeout(Duration::from_secs(10), finish(&mut client));
    gone.await.unwrap();
}
