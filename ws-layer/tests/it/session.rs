use std::time::Duration;

use axum::extract::ws::Message as Sent;
use campanile_semconv::{metric, span};
use campanile_ws::Upgrade;
use futures_util::{SinkExt, StreamExt};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::server::{Server, echo, finish, upgrade_span};

#[tokio::test]
async fn connect_and_disconnect_are_linked_to_each_other_and_to_the_upgrade() {
    let server = Server::start(echo).await;
    let mut client = server.connect().await;
    client.send(Message::text("hello")).await.unwrap();
    assert_eq!(
        client.next().await.unwrap().unwrap(),
        Message::text("hello")
    );
    client.close(None).await.unwrap();
    finish(&mut client).await;

    let disconnect = server.disconnected().await;
    let connect = server.probe.moments(span::WEBSOCKET_CONNECT).remove(0);
    assert_eq!(connect.links, [upgrade_span()]);
    assert_eq!(disconnect.links, [connect.context, upgrade_span()]);
    assert_eq!(
        connect.attributes["session.id"],
        disconnect.attributes["session.id"]
    );
    assert_eq!(connect.attributes["websocket.endpoint"], "live");
    assert_eq!(connect.attributes["network.protocol.version"], "1.1");
    assert!(connect.start <= connect.end && disconnect.start <= disconnect.end);
}

#[tokio::test]
async fn a_connection_counts_once_at_its_beginning_and_once_at_its_end() {
    let server = Server::start(echo).await;
    let mut client = server.connect().await;
    let probe = &server.probe;
    let active = |n| {
        move |probe: &crate::probe::Probe| probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]) == n
    };
    probe.until("one active", active(1)).await;
    for text in ["a", "bb", "ccc"] {
        client.send(Message::text(text)).await.unwrap();
        client.next().await.unwrap().unwrap();
    }
    client.close(None).await.unwrap();
    finish(&mut client).await;
    server.disconnected().await;

    probe.until("none active", active(0)).await;
    assert_eq!(probe.sum(&metric::WEBSOCKET_DISCONNECTS, &[]), 1);
    assert_eq!(
        probe
            .samples(&metric::WEBSOCKET_CONNECTION_DURATION, &[])
            .len(),
        1
    );
    for direction in ["receive", "transmit"] {
        let direction = format!("websocket.message.direction={direction}");
        let count = probe.sum(
            &metric::WEBSOCKET_MESSAGES,
            &[&direction, "websocket.message.type=text"],
        );
        assert_eq!((count, &*direction), (3, &*direction));
        let bytes = probe.sum(&metric::WEBSOCKET_IO, &[&direction]);
        assert!(bytes >= 6, "{bytes}");
    }
}

#[tokio::test]
async fn the_context_of_the_upgrade_is_current_while_the_handler_runs() {
    let server = Server::start(|mut session| async move {
        while let Some(Ok(Sent::Text(_))) = session.recv().await {
            let here = Context::current().span().span_context().trace_id();
            let kept = session.context().span().span_context().trace_id();
            let text = format!("{here} {kept}");
            session.send(Sent::text(text)).await.unwrap();
        }
    })
    .await;
    let mut client = server.connect().await;
    client.send(Message::text("?")).await.unwrap();
    let answer = client.next().await.unwrap().unwrap();
    let trace = upgrade_span().trace_id();
    assert_eq!(answer, Message::text(format!("{trace} {trace}")));
}

#[tokio::test]
async fn the_halves_of_a_split_session_report_as_one() {
    let server = Server::start(|session| async move {
        let (mut sink, mut stream) = session.split();
        while let Some(Ok(message)) = stream.next().await {
            if matches!(message, Sent::Text(_)) {
                sink.send(message).await.unwrap();
            }
        }
    })
    .await;
    let mut client = server.connect().await;
    client.send(Message::text("x")).await.unwrap();
    client.next().await.unwrap().unwrap();
    client.close(None).await.unwrap();
    finish(&mut client).await;
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.cause"], "client");
    let text = [
        "websocket.message.direction=receive",
        "websocket.message.type=text",
    ];
    assert_eq!(server.probe.sum(&metric::WEBSOCKET_MESSAGES, &text), 1);
}

#[tokio::test]
async fn the_halves_of_a_split_session_may_live_in_two_tasks_and_still_drain() {
    let server = Server::start(|session| async move {
        let (mut sink, mut stream) = session.split();
        let writing = tokio::spawn(async move {
            let megabyte = Sent::binary(vec![0; 1024 * 1024]);
            while sink.send(megabyte.clone()).await.is_ok() {}
        });
        while let Some(Ok(_)) = stream.next().await {}
        let _ = writing.await;
    })
    .await;
    // It never reads: the writing half is stuck.
    let client = server.connect().await;
    let connected = |probe: &crate::probe::Probe| probe.moments(span::WEBSOCKET_CONNECT).len() == 1;
    server.probe.until("the session", connected).await;
    server.sessions.drain(Duration::from_millis(100)).await;
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.cause"], "drain");
    drop(client);
}

#[tokio::test]
async fn a_subprotocol_and_limits_are_negotiated_as_axum_does_it() {
    let server = Server::route(|upgrade: Upgrade| async move {
        let upgrade = upgrade
            .protocols(["chat.v2", "chat.v1"])
            .max_message_size(8);
        assert_eq!(upgrade.selected_protocol().unwrap(), "chat.v1");
        upgrade.on_session(echo)
    })
    .await;
    let mut request = server.url().into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "other, chat.v1".parse().unwrap());
    let (mut client, response) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v1");
    client.send(Message::text("nine bytes")).await.unwrap();
    finish(&mut client).await;
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.class"], "too_big");
    assert_eq!(end.error, Some("too_big"));
    assert_eq!(end.attributes["websocket.endpoint"], "default");
}

#[tokio::test]
async fn a_lost_upgrade_reaches_the_hook_and_begins_nothing() {
    let (told, mut hook) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::route(move |upgrade: Upgrade| {
        let told = told.clone();
        async move {
            let asked = told.clone();
            let upgrade = upgrade.on_failed_upgrade(move |_| told.send("lost").unwrap());
            let _response = upgrade.on_session(echo);
            asked.send("asked").unwrap();
            std::future::pending().await
        }
    })
    .await;
    let client = tokio::spawn(tokio_tungstenite::connect_async(server.url()));
    assert_eq!(hook.recv().await, Some("asked"));
    client.abort();
    assert_eq!(hook.recv().await, Some("lost"));
    assert!(server.probe.moments(span::WEBSOCKET_CONNECT).is_empty());
    assert_eq!(
        server.probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]),
        0
    );
}

#[tokio::test]
async fn an_ordinary_request_is_refused_as_axum_does_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start(echo).await;
    let mut socket = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let request = b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn drain_closes_every_session_and_refuses_new_ones() {
    let server = Server::start(echo).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(server.connect().await);
    }
    let probe = &server.probe;
    let active =
        |probe: &crate::probe::Probe| probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]) == 3;
    probe.until("three active", active).await;
    let reading = clients.into_iter().map(|mut client| async move {
        let closed = client.next().await.unwrap().unwrap();
        finish(&mut client).await;
        closed
    });
    let (drained, closed) = tokio::join!(
        server.sessions.drain(Duration::from_secs(10)),
        futures_util::future::join_all(reading)
    );
    assert_eq!((drained.closed, drained.remaining), (3, 0));
    for message in closed {
        let Message::Close(Some(frame)) = message else {
            panic!("{message:?}")
        };
        assert_eq!(u16::from(frame.code), 1012);
    }
    let causes = [
        "websocket.close.class=restart",
        "websocket.close.cause=drain",
    ];
    assert_eq!(probe.sum(&metric::WEBSOCKET_DISCONNECTS, &causes), 3);
    let refused = tokio_tungstenite::connect_async(server.url())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("503"), "{refused}");
}

#[tokio::test]
async fn drain_cuts_off_who_does_not_answer() {
    let server = Server::start(echo).await;
    let client = server.connect().await;
    server
        .probe
        .until("one span", |probe| {
            probe.moments(span::WEBSOCKET_CONNECT).len() == 1
        })
        .await;
    let drained = server.sessions.drain(Duration::from_millis(50)).await;
    assert_eq!((drained.closed, drained.remaining), (0, 1));
    let end = server.disconnected().await;
    assert_eq!(end.attributes["websocket.close.cause"], "drain");
    drop(client);
}

#[tokio::test]
async fn past_eight_names_an_endpoint_is_other() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let next = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let server = Server::route(move |upgrade: Upgrade| {
        let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move { upgrade.endpoint(names[i]).on_session(echo) }
    })
    .await;
    for _ in names {
        let mut client = server.connect().await;
        client.close(None).await.unwrap();
        finish(&mut client).await;
    }
    let other = ["websocket.endpoint=_other"];
    server
        .probe
        .until("two of no name", |probe| {
            probe.sum(&metric::WEBSOCKET_DISCONNECTS, &other) == 2
        })
        .await;
}

mod http2 {
    use super::*;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    #[tokio::test]
    async fn a_session_over_extended_connect_is_observed_alike() {
        let server = Server::start(echo).await;
        let tcp = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = http::Request::builder()
            .method("CONNECT")
            .uri(format!("http://{}/live", server.address))
            .version(http::Version::HTTP_2)
            .header("sec-websocket-version", "13")
            .extension(hyper::ext::Protocol::from_static("websocket"))
            .body(String::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
        let io = TokioIo::new(upgraded);
        let mut client = tokio_tungstenite::WebSocketStream::from_raw_socket(io, role, None).await;
        client.send(Message::text("two")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("two"));
        client.close(None).await.unwrap();
        while let Some(Ok(_)) = client.next().await {}
        let end = server.disconnected().await;
        assert_eq!(end.attributes["websocket.close.cause"], "client");
        let connect = server.probe.moments(span::WEBSOCKET_CONNECT).remove(0);
        assert_eq!(connect.attributes["network.protocol.version"], "2");
    }
}
