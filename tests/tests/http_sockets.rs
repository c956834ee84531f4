//! Endings and edges of HTTP exchanges on real sockets, asserted through real OTLP.
//!
//! Each row sends raw bytes to a real server and says what span and metric must come out.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode, Version};
use axum::response::Response;
use axum::routing::{any, get, post};
use campanile::Telemetry;
use campanile::http::{RouteLayer, ServerLayer};
use campanile_otlp_receiver::{Receiver, Seen, Span};
use campanile_tests::contract;
use campanile_tests::server::HANG;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A service with an answer of every kind, served over real sockets.
struct Served {
    address: String,
    receiver: Receiver,
    telemetry: Telemetry,
    begun: Arc<Notify>,
}

/// A body that gives one frame and then waits for ever.
fn endless() -> Body {
    let frames =
        futures_util::stream::once(async { Ok::<_, std::io::Error>(Bytes::from("first")) });
    Body::from_stream(futures_util::StreamExt::chain(
        frames,
        futures_util::stream::pending(),
    ))
}

fn broken() -> Body {
    let frames = [
        Ok(Bytes::from("first")),
        Err(std::io::Error::other("broken")),
    ];
    Body::from_stream(futures_util::stream::iter(frames))
}

fn with_trailers() -> Body {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    let frames = [
        Ok::<_, std::io::Error>(hyper::body::Frame::data(Bytes::from("data"))),
        Ok(hyper::body::Frame::trailers(trailers)),
    ];
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

/// `begun` hears when the handler that never answers has the request.
fn app(begun: &Arc<Notify>) -> Router {
    let begun = Arc::clone(begun);
    let nested = Router::new()
        .route("/items/{id}", get(|| async { "item" }))
        .route_layer(RouteLayer::new().domain("shop"));
    Router::new()
        .route("/ok", get(|| async { "ok" }).head(|| async { "ok" }))
        .route(
            "/made",
            post(|body: Bytes| async move { (StatusCode::CREATED, body) }),
        )
        .route("/empty", get(|| async { StatusCode::NO_CONTENT }))
        .route("/same", get(|| async { StatusCode::NOT_MODIFIED }))
        .route(
            "/broken",
            get(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
        )
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
        .route(
            "/never",
            get(|| async move {
                begun.notify_one();
                std::future::pending::<()>().await;
            }),
        )
        .route("/endless", get(|| async { endless() }))
        .route("/body-error", get(|| async { broken() }))
        .route("/trailers", get(|| async { with_trailers() }))
        .route(
            "/upgrade",
            any(|| async {
                Response::builder()
                    .status(101)
                    .header("connection", "upgrade")
                    .header("upgrade", "x")
                    .body(Body::empty())
                    .unwrap()
            }),
        )
        .nest("/api", nested)
        .nest_service(
            "/files",
            Router::new()
                .route("/{name}", get(|| async { "file" }))
                .route_layer(RouteLayer::new()),
        )
}

async fn serve() -> Served {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = Telemetry::for_test(&receiver);
    let begun = Arc::new(Notify::new());
    let app = app(&begun).layer(ServerLayer::new(&telemetry).body_sizes().request_id());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(axum::serve(listener, app).into_future());
    Served {
        address,
        receiver,
        telemetry,
        begun,
    }
}

impl Served {
    /// Sends raw bytes, and reads what comes until `enough` or the end.
    async fn raw(&self, bytes: &str, enough: impl Fn(&str) -> bool) -> String {
        let mut socket = TcpStream::connect(&self.address).await.unwrap();
        socket.write_all(bytes.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        if enough("") {
            // who leaves before a server has looked is not missed: wait until it has
            tokio::time::timeout(HANG, self.begun.notified())
                .await
                .unwrap();
        }
        let read = async {
            let mut buffer = [0; 4096];
            while !enough(&String::from_utf8_lossy(&text)) {
                match socket.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => text.extend_from_slice(&buffer[..count]),
                }
            }
        };
        tokio::time::timeout(HANG, read).await.unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The only server span of the run, after checking what every ending has in common: one sample
    /// of the same length, nothing active, every name declared and every convention kept.
    async fn only_span(&self, row: &str) -> Arc<Span> {
        let seen = self.seen_with_span(row).await;
        let spans: Vec<_> = seen.spans().iter().cloned().collect();
        assert_eq!(spans.len(), 1, "{row}: {seen:?}");
        let duration = seen.metric("http.server.request.duration");
        assert_eq!(duration.count(), Some(1), "{row}");
        let span = spans[0].duration().as_secs_f64();
        assert!(
            (duration.sum().unwrap() - span).abs() < 1e-6,
            "{row}: span {span}, {:?}",
            duration.sum()
        );
        assert_eq!(
            seen.metric("http.server.active_requests").total(),
            Some(0.0),
            "{row}"
        );
        contract().assert_kept(&seen);
        spans[0].clone()
    }

    /// The end may come after the answer: flushes until span and sample are there and
    /// nothing is active.
    async fn seen_with_span(&self, row: &str) -> Seen {
        let search = async {
            loop {
                let _what_ended_so_far = self.telemetry.flush(HANG).await;
                let seen = self.receiver.seen();
                let samples = seen.metric("http.server.request.duration").count();
                let active = seen.metric("http.server.active_requests").total();
                if samples.is_some() && active == Some(0.0) && !self.receiver.spans().is_empty() {
                    return seen;
                }
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(HANG, search).await;
        found.unwrap_or_else(|_| panic!("{row}: it did not end: {:?}", self.receiver.seen()))
    }
}

fn text(span: &Span, key: &str) -> String {
    span.attributes
        .get(key)
        .map_or_else(|| "-".into(), ToString::to_string)
}

/// Name, route, status code, outcome, phase, error.
type Expected = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

fn facts(span: &Span) -> (String, String, String, String, String, String) {
    let keys = [
        "http.route",
        "http.response.status_code",
        "campanile.outcome",
        "campanile.phase",
        "error.type",
    ];
    let [route, status, outcome, phase, error] = keys.map(|key| text(span, key));
    (span.name.clone(), route, status, outcome, phase, error)
}

fn owned(expected: Expected) -> (String, String, String, String, String, String) {
    let (a, b, c, d, e, f) = expected;
    (a.into(), b.into(), c.into(), d.into(), e.into(), f.into())
}

/// Its name, the bytes to send, when enough was read, and what must come out.
type Row = (&'static str, String, fn(&str) -> bool, Expected);

const GONE: fn(&str) -> bool = |_| true;
const TO_THE_END: fn(&str) -> bool = |_| false;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ending_on_http_1() {
    let close = "host: h\r\nconnection: close\r\n\r\n";
    let rows: &[Row] = &[
        (
            "plain",
            format!("GET /ok HTTP/1.1\r\n{close}"),
            TO_THE_END,
            ("GET /ok", "/ok", "200", "completed", "body", "-"),
        ),
        (
            "HTTP/1.0",
            "GET /ok HTTP/1.0\r\n\r\n".into(),
            TO_THE_END,
            ("GET /ok", "/ok", "200", "completed", "body", "-"),
        ),
        (
            "created",
            format!("POST /made HTTP/1.1\r\ncontent-length: 2\r\n{close}hi"),
            TO_THE_END,
            ("POST /made", "/made", "201", "completed", "body", "-"),
        ),
        (
            "100-continue",
            format!(
                "POST /made HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n{close}hi"
            ),
            TO_THE_END,
            ("POST /made", "/made", "201", "completed", "body", "-"),
        ),
        (
            "HEAD",
            format!("HEAD /ok HTTP/1.1\r\n{close}"),
            TO_THE_END,
            ("HEAD /ok", "/ok", "200", "completed", "body", "-"),
        ),
        (
            "204",
            format!("GET /empty HTTP/1.1\r\n{close}"),
            TO_THE_END,
            ("GET /empty", "/empty", "204", "completed", "body", "-"),
        ),
        (
            "304",
            format!("GET /same HTTP/1.1\r\n{close}"),
            TO_THE_END,
            ("GET /same", "/same", "304", "completed", "body", "-"),
        ),
        (
            "404",
            format!("GET /no/such HTTP/1.1\r\n{close}"),
            TO_THE_END,
            ("GET", "-", "404", "completed", "body", "-"),
        ),
        (
            "405",
            format!("PUT /ok HTTP/1.1\r\n{close}"),
            TO_THE_END,
            ("PUT /ok", "/ok", "405", "completed", "body", "-"),
        ),
        (
            "500",
            format!("GET /broken HTTP/1.1\r\n{close}"),
            TO_THE_END,
            ("GET /broken", "/broken", "500", "completed", "body", "500"),
        ),
        (
            "unknown method",
            format!("BREW /ok HTTP/1.1\r\n{close}"),
            TO_THE_END,
            ("HTTP /ok", "/ok", "405", "completed", "body", "-"),
        ),
        (
            "panic",
            format!("GET /panic HTTP/1.1\r\n{close}"),
            TO_THE_END,
            ("GET /panic", "/panic", "-", "panic", "head", "panic"),
        ),
        (
            "nested",
            format!("GET /api/items/7 HTTP/1.1\r\n{close}"),
            TO_THE_END,
            (
                "GET /api/items/{id}",
                "/api/items/{id}",
                "200",
                "completed",
                "body",
                "-",
            ),
        ),
        (
            "body error",
            format!("GET /body-error HTTP/1.1\r\n{close}"),
            TO_THE_END,
            (
                "GET /body-error",
                "/body-error",
                "200",
                "body_error",
                "body",
                "body_error",
            ),
        ),
        (
            "client gone in the body",
            format!("GET /endless HTTP/1.1\r\n{close}"),
            |text| text.contains("first"),
            (
                "GET /endless",
                "/endless",
                "200",
                "client_gone",
                "body",
                "client_gone",
            ),
        ),
        (
            "client gone before the head",
            "GET /never HTTP/1.1\r\nhost: h\r\n\r\n".into(),
            GONE,
            (
                "GET /never",
                "/never",
                "-",
                "client_gone",
                "head",
                "client_gone",
            ),
        ),
        (
            "upgrade",
            "GET /upgrade HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n".into(),
            |text| text.contains("\r\n\r\n"),
            ("GET /upgrade", "/upgrade", "101", "upgraded", "body", "-"),
        ),
    ];
    for (row, bytes, enough, expected) in rows {
        let served = serve().await;
        served.raw(bytes, enough).await;
        let span = served.only_span(row).await;
        assert_eq!(facts(&span), owned(*expected), "{row}");
        let version = if *row == "HTTP/1.0" { "1.0" } else { "1.1" };
        assert_eq!(text(&span, "network.protocol.version"), version, "{row}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ending_on_http_2() {
    let rows: &[(&str, &str, &str, bool, Expected)] = &[
        (
            "plain",
            "GET",
            "/ok",
            true,
            ("GET /ok", "/ok", "200", "completed", "body", "-"),
        ),
        (
            "trailers",
            "GET",
            "/trailers",
            true,
            (
                "GET /trailers",
                "/trailers",
                "200",
                "completed",
                "body",
                "-",
            ),
        ),
        (
            "body error",
            "GET",
            "/body-error",
            true,
            (
                "GET /body-error",
                "/body-error",
                "200",
                "body_error",
                "body",
                "body_error",
            ),
        ),
        (
            "HEAD",
            "HEAD",
            "/ok",
            true,
            ("HEAD /ok", "/ok", "200", "completed", "body", "-"),
        ),
        (
            "reset by the client",
            "GET",
            "/endless",
            false,
            (
                "GET /endless",
                "/endless",
                "200",
                "client_gone",
                "body",
                "client_gone",
            ),
        ),
        (
            "nest_service",
            "GET",
            "/files/a",
            true,
            (
                "GET /files/{name}",
                "/files/{name}",
                "200",
                "completed",
                "body",
                "-",
            ),
        ),
    ];
    for (row, method, path, to_the_end, expected) in rows {
        let served = serve().await;
        let socket = TcpStream::connect(&served.address).await.unwrap();
        let connect =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket));
        let (mut client, connection) = connect.await.unwrap();
        tokio::spawn(connection);
        let uri = format!("http://h.example:81{path}");
        let request = Request::builder()
            .method(*method)
            .uri(uri)
            .version(Version::HTTP_2);
        let answer = client
            .send_request(request.body(Body::empty()).unwrap())
            .await;
        // a body that fails at once may take its head with it
        if let Ok(mut response) = answer {
            while let Some(Ok(frame)) = response.body_mut().frame().await {
                let is_trailers = frame
                    .trailers_ref()
                    .is_some_and(|trailers| trailers["x-sum"] == "7");
                assert!(frame.is_data() || is_trailers, "{row}");
                if !to_the_end {
                    break;
                }
            }
        }
        let span = served.only_span(row).await;
        assert_eq!(facts(&span), owned(*expected), "{row}");
        assert_eq!(text(&span, "network.protocol.version"), "2", "{row}");
        assert_eq!(
            (text(&span, "server.address"), text(&span, "server.port")),
            ("h.example".into(), "81".into()),
            "{row}"
        );
    }
}

/// What hostile clients may invent never becomes a series.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_invented_requests_add_no_series() {
    use tower::ServiceExt;

    const REQUESTS: usize = 100_000;
    let receiver = Receiver::start().await.unwrap();
    let telemetry = Telemetry::for_test(&receiver);
    let app = app(&Arc::default()).layer(
        ServerLayer::new(&telemetry)
            .public_edge()
            .request_id()
            .body_sizes(),
    );
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for _ in 0..REQUESTS {
        let (a, b) = (next(), next());
        let method = match a % 4 {
            0 => "GET".to_owned(),
            1 => "POST".to_owned(),
            _ => format!("M{a:x}"),
        };
        let path = if b % 8 == 0 {
            "/ok".to_owned()
        } else {
            format!("/{b:x}/{a:x}?{a:x}={b:x}")
        };
        let request = Request::builder()
            .method(method.as_str())
            .uri(path)
            .header("host", format!("{a:x}.example:{}", b % 65536))
            .header("x-forwarded-for", format!("{}.{}.1.2", a % 256, b % 256))
            .header("x-forwarded-proto", format!("{b:x}"))
            .header("x-forwarded-host", format!("{a:x}"))
            .header("forwarded", format!("for={a:x};proto={b:x}"))
            .header("user-agent", format!("{b:x}"))
            .header("x-request-id", format!("{a:x}"))
            .header("baggage", format!("k{a:x}=v{b:x}"))
            .header("tracestate", format!("k{a:x}=v{b:x}"))
            .version(if a % 2 == 0 {
                Version::HTTP_11
            } else {
                Version::HTTP_2
            });
        let response = app
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        response.into_body().collect().await.unwrap();
    }
    let report = telemetry.shutdown(HANG).await;
    assert!(report.is_complete(), "{report:?}");
    let seen = receiver.seen();
    assert_eq!(
        seen.metric("http.server.request.duration").count(),
        Some(REQUESTS as u64)
    );
    let series = |name: &str| seen.metric(name).series().count();
    // three methods, two versions; /ok matched or nothing matched; 200, 404, 405: at most 12 meet
    let (duration, active) = (
        series("http.server.request.duration"),
        series("http.server.active_requests"),
    );
    assert!(duration <= 12, "{duration} series of the duration");
    assert!(active <= 3, "{active} series of active requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_the_same_while_the_collector_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let telemetry = Telemetry::for_test(&endpoint);
    let app = app(&Arc::default()).layer(ServerLayer::new(&telemetry));
    for _ in 0..1000 {
        use tower::ServiceExt;
        let request = Request::get("/ok").body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "ok"
        );
    }
    let report = telemetry.shutdown(Duration::from_millis(300)).await;
    assert!(
        !report.is_complete(),
        "what nobody took is not said to be delivered: {report:?}"
    );
}
