//! Other instrumentations in one process with ours: `tracing-opentelemetry`, a server layer by
//! others, a user's own tracer and meter. One connected trace for each request, and nothing lost.
//!
//! `install` can be called once in a process, so the same over the SDK runs in another one.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use campanile::Telemetry;
use campanile::http::{ClientLayer, ServerLayer};
use campanile::logs::{Captured, Sink};
use campanile_otlp_receiver::model::{Metric, PointValue};
use campanile_otlp_receiver::{Receiver, Span, SpanKind};
use opentelemetry::trace::{FutureExt, SpanBuilder, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_instrumentation_tower::http::server::Layer as ForeignLayer;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::{Layer, ServiceExt};
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

const DEADLINE: Duration = Duration::from_secs(30);
const PIPELINE: &str = "CAMPANILE_PIPELINE";
const CALLERS: usize = 8;
const REQUESTS: usize = 200;
const FOREIGN: &str = "opentelemetry-instrumentation-tower";

/// A router on a socket, until it is told to stop.
struct Served {
    url: String,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

impl Served {
    async fn new(app: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let server = axum::serve(listener, app).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        let ended = tokio::spawn(server.into_future());
        Self { url, stop, ended }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(DEADLINE, self.ended)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

/// What the front does for a request: its own span's attribute, a `tracing` span with a line in it,
/// a span and a count of the user's own, and a call to the back.
async fn front(layer: ClientLayer, client: reqwest::Client, back: String) -> StatusCode {
    Context::map_current(|context| context.span().set_attribute(KeyValue::new("shop.cart", 3)));
    let work = async {
        tracing::info!(place = "front", "priced");
        let tracer = global::tracer("shop");
        let span = tracer.build(SpanBuilder::from_name("reserve"));
        let context = Context::current_with_span(span);
        let request = client.get(format!("{back}/stock/7")).build().unwrap();
        let call = async {
            let answer = layer.layer(client).oneshot(request).await.unwrap();
            let status = answer.status();
            answer.bytes().await.unwrap();
            status
        };
        let status = call.with_context(context).await;
        let orders = global::meter("shop").u64_counter("shop.orders").build();
        orders.add(1, &[KeyValue::new("kind", "online")]);
        status
    };
    work.instrument(tracing::info_span!("price")).await
}

/// Behind the layer of others, which makes its span and its series by the global providers.
async fn back() -> &'static str {
    tracing::info_span!("look up").in_scope(|| tracing::info!(place = "back", "looked up"));
    "7"
}

fn installed(receiver: &Receiver) -> (Telemetry, Captured) {
    let (sink, lines) = Sink::captured();
    let telemetry = Telemetry::from_env("shop")
        .environment(|name| match name {
            PIPELINE | "CAMPANILE_TRACING_BRIDGE" => std::env::var(name).ok(),
            _ => None,
        })
        .default_endpoint(receiver.grpc_endpoint())
        .lines(sink)
        .install()
        .unwrap();
    (telemetry, lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn neighbours_make_one_connected_trace_and_nothing_is_lost() {
    let receiver = Receiver::start().await.unwrap();
    let (telemetry, lines) = installed(&receiver);
    let foreign = Router::new().route("/stock/{id}", get(back));
    let back = Served::new(foreign.layer(ForeignLayer::new())).await;
    let (layer, url) = (ClientLayer::new(&telemetry), back.url.clone());
    let inner = reqwest::Client::new();
    let handler = get(move || front(layer.clone(), inner.clone(), url.clone()));
    let ours = Router::new().route("/orders/{id}", handler);
    let front = Served::new(ours.layer(ServerLayer::new(&telemetry))).await;

    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let url = format!("{}/orders/{caller}", front.url);
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                for _ in 0..REQUESTS / CALLERS {
                    let answer = client.get(&url).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    answer.bytes().await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    front.stop().await;
    back.stop().await;
    let report = telemetry.shutdown(DEADLINE).await;
    assert!(report.is_complete(), "{report}");

    let spans = receiver.spans();
    let offered: BTreeMap<_, _> = report
        .signals
        .iter()
        .map(|signal| (signal.signal.as_str(), signal.offered))
        .collect();
    assert_eq!(offered["traces"], spans.len() as u64, "{report}");
    assert_connected(&spans);
    assert_lines(&lines, &receiver, &spans);
    assert_metrics(&receiver.metrics());
}

/// Who a span is, and who its parent.
type Kind = (&'static str, SpanKind, &'static str);

const FAMILY: &[(Kind, Option<usize>)] = &[
    (("GET /orders/{id}", SpanKind::Server, "campanile"), None),
    (("price", SpanKind::Internal, "tracing"), Some(0)),
    (("reserve", SpanKind::Internal, "shop"), Some(1)),
    (("GET", SpanKind::Client, "campanile"), Some(2)),
    (("GET /stock/{id}", SpanKind::Server, FOREIGN), Some(3)),
    (("look up", SpanKind::Internal, "tracing"), Some(4)),
];

/// Every trace has exactly the family, each below its parent.
fn assert_connected(spans: &[Arc<Span>]) {
    let mut traces: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for span in spans {
        traces.entry(span.trace_id).or_default().push(span);
    }
    assert_eq!(traces.len(), REQUESTS);
    for trace in traces.values() {
        assert_eq!(trace.len(), FAMILY.len(), "{trace:#?}");
        let members: Vec<_> = FAMILY
            .iter()
            .map(|((name, kind, scope), _)| {
                let is_it = |span: &&&Arc<Span>| {
                    span.name == *name && span.kind == *kind && span.scope.name.starts_with(scope)
                };
                let found: Vec<_> = trace.iter().filter(is_it).collect();
                assert_eq!(found.len(), 1, "{name} of {scope} in {trace:#?}");
                found[0]
            })
            .collect();
        for (span, (_, parent)) in members.iter().zip(FAMILY) {
            let parent = parent.map(|index| members[index].span_id);
            assert_eq!(span.parent_span_id, parent, "{trace:#?}");
        }
        let ours = members[0];
        assert_eq!(ours.attribute("shop.cart").unwrap().as_int(), Some(3));
        assert_eq!(
            ours.attribute("http.route").unwrap().as_str(),
            Some("/orders/{id}")
        );
    }
    let ids: BTreeSet<_> = spans.iter().map(|span| span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "no span came twice");
}

/// A line, and the record of it, have the ids of the span that they were written in.
fn assert_lines(lines: &Captured, receiver: &Receiver, spans: &[Arc<Span>]) {
    let expected = |name: &str| -> BTreeSet<(String, String)> {
        let spans = spans.iter().filter(|span| span.name == name);
        spans
            .map(|span| (span.trace_id.to_string(), span.span_id.to_string()))
            .collect()
    };
    let lines: Vec<Value> = lines
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let records = receiver.logs();
    for (place, name) in [("front", "price"), ("back", "look up")] {
        let of_lines: Vec<_> = lines
            .iter()
            .filter(|line| line["place"] == place)
            .map(|line| {
                let text = |key: &str| line[key].as_str().unwrap().to_owned();
                (text("trace_id"), text("span_id"))
            })
            .collect();
        assert_eq!(of_lines.len(), REQUESTS, "{place}");
        assert_eq!(BTreeSet::from_iter(of_lines), expected(name), "{place}");
        let of_records: Vec<_> = records
            .iter()
            .filter(|record| record.attribute("place").and_then(|it| it.as_str()) == Some(place))
            .map(|record| {
                let (trace, span) = (record.trace_id.unwrap(), record.span_id.unwrap());
                (trace.to_string(), span.to_string())
            })
            .collect();
        assert_eq!(of_records.len(), REQUESTS, "{place}");
        assert_eq!(BTreeSet::from_iter(of_records), expected(name), "{place}");
    }
}

/// How many measurements the metric of this name and scope has, over all its series.
fn measured(metrics: &[Metric], name: &str, scope: &str) -> u64 {
    let found: Vec<_> = metrics
        .iter()
        .filter(|metric| metric.name() == name && metric.scope().name.starts_with(scope))
        .collect();
    assert_eq!(found.len(), 1, "{name} of {scope} in {metrics:#?}");
    let last = found[0].series.iter().filter_map(|series| series.last());
    last.map(|point| match &point.value {
        PointValue::Number(number) => number.unwrap().as_f64() as u64,
        distribution => distribution.count().unwrap(),
    })
    .sum()
}

fn assert_metrics(metrics: &[Metric]) {
    let all = REQUESTS as u64;
    for (name, scope, expected) in [
        ("shop.orders", "shop", all),
        ("http.server.request.duration", "campanile", all),
        ("http.server.active_requests", "campanile", 0),
        ("http.client.request.duration", "campanile", all),
        ("http.server.request.duration", FOREIGN, all),
        ("http.server.active_requests", FOREIGN, 0),
        ("http.server.response.body.size", FOREIGN, all),
    ] {
        assert_eq!(
            measured(metrics, name, scope),
            expected,
            "{name} of {scope}"
        );
    }
}

#[test]
fn over_the_sdk_neighbours_make_the_same() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "neighbours_make_one_connected_trace_and_nothing_is_lost",
        ])
        .env(PIPELINE, "stock")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn a_subscriber_of_one_s_own_writes_spans_by_our_tracer() {
    for way in ["lean", "stock"] {
        let receiver = Receiver::start().await.unwrap();
        let telemetry = Telemetry::from_env("shop")
            .environment(|_| None)
            .setting(PIPELINE, way)
            .default_endpoint(receiver.grpc_endpoint())
            .lines(Sink::nowhere())
            .build();
        let bridge = tracing_opentelemetry::layer().with_tracer(telemetry.tracer("mine"));
        let subscriber = tracing_subscriber::registry().with(bridge);
        tracing::subscriber::with_default(subscriber, || {
            let request = tracing::info_span!("request", otel.kind = "consumer", items = 3);
            request.in_scope(|| {
                let step = tracing::info_span!("step", note = tracing::field::Empty);
                step.in_scope(|| tracing::info!(left = 2, "sold"));
                step.record("note", "late");
                tracing::error_span!("fails", otel.status_code = "error").in_scope(|| {});
            });
        });
        let report = telemetry.shutdown(DEADLINE).await;
        assert!(report.is_complete(), "{way}: {report}");
        let spans = receiver.spans();
        assert_eq!(spans.len(), 3, "{way}");
        let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let (request, step, fails) = (of("request"), of("step"), of("fails"));
        assert!(request.is_root() && request.scope.name == "mine", "{way}");
        assert_eq!(request.kind, SpanKind::Consumer, "{way}");
        assert_eq!(
            request.attribute("items").unwrap().as_int(),
            Some(3),
            "{way}"
        );
        assert!(fails.is_error() && !request.is_error(), "{way}");
        for child in [step, fails] {
            assert_eq!(child.trace_id, request.trace_id, "{way}");
            assert_eq!(child.parent_span_id, Some(request.span_id), "{way}");
        }
        assert_eq!(
            step.attribute("note").unwrap().as_str(),
            Some("late"),
            "{way}"
        );
        let sold = step.event("sold").unwrap();
        assert_eq!(
            sold.attributes.get("left").unwrap().as_int(),
            Some(2),
            "{way}"
        );
    }
}
