//! Whatever a request runs in, its lines and records carry its ids: handlers, inner layers, body
//! streams, spawned and blocking tasks, sockets.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use campanile::http::{AccessLog, RouteLayer, ServerLayer};
use campanile::logs::Sink;
use campanile::{JoinSet, Telemetry};
use campanile_otlp_receiver::Receiver;
use futures_util::stream;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tracing::instrument::WithSubscriber;

const DEADLINE: Duration = Duration::from_secs(30);

fn told(place: &str) {
    tracing::info!(place, "here");
}

async fn inner_layer(request: Request, next: Next) -> Response {
    told("layer");
    next.run(request).await
}

/// A task on a runtime keeps no thread's default subscriber: it is carried by hand, as `install`
/// would have made it global.
async fn handler() -> Response {
    told("handler");
    let work = async { told("spawned") };
    campanile::spawn(work.with_current_subscriber())
        .await
        .unwrap();
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let blocking = dispatch.clone();
    let work = move || tracing::dispatcher::with_default(&blocking, || told("blocking"));
    campanile::spawn_blocking(work).await.unwrap();

    let mut tasks = JoinSet::new();
    let span = tracing::info_span!("inner");
    span.in_scope(|| {
        let work = async {
            tokio::task::yield_now().await;
            told("join_set");
        };
        tasks.spawn(work.with_current_subscriber());
        let blocking = dispatch.clone();
        tasks.spawn_blocking(move || {
            tracing::dispatcher::with_default(&blocking, || told("join_set_blocking"));
        });
    });
    drop(span);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let frames = stream::unfold(0, |sent| async move {
        told("body");
        (sent < 2).then(|| (Ok::<_, std::io::Error>(Bytes::from("x")), sent + 1))
    });
    Response::new(Body::from_stream(frames))
}

#[tokio::test]
async fn lines_and_records_of_everything_inside_a_request_carry_its_ids() {
    let receiver = Receiver::start().await.unwrap();
    let (sink, captured) = Sink::captured();
    let telemetry = Telemetry::from_env("test")
        .environment(|_| None)
        .default_endpoint(receiver.grpc_endpoint())
        .lines(sink)
        .build();
    let app = Router::new()
        .route("/rooms/{id}", get(handler))
        .layer(middleware::from_fn(inner_layer))
        .route_layer(RouteLayer::new().domain("chat"))
        .layer(
            ServerLayer::new(&telemetry)
                .request_id()
                .access_log(AccessLog::All),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dispatch = telemetry.subscriber();
    let server = async move {
        let (socket, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(app);
        let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        let _ = builder
            .serve_connection(TokioIo::new(socket), service)
            .await;
    };
    let server = tokio::spawn(server.with_subscriber(dispatch));
    {
        let client = reqwest::Client::new();
        let request = client
            .get(format!("http://{address}/rooms/7"))
            .header("x-request-id", "req-1");
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "xx");
    }
    tokio::time::timeout(DEADLINE, server)
        .await
        .unwrap()
        .unwrap();
    assert!(telemetry.shutdown(DEADLINE).await.is_complete());

    let spans = receiver.spans();
    let root = spans
        .iter()
        .find(|span| span.name == "GET /rooms/{id}")
        .unwrap();
    let inner = spans.iter().find(|span| span.name == "inner").unwrap();
    assert_eq!(inner.parent_span_id, Some(root.span_id));

    let lines: Vec<Value> = captured
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut places = BTreeMap::new();
    for line in lines.iter().filter(|line| line["place"].is_string()) {
        let place = line["place"].as_str().unwrap();
        *places.entry(place.to_owned()).or_insert(0) += 1;
        let span = if place.starts_with("join_set") {
            inner
        } else {
            root
        };
        assert_eq!(line["trace_id"], root.trace_id.to_string(), "{line}");
        assert_eq!(line["span_id"], span.span_id.to_string(), "{line}");
        assert_eq!(line["trace_sampled"], true, "{line}");
        assert_eq!(line["domain"], "chat", "{line}");
        assert_eq!(line["request_id"], "req-1", "{line}");
    }
    let expected = [
        ("blocking", 1),
        ("body", 3),
        ("handler", 1),
        ("join_set", 1),
        ("join_set_blocking", 1),
        ("layer", 1),
        ("spawned", 1),
    ];
    let expected = expected.map(|(place, times)| (place.to_owned(), times));
    assert_eq!(places, BTreeMap::from(expected));

    let access: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "campanile.access")
        .collect();
    let [access] = access[..] else {
        panic!("{access:?}")
    };
    assert_eq!(access["span_id"], root.span_id.to_string());
    assert_eq!(
        (&access["outcome"], &access["http.route"], &access["domain"]),
        (&"completed".into(), &"/rooms/{id}".into(), &"chat".into())
    );

    let records = receiver.logs();
    let mut of_records: Vec<_> = records
        .iter()
        .map(|record| {
            let text = |key: &str| record.attributes.get(key).map(ToString::to_string);
            (
                record.trace_id.map(|id| id.to_string()),
                record.span_id.map(|id| id.to_string()),
                text("campanile.domain"),
                text("campanile.request.id"),
                text("place"),
            )
        })
        .collect();
    let text = |line: &Value, key: &str| line[key].as_str().map(str::to_owned);
    let mut of_lines: Vec<_> = lines
        .iter()
        .filter(|line| line["trace_id"].is_string())
        .map(|line| {
            (
                text(line, "trace_id"),
                text(line, "span_id"),
                text(line, "domain"),
                text(line, "request_id"),
                text(line, "place"),
            )
        })
        .collect();
    of_records.sort();
    of_lines.sort();
    assert_eq!(of_records, of_lines, "each line is a record");
}
