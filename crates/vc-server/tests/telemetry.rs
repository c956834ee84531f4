//! What the server's own code tells: one trace for each message, failures included.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use campanile::semconv::{attribute, metric, span};
use campanile_otlp_receiver::contract::{Contract, Registry};
use campanile_otlp_receiver::{Attributes, Span, SpanKind};
use futures_util::StreamExt;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use support::Server;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const MESSAGES: &str = "/rooms/general/messages";
const CALLER: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLING_SPAN: &str = "00f067aa0ba902b7";

/// A message, sent by somebody who already has a trace.
fn traced_message(server: &Server) -> axum::http::request::Builder {
    server
        .request(MESSAGES)
        .method("POST")
        .header(header::CONTENT_TYPE, "application/json")
        .header("traceparent", format!("00-{CALLER}-{CALLING_SPAN}-01"))
}

fn hello(request: axum::http::request::Builder) -> Request<Body> {
    let body = json!({"author": "Ines", "text": "hello"}).to_string();
    request.body(Body::from(body)).unwrap()
}

/// Every name that the server emits is declared, and every convention is kept.
fn contract() -> Contract {
    let registry = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/signals/registry");
    Contract::new(Registry::from_dir(registry).unwrap())
}

/// What was received once these many requests have ended: a client may have read the answer a
/// moment before the server is done with it.
async fn spans(server: &Server, requests: usize) -> Vec<Arc<Span>> {
    loop {
        let report = server.telemetry.flush(Duration::from_secs(10)).await;
        assert!(report.is_complete(), "{report}");
        let spans = server.receiver.spans();
        let ended = spans.iter().filter(|span| span.name.starts_with("POST "));
        if ended.count() >= requests {
            contract().assert_kept(&server.receiver.seen());
            return spans;
        }
        tokio::task::yield_now().await;
    }
}

fn named<'a>(spans: &'a [Arc<Span>], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next();
    assert!(found.next().is_none(), "more than one {name}");
    span.unwrap_or_else(|| panic!("no {name} among {spans:#?}"))
}

#[tokio::test]
async fn a_message_is_one_trace_from_its_caller_to_the_database() {
    let server = Server::start().await;
    let _default = tracing::dispatcher::set_default(&server.telemetry.subscriber());
    assert_eq!(
        server.send(hello(traced_message(&server))).await.status,
        201
    );

    let spans = spans(&server, 1).await;
    let root = named(&spans, "POST /rooms/{id}/messages");
    let store = named(&spans, span::CHAT_STORE_MESSAGE);
    let insert = named(&spans, "INSERT messages");
    let fan_out = named(&spans, span::CHAT_FAN_OUT);
    assert_eq!(root.trace_id.to_string(), CALLER);
    assert_eq!(root.parent_span_id.unwrap().to_string(), CALLING_SPAN);
    for (child, parent) in [(store, root), (insert, store), (fan_out, root)] {
        assert_eq!(child.trace_id, root.trace_id);
        assert_eq!(child.parent_span_id, Some(parent.span_id), "{}", child.name);
    }
    assert_eq!(insert.kind, SpanKind::Client);
    for (key, value) in [
        (attribute::DB_SYSTEM_NAME, "sqlite"),
        (attribute::DB_QUERY_SUMMARY, "INSERT messages"),
        (attribute::DB_COLLECTION_NAME, "messages"),
        (attribute::DB_OPERATION_NAME, "INSERT"),
    ] {
        assert_eq!(insert.attributes.get_str(key), Some(value));
    }
    assert_eq!(
        root.attributes.get_str(attribute::CAMPANILE_DOMAIN),
        Some("chat")
    );

    let logs = server.receiver.logs();
    let line = logs
        .iter()
        .find(|line| line.event_name == "chat.message.stored");
    let line = line.unwrap();
    assert_eq!(
        (line.trace_id, line.span_id),
        (Some(root.trace_id), Some(fan_out.span_id))
    );
}

/// The attributes of the durations of queries with this summary.
fn durations(server: &Server, summary: &str) -> Vec<Arc<Attributes>> {
    let metrics = server.receiver.metrics();
    let durations = metrics
        .iter()
        .find(|metric| metric.name() == metric::DB_CLIENT_OPERATION_DURATION.name)
        .unwrap();
    let all = durations.series.iter().map(|series| &series.attributes);
    all.filter(|all| all.get_str(attribute::DB_QUERY_SUMMARY) == Some(summary))
        .cloned()
        .collect()
}

#[tokio::test]
async fn each_query_has_a_duration() {
    let server = Server::start().await;
    assert_eq!(
        server.send(hello(traced_message(&server))).await.status,
        201
    );
    spans(&server, 1).await;
    // the server looks at its rooms when it starts
    for (summary, operation, collection) in [
        ("SELECT rooms", "SELECT", "rooms"),
        ("INSERT messages", "INSERT", "messages"),
    ] {
        let all = durations(&server, summary);
        assert_eq!(all.len(), 1, "{summary}");
        for (key, value) in [
            (attribute::DB_SYSTEM_NAME, "sqlite"),
            (attribute::DB_OPERATION_NAME, operation),
            (attribute::DB_COLLECTION_NAME, collection),
        ] {
            assert_eq!(all[0].get_str(key), Some(value));
        }
        assert_eq!(all[0].get_str(attribute::ERROR_TYPE), None);
    }
}

#[tokio::test]
async fn what_is_said_is_in_no_span_and_no_line() {
    let server = Server::start().await;
    let _default = tracing::dispatcher::set_default(&server.telemetry.subscriber());
    let draft = json!({"author": "Ingeborg", "text": "a well kept secret"});
    server.post(MESSAGES, draft).await;
    let spans = spans(&server, 1).await;
    named(&spans, "INSERT messages");
    let everything = format!("{spans:?}{:?}", server.receiver.logs());
    assert!(!everything.contains("well kept") && !everything.contains("Ingeborg"));
}

#[tokio::test]
async fn a_stranger_behind_a_proxy_is_linked_and_not_continued() {
    let server = Server::start().await;
    let request = traced_message(&server).header("x-forwarded-for", "203.0.113.7");
    assert_eq!(server.send(hello(request)).await.status, 201);
    let spans = spans(&server, 1).await;
    let root = named(&spans, "POST /rooms/{id}/messages");
    assert_ne!(root.trace_id.to_string(), CALLER);
    assert_eq!(root.links[0].trace_id.to_string(), CALLER);
}

#[tokio::test]
async fn a_delivery_to_a_socket_is_no_span() {
    let server = Server::start().await;
    let _default = tracing::dispatcher::set_default(&server.telemetry.subscriber());
    let url = format!("ws://{}/live?author=Ines", server.address);
    let (mut socket, _) = connect_async(url).await.unwrap();
    for number in 0..5 {
        let draft = json!({"author": "Jun", "text": format!("{number}")});
        server.post(MESSAGES, draft).await;
        loop {
            let message = socket.next().await.unwrap().unwrap();
            if matches!(&message, Message::Text(text) if text.contains("\"message\"")) {
                break;
            }
        }
    }
    let spans = spans(&server, 5).await;
    let of_messages = ["POST /rooms/{id}/messages", "INSERT messages"];
    let of_messages = [span::CHAT_STORE_MESSAGE, span::CHAT_FAN_OUT]
        .into_iter()
        .chain(of_messages);
    for name in of_messages {
        let count = spans.iter().filter(|span| span.name == name).count();
        assert_eq!(count, 5, "{name}");
    }
    // What is left belongs to the connection: its upgrade, and that it began.
    let rest = spans
        .iter()
        .filter(|span| span.name == "GET /live" || span.name.starts_with("websocket."));
    assert_eq!(spans.len(), 20 + rest.count(), "{spans:#?}");
}

#[tokio::test]
async fn a_locked_database_is_an_answer_a_failed_span_and_a_line() {
    let server = Server::start().await;
    let _default = tracing::dispatcher::set_default(&server.telemetry.subscriber());
    let mut backup = SqliteConnectOptions::new()
        .filename(&server.database)
        .connect()
        .await
        .unwrap();
    let lock = backup.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let answer = server
        .post(MESSAGES, json!({"author": "Ines", "text": "hello"}))
        .await;
    lock.rollback().await.unwrap();
    assert_eq!(answer.problem().0, 503);
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");

    let spans = spans(&server, 1).await;
    let insert = named(&spans, "INSERT messages");
    assert!(insert.is_error());
    assert_eq!(
        insert.attributes.get_str(attribute::ERROR_TYPE),
        Some("busy")
    );
    let logs = server.receiver.logs();
    let line = logs
        .iter()
        .find(|line| line.event_name == "chat.store.failed")
        .unwrap();
    assert_eq!(line.span_id, Some(insert.span_id));
    let busy = &durations(&server, "INSERT messages")[0];
    assert_eq!(busy.get_str(attribute::ERROR_TYPE), Some("busy"));
}
