//! The same story told to our pipeline and to the SDK's: Python's protobuf classes read the same in
//! the bytes of both.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use axum::routing::{get, post};
use campanile::Telemetry;
use campanile::http::{RouteLayer, ServerLayer};
use campanile::logs::Sink;
use campanile_tests::peers;
use opentelemetry::metrics::Meter;
use opentelemetry::trace::{
    Link, Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer,
};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use tower::ServiceExt;

const DEADLINE: Duration = Duration::from_secs(30);
const REQUESTS: usize = 24;
const SPANS: u64 = 200;

type Bodies = Arc<Mutex<Vec<(String, Bytes)>>>;

/// Takes every export, and keeps its bytes.
async fn collector() -> (String, Bodies) {
    async fn take(State(bodies): State<Bodies>, uri: Uri, headers: HeaderMap, body: Bytes) {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert!(!headers.contains_key("content-encoding"));
        let signal = uri.path().trim_start_matches("/v1/").to_owned();
        bodies.lock().unwrap().push((signal, body));
    }
    let bodies = Bodies::default();
    let app = Router::new()
        .route("/v1/{signal}", post(take))
        .with_state(bodies.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, bodies)
}

/// Long ago, so that it cannot be taken for the time of the run.
fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000 + second, 123_456_789)
}

/// Numbers without a pattern, the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }

    fn text(&mut self) -> StringValue {
        const LETTERS: [&str; 6] = ["a", "0", " ", "ü", "鐘", "\u{1F514}"];
        let letters = (0..self.below(60)).map(|_| LETTERS[self.below(6) as usize]);
        letters.collect::<String>().into()
    }

    fn value(&mut self) -> Value {
        match self.below(9) {
            0 => Value::Bool(self.below(2) == 1),
            1 => Value::I64([0, 1, -1, i64::MIN, i64::MAX][self.below(5) as usize]),
            2 => Value::F64([0.0, -0.5, 1e300, f64::MIN_POSITIVE][self.below(4) as usize]),
            3 => Value::Array(Array::Bool(vec![true, false])),
            4 => Value::Array(Array::I64(vec![0, -7, i64::MAX])),
            5 => Value::Array(Array::F64(vec![])),
            6 => Value::Array(Array::String(vec![self.text(), self.text()])),
            _ => Value::String(self.text()),
        }
    }

    fn attributes(&mut self, most: u64) -> Vec<KeyValue> {
        const KEYS: [&str; 4] = ["plan", "password", "shop.items", "ключ"];
        let count = self.below(most);
        (0..count)
            .map(|n| match KEYS.get(n as usize) {
                Some(key) => KeyValue::new(*key, self.value()),
                None => KeyValue::new(format!("key.{n}"), self.value()),
            })
            .collect()
    }
}

/// Spans with everything that the API lets one say.
fn spans(telemetry: &Telemetry, chance: &mut Chance) {
    const KINDS: [SpanKind; 5] = [
        SpanKind::Internal,
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
    ];
    let tracers = [telemetry.tracer("first"), telemetry.tracer("second")];
    let mut parent = Context::new();
    for n in 0..SPANS {
        let tracer = &tracers[chance.below(2) as usize];
        let other = SpanContext::new(
            TraceId::from(7 + u128::from(n)),
            SpanId::from(8 + n),
            TraceFlags::new(chance.below(2) as u8),
            chance.below(2) == 1,
            TraceState::default(),
        );
        let links = (0..chance.below(3))
            .map(|_| Link::new(other.clone(), chance.attributes(3), 0))
            .collect();
        let mut span = tracer
            .span_builder(format!("span {n}"))
            .with_kind(KINDS[chance.below(5) as usize].clone())
            .with_start_time(at(n))
            .with_attributes(chance.attributes(60))
            .with_links(links)
            .start_with_context(tracer, &parent);
        for attribute in chance.attributes(4) {
            span.set_attribute(attribute);
        }
        for event in 0..chance.below(4) {
            let attributes = chance.attributes(4);
            span.add_event_with_timestamp(format!("event {event}"), at(n), attributes);
        }
        match chance.below(3) {
            0 => span.set_status(Status::Ok),
            1 => span.set_status(Status::error("sold out")),
            _ => {}
        }
        span.end_with_timestamp(at(n + 1));
        parent = match chance.below(3) {
            0 => Context::new(),
            _ => Context::new().with_remote_span_context(span.span_context().clone()),
        };
    }
}

fn measurements(meter: &Meter, chance: &mut Chance) {
    let counter = meter
        .u64_counter("shop.orders")
        .with_unit("{order}")
        .build();
    let level = meter.i64_up_down_counter("shop.carts").build();
    let gauge = meter
        .f64_gauge("shop.load")
        .with_description("How busy")
        .build();
    let sizes = meter.f64_histogram("shop.size").with_unit("By").build();
    for _ in 0..200 {
        let kind = [KeyValue::new(
            "kind",
            ["online", "shop"][chance.below(2) as usize],
        )];
        counter.add(chance.below(10), &kind);
        level.add(chance.below(10) as i64 - 5, &kind);
        gauge.record(chance.below(100) as f64 / 4.0, &[]);
        sizes.record(chance.below(20_000) as f64, &kind);
    }
}

/// Requests through our layer, whose handlers make spans and records by `tracing`.
async fn requests(telemetry: &Telemetry) {
    async fn handler(uri: Uri) -> StatusCode {
        let step = tracing::info_span!("step", items = 3, note = tracing::field::Empty);
        step.in_scope(|| tracing::warn!(left = 2, ratio = 0.5, done = true, "sold {}", "out"));
        step.record("note", "late");
        Context::map_current(|context| {
            context.span().set_attribute(KeyValue::new("shop.cart", 3));
        });
        tracing::info!(token = "s3cr3t", who = ?Some(1), "answered");
        let status: u16 = uri.query().unwrap().parse().unwrap();
        StatusCode::from_u16(status).unwrap()
    }
    let app = Router::new()
        .route("/rooms/{id}", get(handler))
        .route_layer(RouteLayer::new().domain("chat"))
        .layer(ServerLayer::new(telemetry));
    for n in 0..REQUESTS {
        let status = [200, 404, 500, 204][n % 4];
        let mut request = Request::get(format!("/rooms/{n}?{status}"))
            .header("host", "shop.example.com:8080")
            .header("user-agent", "agent/1.0 (test; loopback)");
        // of nobody, of a sampled caller, of one that did not sample: only a failure is kept then
        if let Some(flags) = [None, Some("01"), Some("00")][n % 3] {
            request = request
                .header(
                    "traceparent",
                    format!("00-{:032x}-{:016x}-{flags}", n + 1, n + 1),
                )
                .header("tracestate", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
                .header("baggage", "plan=pro");
        }
        let answer = app.clone().oneshot(request.body(Body::empty()).unwrap());
        let answer = answer.await.unwrap();
        axum::body::to_bytes(answer.into_body(), 1 << 10)
            .await
            .unwrap();
    }
}

/// Tells the story to this pipeline, and writes what it sent into a folder.
async fn told(pipeline: &str) -> PathBuf {
    let (endpoint, bodies) = collector().await;
    let telemetry = Telemetry::from_env("story")
        .environment(|_| None)
        .default_endpoint(endpoint)
        .setting("CAMPANILE_PIPELINE", pipeline)
        .setting("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .setting("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        .setting("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50")
        .setting("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "48")
        .setting("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "40")
        .lines(Sink::nowhere())
        .build();
    let mut chance = Chance(7);
    spans(&telemetry, &mut chance);
    measurements(&telemetry.meter("shop"), &mut chance);
    let guard = tracing::dispatcher::set_default(&telemetry.subscriber());
    requests(&telemetry).await;
    drop(guard);
    let report = telemetry.shutdown(DEADLINE).await;
    assert!(report.is_complete(), "{pipeline}: {report}");

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("python_bytes")
        .join(pipeline);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for (index, (signal, body)) in bodies.lock().unwrap().iter().enumerate() {
        std::fs::write(folder.join(format!("{signal}-{index:03}.bin")), body).unwrap();
    }
    folder
}

#[tokio::test]
async fn python_reads_the_same_in_our_bytes_as_in_those_of_the_sdk() {
    let Some(mut python) = peers::python() else {
        return;
    };
    let (ours, stock) = (told("lean").await, told("stock").await);
    let script = peers::root().join("tests/peers/python/decode.py");
    let run = python
        .arg(script)
        .args([ours, stock])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, run).await.unwrap().unwrap();
    let differences = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{differences}");

    let counts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{counts}");
    let (ours, stock) = (&counts[0], &counts[1]);
    // of each three requests two were sampled, with a child each; of the others two failed
    let requests = REQUESTS as u64 / 3 * 4 + 2;
    assert_eq!(ours["spans"], SPANS + requests);
    // two in each handler, and one at the end of each failure
    assert_eq!(ours["logs"], 2 * REQUESTS + REQUESTS / 4);
    assert_eq!(ours["metrics"], 6);
    for what in ["spans", "logs", "metrics", "about itself"] {
        assert_eq!(ours[what], stock[what], "{what}");
    }
    assert!(ours["exemplars"].as_u64() > Some(0), "{counts}");
}
