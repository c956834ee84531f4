//! Whatever a request runs in, its lines and records carry its ids: handlers, inner layers, body
//! streams, spawned and blocking tasks, sessions and what they spawn.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::extract::ws::Message;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use campanile::http::{AccessLog, RouteLayer, ServerLayer};
use campanile::logs::Sink;
use campanile::ws::{Session, Sessions, Upgrade};
use campanile::{JoinSet, Telemetry};
use campanile_otlp_receiver::Receiver;
use futures_util::{StreamExt, stream};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tracing::Instrument;
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
        .environment(only_the_bridge)
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

    let lines = parsed(&captured.text());
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

    assert_each_line_is_a_record(&receiver, &lines);
}

fn parsed(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The same ids, domain and place in both, for what has ids.
fn assert_each_line_is_a_record(receiver: &Receiver, lines: &[Value]) {
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
    assert_eq!(of_records, of_lines);
}

/// What a call would do with sound, a frame at a time: a task that lives as long as the session,
/// with helpers of its own.
async fn voice(mut frames: mpsc::Receiver<Message>) {
    told("voice");
    while frames.recv().await.is_some() {
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let encode = move || tracing::dispatcher::with_default(&dispatch, || told("voice_encode"));
        campanile::spawn_blocking(encode).await.unwrap();
        let mut mixers = JoinSet::new();
        for _ in 0..2 {
            mixers.spawn(async {
                tokio::task::yield_now().await;
                told("voice_mix");
            });
        }
        while let Some(ended) = mixers.join_next().await {
            ended.unwrap();
        }
    }
    told("voice_end");
}

async fn talk(mut session: Session) {
    told("session");
    let (frames, heard) = mpsc::channel(1);
    let call = campanile::spawn(voice(heard).instrument(tracing::info_span!("voice")));
    let mut tasks = JoinSet::new();
    while let Some(Ok(message)) = session.recv().await {
        if matches!(message, Message::Text(_)) {
            told("session_message");
            campanile::spawn(async { told("session_spawned") })
                .await
                .unwrap();
            tasks.spawn(async {
                tokio::task::yield_now().await;
                told("session_join_set");
            });
            frames.send(message.clone()).await.unwrap();
            session.send(message).await.unwrap();
        }
    }
    drop(frames);
    call.await.unwrap();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    told("session_end");
}

/// Opens a socket; frames are written by hand, masked with zeros.
async fn socket(url: &str, request_id: &str) -> reqwest::Upgraded {
    let request = reqwest::Client::new()
        .get(url)
        .header("x-request-id", request_id)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 101);
    answer.upgrade().await.unwrap()
}

/// Says one letter, and waits until it comes back.
async fn say(socket: &mut reqwest::Upgraded) {
    socket
        .write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x'])
        .await
        .unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(&[0x81, 1, b'x']) {
        heard.push(socket.read_u8().await.unwrap());
    }
}

/// Two sessions take turns on one thread, so that ids that are left lying about show.
#[tokio::test]
async fn lines_and_records_of_a_session_and_of_its_tasks_carry_the_ids_of_its_upgrade() {
    let receiver = Receiver::start().await.unwrap();
    let (sink, captured) = Sink::captured();
    let telemetry = Telemetry::from_env("test")
        .environment(only_the_bridge)
        .default_endpoint(receiver.grpc_endpoint())
        .lines(sink)
        .build();
    let _default = tracing::dispatcher::set_default(&telemetry.subscriber());
    let sessions = Sessions::new(&telemetry);
    let upgrade = async |upgrade: Upgrade| upgrade.on_session(talk);
    let app = Router::new()
        .route("/live", get(upgrade))
        .with_state(sessions.clone())
        .route_layer(RouteLayer::new().domain("voice"))
        .layer(ServerLayer::new(&telemetry).request_id());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/live", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let (mut one, mut other) = (socket(&url, "req-1").await, socket(&url, "req-2").await);
    for _ in 0..3 {
        say(&mut one).await;
        say(&mut other).await;
    }
    for mut socket in [one, other] {
        // 1000, normal closure
        let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
        socket.write_all(&close).await.unwrap();
        socket.read_to_end(&mut Vec::new()).await.unwrap();
    }
    assert_eq!(sessions.drain(DEADLINE).await.remaining, 0);
    assert!(telemetry.shutdown(DEADLINE).await.is_complete());

    let lines = parsed(&captured.text());
    let spans = receiver.spans();
    for request_id in ["req-1", "req-2"] {
        let upgrade = spans.iter().find(|span| {
            let id = span.attributes.get_str("campanile.request.id");
            span.name == "GET /live" && id == Some(request_id)
        });
        let upgrade = upgrade.unwrap();
        let call = spans
            .iter()
            .find(|span| span.name == "voice" && span.parent_span_id == Some(upgrade.span_id));
        let call = call.unwrap();
        assert_eq!(call.trace_id, upgrade.trace_id);

        let mut places = BTreeMap::new();
        let of_request = lines.iter().filter(|line| line["request_id"] == request_id);
        for line in of_request.filter(|line| line["place"].is_string()) {
            let place = line["place"].as_str().unwrap();
            *places.entry(place).or_insert(0) += 1;
            let span = if place.starts_with("voice") {
                call
            } else {
                upgrade
            };
            assert_eq!(line["trace_id"], span.trace_id.to_string(), "{line}");
            assert_eq!(line["span_id"], span.span_id.to_string(), "{line}");
            assert_eq!(line["trace_sampled"], true, "{line}");
            assert_eq!(line["domain"], "voice", "{line}");
        }
        let expected = [
            ("session", 1),
            ("session_end", 1),
            ("session_join_set", 3),
            ("session_message", 3),
            ("session_spawned", 3),
            ("voice", 1),
            ("voice_encode", 3),
            ("voice_end", 1),
            ("voice_mix", 6),
        ];
        assert_eq!(places, BTreeMap::from(expected), "{request_id}");
    }
    assert_each_line_is_a_record(&receiver, &lines);
}

/// Of the environment, only what decides over which bridge a suite runs.
fn only_the_bridge(name: &str) -> Option<String> {
    match name {
        "CAMPANILE_TRACING_BRIDGE" => std::env::var(name).ok(),
        _ => None,
    }
}

#[tokio::test]
async fn what_travels_with_an_upgrade_goes_on_from_its_session() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = Telemetry::for_test(&receiver);
    let answer = async |mut session: Session| {
        for context in [session.context(), opentelemetry::Context::current()] {
            let headers = campanile::propagation::inject_headers(&context);
            let headers: Vec<_> = headers
                .skip(1)
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            let text = headers.join(", ");
            session.send(Message::text(text)).await.unwrap();
        }
    };
    let app = Router::new()
        .route(
            "/live",
            get(async move |upgrade: Upgrade| upgrade.on_session(answer)),
        )
        .with_state(Sessions::new(&telemetry))
        .layer(ServerLayer::new(&telemetry));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/live", listener.local_addr().unwrap());
    let serving = async move { axum::serve(listener, app).await };
    tokio::spawn(serving);

    let mut request = url.into_client_request().unwrap();
    for (name, value) in [
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        ("tracestate", "vendor=1"),
        ("baggage", "plan=gold"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    for place in ["the session", "the task"] {
        let told = loop {
            let frame = socket.next().await.unwrap().unwrap();
            if frame.is_text() {
                break frame.into_text().unwrap();
            }
        };
        assert_eq!(told, "tracestate: vendor=1, baggage: plan=gold", "{place}");
    }
}
