//! Hostile peers: the right close code, a counted cause, a bounded label, nobody else touched.

use std::time::Duration;

use campanile_semconv::metric;
use campanile_ws::{Failure, Sessions, Upgrade, observe};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message;

use crate::probe::Probe;
use crate::server::{Client, Server, echo, finish};
use crate::wire::wire;

/// Sends raw bytes, and returns the code of the close frame that came back.
async fn answer(client: &mut Client, bytes: &[u8]) -> u16 {
    let MaybeTlsStream::Plain(tcp) = client.get_mut() else {
        unreachable!()
    };
    tcp.write_all(bytes).await.unwrap();
    let mut back = Vec::new();
    // A reset after the close frame is the transport's affair.
    let _ = tcp.read_to_end(&mut back).await;
    let close = back
        .iter()
        .position(|byte| *byte == 0x88)
        .unwrap_or_else(|| panic!("{back:x?}"));
    u16::from_be_bytes([back[close + 2], back[close + 3]])
}

async fn small() -> Server {
    Server::route(|upgrade: Upgrade| async move {
        upgrade
            .max_message_size(64)
            .max_frame_size(64)
            .on_session(echo)
    })
    .await
}

#[tokio::test]
async fn each_breach_is_answered_with_its_code_and_counted_under_its_class() {
    let endless: Vec<u8> = (0..20)
        .flat_map(|i| [u8::from(i == 0) * 2, 0x84, 0, 0, 0, 0, 1, 2, 3, 4])
        .collect();
    let oversized = [&[0x82, 0xc1, 0, 0, 0, 0][..], &[0; 65]].concat();
    let cases: [(&str, &[u8], u16, &str); 7] = [
        ("no mask", &[0x81, 0x01, b'x'], 1002, "protocol"),
        (
            "a reserved bit",
            &[0xc1, 0x80, 0, 0, 0, 0],
            1002,
            "protocol",
        ),
        (
            "a reserved opcode",
            &[0x83, 0x80, 0, 0, 0, 0],
            1002,
            "protocol",
        ),
        (
            "a fragmented ping",
            &[0x09, 0x80, 0, 0, 0, 0],
            1002,
            "protocol",
        ),
        (
            "bad utf-8",
            &[0x81, 0x81, 0, 0, 0, 0, 0xff],
            1007,
            "protocol",
        ),
        ("an oversized frame", &oversized, 1009, "too_big"),
        ("fragments without end", &endless, 1009, "too_big"),
    ];
    for (name, bytes, code, class) in cases {
        let server = small().await;
        let mut bystander = server.connect().await;
        let mut client = server.connect().await;
        assert_eq!(answer(&mut client, bytes).await, code, "{name}");
        let end = server.disconnected().await;
        let found = (
            &*end.attributes["websocket.close.class"],
            &*end.attributes["websocket.close.cause"],
        );
        assert_eq!(found, (class, "error"), "{name}");
        bystander.send(Message::text("still here")).await.unwrap();
        assert_eq!(
            bystander.next().await.unwrap().unwrap(),
            Message::text("still here")
        );
    }
}

#[tokio::test]
async fn a_flood_of_pings_is_answered_and_counted_and_grows_nothing() {
    let server = Server::start(echo).await;
    let mut client = server.connect().await;
    let MaybeTlsStream::Plain(tcp) = client.get_mut() else {
        unreachable!()
    };
    let flood: Vec<u8> = std::iter::repeat_n([0x89, 0x80, 0, 0, 0, 0], 10_000)
        .flatten()
        .collect();
    tcp.write_all(&flood).await.unwrap();
    client.close(None).await.unwrap();
    finish(&mut client).await;
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.cause"], "client");
    let pings = [
        "websocket.message.direction=receive",
        "websocket.message.type=ping",
    ];
    assert_eq!(
        server.probe.sum(&metric::WEBSOCKET_MESSAGES, &pings),
        10_000
    );
}

#[tokio::test]
async fn forged_answers_to_our_pings_prove_nothing() {
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .heartbeat(Duration::from_secs(60))
        .build();
    let (socket, peer) = wire(100, 0);
    let mut session = observe(socket, &sessions).with_pings().start();
    session.send(Message::text("x")).await.unwrap();
    for forged in [
        vec![0x57; 9],
        vec![0x57, 0, 0, 0, 1, 0, 0, 0, 0],
        vec![0x57],
        vec![],
    ] {
        peer.say(Message::Pong(forged.into()));
    }
    peer.fail(Failure::Reset);
    while let Some(Ok(_)) = session.recv().await {}
    assert!(
        probe
            .samples(&metric::WEBSOCKET_HEARTBEAT_DURATION, &[])
            .is_empty()
    );
    let lost = ["websocket.delivery.outcome=lost"];
    assert_eq!(probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &lost), 1);
}

#[tokio::test]
async fn no_close_code_adds_a_series() {
    let probe = Probe::new();
    let sessions = Sessions::new(&probe.handle());
    let live = async |code: u16| {
        let (socket, peer) = wire(10, 0);
        let mut session = observe(socket, &sessions).start();
        let reason = format!("reason {code}");
        let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        peer.say(Message::Close(Some(frame)));
        peer.end();
        while let Some(Ok(_)) = session.recv().await {}
    };
    for code in 0..=5_100 {
        live(code).await;
    }
    let before = probe.series();
    for _ in 0..2_000 {
        live(fastrand::u16(..)).await;
    }
    assert_eq!(probe.series(), before);
    assert!(before < 150, "{before}");
}
