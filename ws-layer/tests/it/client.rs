//! The client connector, against our own server, and any stream observed by hand.

use campanile_semconv::{metric, span};
use campanile_ws::{Connector, Role, Sessions, observe};
use futures_util::{SinkExt, StreamExt};
use opentelemetry::context::FutureExt;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use opentelemetry::{Context, SpanId, TraceFlags, TraceId};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::probe::Probe;
use crate::server::{Server, echo};

fn caller() -> SpanContext {
    let trace = TraceId::from(7_u128);
    SpanContext::new(
        trace,
        SpanId::from(9_u64),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    )
}

#[tokio::test]
async fn the_connector_injects_its_context_and_reports_as_client() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/up", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        #[allow(clippy::result_large_err)]
        let look = |request: &Request, response: Response| {
            tell.send(request.headers()["traceparent"].clone()).unwrap();
            Ok(response)
        };
        let mut socket = tokio_tungstenite::accept_hdr_async(tcp, look)
            .await
            .unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let probe = Probe::new();
    let connector = Connector::new(&Sessions::new(&probe.handle())).endpoint("up");
    let context = Context::new().with_remote_span_context(caller());
    let (mut session, _) = connector.connect(&url).with_context(context).await.unwrap();
    let expected = "00-00000000000000000000000000000007-0000000000000009-01";
    assert_eq!(told.recv().await.unwrap(), expected);
    session.send(Message::text("hi")).await.unwrap();
    assert_eq!(session.recv().await.unwrap().unwrap(), Message::text("hi"));
    session.close(1000, "").await.unwrap();
    while let Some(Ok(_)) = session.recv().await {}

    let connect = probe.moments(span::WEBSOCKET_CONNECT).remove(0);
    assert_eq!(connect.links, [caller()]);
    assert_eq!(connect.attributes["websocket.role"], "client");
    let ends = [
        "websocket.role=client",
        "websocket.close.class=normal",
        "websocket.close.cause=client",
    ];
    assert_eq!(probe.sum(&metric::WEBSOCKET_DISCONNECTS, &ends), 1);
    let handshakes = probe.samples(
        &metric::WEBSOCKET_HANDSHAKE_DURATION,
        &["websocket.role=client"],
    );
    assert_eq!(handshakes.len(), 1);
}

#[tokio::test]
async fn a_refused_client_handshake_says_why() {
    let server = Server::route(|upgrade: campanile_ws::Upgrade| async move {
        upgrade.refuse(axum::http::StatusCode::UNAUTHORIZED)
    })
    .await;
    let probe = Probe::new();
    let connector = Connector::new(&Sessions::new(&probe.handle()));
    connector.connect(server.url()).await.unwrap_err();
    for (probe, role) in [(&probe, "client"), (&server.probe, "server")] {
        let series = [
            &*format!("websocket.role={role}"),
            "error.type=rejected_auth",
        ];
        let found = probe.samples(&metric::WEBSOCKET_HANDSHAKE_DURATION, &series);
        assert_eq!((role, found.len()), (role, 1));
    }
    assert!(probe.moments(span::WEBSOCKET_CONNECT).is_empty());
}

#[tokio::test]
async fn an_observed_stream_sends_nothing_of_its_own() {
    let server = Server::start(echo).await;
    let probe = Probe::new();
    let sessions = Sessions::new(&probe.handle());
    let socket = server.connect().await;
    let mut session = observe(socket, &sessions).role(Role::Client).start();
    for _ in 0..3 {
        session.send(Message::text("x")).await.unwrap();
        session.recv().await.unwrap().unwrap();
    }
    drop(session);
    let sent = ["websocket.message.direction=transmit"];
    assert_eq!(probe.sum(&metric::WEBSOCKET_MESSAGES, &sent), 3);
    let on_time = ["websocket.delivery.outcome=on_time"];
    assert_eq!(
        probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &on_time),
        3,
        "decided at flush"
    );
    let cause = [
        "websocket.close.cause=client",
        "websocket.close.class=abnormal",
    ];
    assert_eq!(probe.sum(&metric::WEBSOCKET_DISCONNECTS, &cause), 1);
}

#[tokio::test]
async fn a_stream_of_the_older_tungstenite_is_observed_alike() {
    let server = Server::start(echo).await;
    let probe = Probe::new();
    let sessions = Sessions::new(&probe.handle());
    let (socket, _) = tokio_tungstenite_029::connect_async(server.url())
        .await
        .unwrap();
    let mut session = observe(socket, &sessions)
        .role(Role::Client)
        .with_pings()
        .start();
    let text = tokio_tungstenite_029::tungstenite::Message::text("x");
    session.send(text.clone()).await.unwrap();
    assert_eq!(session.recv().await.unwrap().unwrap(), text);
    session.close(4000, "done").await.unwrap();
    while let Some(Ok(_)) = session.recv().await {}
    let class = ["websocket.close.class=app", "websocket.close.cause=client"];
    assert_eq!(probe.sum(&metric::WEBSOCKET_DISCONNECTS, &class), 1);
}
