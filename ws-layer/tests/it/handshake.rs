//! Handshakes: how long, how they fail, and what a client can say in them.

use campanile_semconv::{metric, span};
use campanile_ws::{Session, Sessions, Upgrade};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::probe::Probe;
use crate::server::{Client, Server, echo, finish};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn offering(server: &Server, protocols: &str) -> (Client, Option<String>) {
    let mut request = server.url().into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", protocols.parse().unwrap());
    let (client, response) = tokio_tungstenite::connect_async(request).await.unwrap();
    let selected = response.headers().get("sec-websocket-protocol");
    (
        client,
        selected.map(|name| name.to_str().unwrap().to_owned()),
    )
}

async fn connect_links(server: &Server) -> Vec<String> {
    let connected = |probe: &Probe| !probe.moments(span::WEBSOCKET_CONNECT).is_empty();
    server.probe.until("the connect span", connected).await;
    let connect = server.probe.moments(span::WEBSOCKET_CONNECT).remove(0);
    let links = connect.links[1..].iter();
    links.map(|link| link.span_id().to_string()).collect()
}

fn failures(server: &Server, error: &str) -> usize {
    let error = format!("error.type={error}");
    server
        .probe
        .samples(&metric::WEBSOCKET_HANDSHAKE_DURATION, &[&error])
        .len()
}

#[tokio::test]
async fn a_context_among_the_subprotocols_is_linked_and_never_echoed() {
    let server = Server::start(echo).await;
    let offer = format!("wsobs.v1, wsobs.tp.{TRACE}");
    let (_client, selected) = offering(&server, &offer).await;
    assert_eq!(selected.as_deref(), Some("wsobs.v1"));
    assert_eq!(connect_links(&server).await, ["b7ad6b7169203331"]);
}

#[tokio::test]
async fn the_applications_own_subprotocol_goes_first() {
    let server =
        Server::route(
            |upgrade: Upgrade| async move { upgrade.protocols(["chat"]).on_session(echo) },
        )
        .await;
    let (_client, selected) = offering(&server, &format!("wsobs.v1, chat, wsobs.tp.{TRACE}")).await;
    assert_eq!(selected.as_deref(), Some("chat"));
}

#[tokio::test]
async fn a_forged_context_is_ignored_and_the_session_works() {
    let server = Server::start(echo).await;
    let (mut client, _) = offering(&server, "wsobs.v1, wsobs.tp.00-zz-1-01").await;
    client.send(Message::text("x")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("x"));
    assert_eq!(connect_links(&server).await, Vec::<String>::new());
}

async fn hello_server() -> Server {
    Server::route(|upgrade: Upgrade| async move { upgrade.with_hello().on_session(echo) }).await
}

#[tokio::test]
async fn a_hello_names_a_span_and_is_welcomed() {
    let server = hello_server().await;
    let (mut client, _) = offering(&server, "wsobs.v1").await;
    let hello = format!(r#"{{"op":"hello","tp":"{TRACE}"}}"#);
    client.send(Message::text(hello)).await.unwrap();
    let welcome = client.next().await.unwrap().unwrap().into_text().unwrap();
    let welcome: serde_json::Value = serde_json::from_str(&welcome).unwrap();
    assert_eq!(connect_links(&server).await, ["b7ad6b7169203331"]);
    let connect = server.probe.moments(span::WEBSOCKET_CONNECT).remove(0);
    assert_eq!(welcome["op"], "welcome");
    assert_eq!(welcome["sid"], *connect.attributes["session.id"]);
    client.send(Message::text("on")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("on"));
}

#[tokio::test]
async fn who_does_not_speak_the_contract_needs_no_hello() {
    let server = hello_server().await;
    let mut client = server.connect().await;
    client.send(Message::text("plain")).await.unwrap();
    assert_eq!(
        client.next().await.unwrap().unwrap(),
        Message::text("plain")
    );
}

#[tokio::test]
async fn a_bad_hello_is_answered_with_the_right_code_and_begins_nothing() {
    let long = format!(r#"{{"op":"hello","x":"{}"}}"#, "x".repeat(5000));
    let cases = [
        (Message::text("no json"), 1007),
        (Message::text(r#"{"op":"other"}"#), 1008),
        (Message::text(long), 1009),
        (Message::binary(vec![1]), 1003),
    ];
    let server = hello_server().await;
    for (i, (first, code)) in cases.into_iter().enumerate() {
        let (mut client, _) = offering(&server, "wsobs.v1").await;
        client.send(first).await.unwrap();
        let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else {
            panic!()
        };
        assert_eq!(u16::from(frame.code), code);
        finish(&mut client).await;
        let refused = |_: &Probe| failures(&server, "bad_request") == i + 1;
        server.probe.until("the refusal", refused).await;
    }
    assert!(server.probe.moments(span::WEBSOCKET_CONNECT).is_empty());
    assert_eq!(
        server.probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]),
        0
    );
}

#[tokio::test]
async fn an_accepted_handshake_has_no_error_and_a_lost_or_refused_one_has() {
    let server = Server::start(echo).await;
    let _client = server.connect().await;
    connect_links(&server).await;
    let all = server
        .probe
        .samples(&metric::WEBSOCKET_HANDSHAKE_DURATION, &[]);
    assert_eq!((all.len(), failures(&server, "upgrade_failed")), (1, 0));

    let refusing = Server::route(|upgrade: Upgrade| async move {
        upgrade.refuse(axum::http::StatusCode::TOO_MANY_REQUESTS)
    })
    .await;
    tokio_tungstenite::connect_async(refusing.url())
        .await
        .unwrap_err();
    assert_eq!(failures(&refusing, "rejected_limit"), 1);
}

#[tokio::test]
async fn past_the_limit_an_upgrade_is_refused_and_a_place_that_is_left_is_free() {
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .max_connections(2)
        .build();
    let handler = |upgrade: Upgrade| async move { upgrade.endpoint("live").on_session(echo) };
    let server = Server::with(probe, sessions, handler).await;
    let (mut first, _second) = (server.connect().await, server.connect().await);
    let both = |_: &Probe| server.sessions.open() == 2;
    server.probe.until("two sessions", both).await;

    let refused = tokio_tungstenite::connect_async(server.url()).await;
    let Err(tokio_tungstenite::tungstenite::Error::Http(answer)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "5");
    let rejects = || {
        let limit = [
            "websocket.admission.reason=limit",
            "websocket.endpoint=live",
        ];
        let rejects = &metric::WEBSOCKET_ADMISSION_REJECTS;
        server.probe.sum(rejects, &limit)
    };
    assert_eq!((failures(&server, "rejected_limit"), rejects()), (1, 1));

    first.close(None).await.unwrap();
    finish(&mut first).await;
    let one = |_: &Probe| server.sessions.open() == 1;
    server.probe.until("one session", one).await;
    let _third = server.connect().await;
    assert_eq!(rejects(), 1);
}

#[tokio::test]
async fn a_storm_leaves_few_spans_and_exact_counts() {
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .spans_per_second(1)
        .build();
    let handler = |upgrade: Upgrade| async move {
        upgrade.on_session(|session: Session| async move { drop(session) })
    };
    let server = Server::with(probe, sessions, handler).await;
    for _ in 0..20 {
        let mut client = server.connect().await;
        finish(&mut client).await;
    }
    let probe = &server.probe;
    let counted = |probe: &Probe| probe.sum(&metric::WEBSOCKET_DISCONNECTS, &[]) == 20;
    probe.until("twenty ends", counted).await;
    let told = |probe: &Probe| {
        let spans = probe.moments(span::WEBSOCKET_CONNECT).len()
            + probe.moments(span::WEBSOCKET_DISCONNECT).len();
        let spans = i64::try_from(spans).unwrap();
        spans < 20 && spans + probe.sum(&metric::CAMPANILE_SPAN_SUPPRESSIONS, &[]) == 40
    };
    probe.until("every span kept or counted", told).await;
}

#[tokio::test]
async fn sessions_that_are_not_sampled_count_and_leave_no_span() {
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle())
        .sample_sessions(0.5)
        .build();
    let handler = |upgrade: Upgrade| async move {
        upgrade.on_session(|session: Session| async move { drop(session) })
    };
    let server = Server::with(probe, sessions, handler).await;
    for _ in 0..40 {
        let mut client = server.connect().await;
        finish(&mut client).await;
    }
    let counted = |probe: &Probe| {
        let (connects, ends) = (
            probe.moments(span::WEBSOCKET_CONNECT).len(),
            probe.moments(span::WEBSOCKET_DISCONNECT).len(),
        );
        probe.sum(&metric::WEBSOCKET_DISCONNECTS, &[]) == 40 && connects == ends
    };
    server
        .probe
        .until("all or nothing of each session", counted)
        .await;
    let kept = server.probe.moments(span::WEBSOCKET_CONNECT).len();
    assert!((1..40).contains(&kept), "{kept}");
}

async fn connect_parent(server: &Server) -> Option<String> {
    let connected = |probe: &Probe| !probe.moments(span::WEBSOCKET_CONNECT).is_empty();
    server.probe.until("the connect span", connected).await;
    let connect = server.probe.moments(span::WEBSOCKET_CONNECT).remove(0);
    connect.parent.map(|parent| parent.span_id().to_string())
}

#[tokio::test]
async fn on_request_the_clients_span_is_the_parent_of_every_span_of_the_session() {
    let server =
        Server::route(
            |upgrade: Upgrade| async move { upgrade.client_as_parent().on_session(echo) },
        )
        .await;
    let (client, _) = offering(&server, &format!("wsobs.v1, wsobs.tp.{TRACE}")).await;
    let parent = Some("b7ad6b7169203331".to_owned());
    assert_eq!(connect_parent(&server).await, parent);
    assert_eq!(connect_links(&server).await, Vec::<String>::new());
    drop(client);
    let end = server.disconnected().await;
    assert_eq!(
        end.parent.map(|parent| parent.span_id().to_string()),
        parent
    );
}

#[tokio::test]
async fn a_hello_outranks_a_subprotocol_as_parent() {
    let server = Server::route(|upgrade: Upgrade| async move {
        upgrade.with_hello().client_as_parent().on_session(echo)
    })
    .await;
    let (mut client, _) = offering(&server, &format!("wsobs.v1, wsobs.tp.{TRACE}")).await;
    let other = TRACE.replace("b7ad6b7169203331", "00000000000000aa");
    let hello = format!(r#"{{"op":"hello","tp":"{other}"}}"#);
    client.send(Message::text(hello)).await.unwrap();
    let parent = connect_parent(&server).await;
    assert_eq!(parent.as_deref(), Some("00000000000000aa"));
    assert_eq!(connect_links(&server).await, ["b7ad6b7169203331"]);
}

#[tokio::test]
async fn without_an_http_layer_the_header_is_read_here() {
    for (header, linked) in [(TRACE, vec!["b7ad6b7169203331"]), ("00-forged", vec![])] {
        let probe = Probe::new();
        let sessions = Sessions::new(&probe.handle());
        let handler = |upgrade: Upgrade| async move { upgrade.on_session(echo) };
        let server = Server::seeded(None, probe, sessions, handler).await;
        let mut request = server.url().into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("traceparent", header.parse().unwrap());
        let _client = tokio_tungstenite::connect_async(request).await.unwrap();
        assert_eq!(connect_links(&server).await, linked);
        assert_eq!(connect_parent(&server).await, None);
    }
}
