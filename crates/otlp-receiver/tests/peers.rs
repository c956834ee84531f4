//! Independent senders: OpenTelemetry's exporters for Python and JavaScript, and grpcio itself.
//!
//! They live in `tests/peers` and are installed into `.provision` (`cargo xtask test --install`). Where they are missing
//! these tests say so and pass, unless `CAMPANILE_REQUIRE_PEERS=1`.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use campanile_otlp_receiver::model::{PointValue, Temporality};
use campanile_otlp_receiver::{
    MetricKind, Receiver, Seen, Signal, SpanKind, StatusCode, TraceId, Transport, Value,
};
use tokio::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Returns a path of the workspace, or says loudly that it is missing.
fn provisioned(path: &str) -> Option<PathBuf> {
    let path = root().join(path);
    if path.exists() {
        return Some(path);
    }
    let missing = format!(
        "{} is missing: run `cargo xtask test --install`",
        path.display()
    );
    if std::env::var_os("CAMPANILE_REQUIRE_PEERS").is_some_and(|value| value == "1") {
        panic!("{missing}");
    }
    eprintln!("SKIPPED: {missing}");
    None
}

/// Runs a peer to its end, and returns what it printed.
async fn run(command: &mut Command) -> String {
    let output = command.kill_on_drop(true).output().await.unwrap();
    let (out, error) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(
        output.status.success(),
        "{command:?} failed: {out}\n{error}"
    );
    out
}

async fn python(script: &str, arguments: &[&str]) -> Option<String> {
    let python = provisioned(".provision/venv/bin/python")?;
    let script = root().join("tests/peers/python").join(script);
    Some(run(Command::new(python).arg(script).args(arguments)).await)
}

async fn node(script: &str, arguments: &[&str]) -> Option<String> {
    let modules = provisioned(".provision/node_modules/@opentelemetry")?;
    let modules = modules.ancestors().nth(2).unwrap().to_owned();
    let script = root().join("tests/peers/node").join(script);
    let mut command = Command::new("node");
    Some(
        run(command
            .env("PEER_MODULES", modules)
            .arg(script)
            .args(arguments))
        .await,
    )
}

/// The trace that all the senders send, down to types, links and flags.
fn check_trace(seen: &Seen, printed: &str, int: i64) {
    let id: TraceId = printed.trim().parse().unwrap();
    let trace = seen.trace(id);
    trace.assert_outline("parent [server]\n  child [client] ERROR");
    let parent = trace.root().unwrap();
    parent.assert_has([
        ("text", Value::from("Grüße")),
        ("int", Value::from(int)),
        ("double", Value::from(0.5)),
        ("bool", Value::from(true)),
        ("list", Value::from(["a", "b"])),
        ("ints", Value::from(vec![Value::from(1), Value::from(2)])),
        ("empty", Value::from(Vec::<Value>::new())),
    ]);
    assert_eq!(parent.kind, SpanKind::Server);
    assert_eq!(
        (parent.resource.service_name(), parent.scope.name.as_str()),
        ("peer", "peer")
    );
    assert_eq!(parent.scope.version, "1.2.3");
    assert!(parent.start_unix_nano > 1_700_000_000_000_000_000);
    let child = seen.children_of(&parent).one().unwrap();
    assert_eq!(
        (child.status.code, child.status.message.as_str()),
        (StatusCode::Error, "gone")
    );
    assert_eq!(child.has_remote_parent(), Some(false));
    let event = child.event("retry").unwrap();
    assert_eq!(event.attributes.get("attempt"), Some(&2.into()));
    let link = &child.links[0];
    assert_eq!(
        link.trace_id.to_string(),
        "00000000000000000000000000abcdef"
    );
    assert_eq!(link.span_id.to_string(), "0000000000123456");
    assert_eq!(link.attributes.get_str("why"), Some("caused"));
}

fn check_metrics(seen: &Seen) {
    let kind = |name: &str| seen.metric(name).as_slice()[0].kind();
    let temporality = Temporality::Cumulative;
    let orders = seen.metric("orders").with("route", "/a");
    assert_eq!(orders.total(), Some(3.0));
    assert_eq!(orders.as_slice()[0].unit(), "{order}");
    assert_eq!(orders.as_slice()[0].description(), "Orders.");
    assert_eq!(
        kind("orders"),
        MetricKind::Sum {
            temporality,
            monotonic: true
        }
    );
    assert_eq!(seen.metric("active").total(), Some(-2.0));
    assert_eq!(
        kind("active"),
        MetricKind::Sum {
            temporality,
            monotonic: false
        }
    );
    assert_eq!(
        (kind("level"), seen.metric("level").total()),
        (MetricKind::Gauge, Some(0.25))
    );
    let wait = seen.metric("wait").histogram().unwrap();
    assert_eq!(
        (wait.bounds.as_slice(), wait.bucket_counts.as_slice()),
        (&[0.5, 1.0][..], &[1, 1, 1][..])
    );
    assert_eq!(
        (wait.count, wait.sum, wait.min, wait.max),
        (3, Some(5.0), Some(0.25), Some(4.0))
    );
    assert_eq!(
        kind("wait.exponential"),
        MetricKind::ExponentialHistogram { temporality }
    );
    let exponential = seen.metric("wait.exponential");
    let point = exponential.series().next().unwrap().last().unwrap();
    let PointValue::ExponentialHistogram(histogram) = &point.value else {
        panic!("{point:?}");
    };
    assert_eq!(
        (
            histogram.count,
            histogram.positive.counts.iter().sum::<u64>()
        ),
        (3, 3)
    );
}

fn check_log(seen: &Seen, printed: &str) {
    let id: TraceId = printed.trim().parse().unwrap();
    let log = seen.logs().events("stock.low").of_trace(id).one().unwrap();
    assert_eq!((log.level(), log.severity_text.as_str()), ("warn", "WARN"));
    let Value::Map(body) = &log.body else {
        panic!("{:?}", log.body);
    };
    assert!(
        body.contains(&("message".to_owned(), "low".into())),
        "{body:?}"
    );
    assert!(body.contains(&("left".to_owned(), 3.into())), "{body:?}");
    assert_eq!(log.attribute("item"), Some(&"tea".into()));
    assert!(log.span_id.is_some());
}

fn check_transport(seen: &Seen, transport: Transport) {
    for signal in Signal::ALL {
        let counts = seen.traffic().of(signal, transport);
        assert!(
            counts.items > 0 && counts.refused_requests == 0,
            "{signal}: {counts:?}"
        );
    }
}

/// What a sender printed about what it sent arrived as such, over this transport.
fn check_all(receiver: &Receiver, printed: &str, int: i64, transport: Transport) {
    let seen = receiver.seen();
    check_trace(&seen, printed, int);
    check_metrics(&seen);
    check_log(&seen, printed);
    check_transport(&seen, transport);
}

/// The integer that each of them sends.
const PYTHON_INT: i64 = -(1 << 62);
const JAVASCRIPT_INT: i64 = -7;

#[tokio::test]
async fn python_exporters_over_grpc() {
    for compression in ["none", "gzip"] {
        let receiver = Receiver::start().await.unwrap();
        let arguments = ["grpc", receiver.grpc_endpoint(), compression];
        let Some(printed) = python("send.py", &arguments).await else {
            return;
        };
        check_all(&receiver, &printed, PYTHON_INT, Transport::Grpc);
    }
}

#[tokio::test]
async fn python_exporters_over_http() {
    for compression in ["none", "gzip"] {
        let receiver = Receiver::start().await.unwrap();
        let arguments = ["http", receiver.http_endpoint(), compression];
        let Some(printed) = python("send.py", &arguments).await else {
            return;
        };
        check_all(&receiver, &printed, PYTHON_INT, Transport::HttpProtobuf);
    }
}

#[tokio::test]
async fn python_exporters_in_json() {
    let receiver = Receiver::start().await.unwrap();
    let Some(printed) = python("send.py", &["json", receiver.http_endpoint()]).await else {
        return;
    };
    check_all(&receiver, &printed, PYTHON_INT, Transport::HttpJson);
}

#[tokio::test]
async fn javascript_exporters_in_json() {
    for compression in ["none", "gzip"] {
        let receiver = Receiver::start().await.unwrap();
        let arguments = ["json", receiver.http_endpoint(), compression];
        let Some(printed) = node("send.mjs", &arguments).await else {
            return;
        };
        check_all(&receiver, &printed, JAVASCRIPT_INT, Transport::HttpJson);
    }
}

#[tokio::test]
async fn javascript_exporter_in_protobuf() {
    let receiver = Receiver::start().await.unwrap();
    let Some(printed) = node("send.mjs", &["proto", receiver.http_endpoint()]).await else {
        return;
    };
    let seen = receiver.seen();
    check_trace(&seen, &printed, JAVASCRIPT_INT);
    let counts = seen.traffic().of(Signal::Traces, Transport::HttpProtobuf);
    assert_eq!((counts.items, counts.refused_requests), (2, 0));
}

#[tokio::test]
async fn grpcio_gets_the_codes_that_grpc_names() {
    let receiver = Receiver::start().await.unwrap();
    let address = receiver.grpc_endpoint().trim_start_matches("http://");
    let Some(printed) = python("call.py", &[address]).await else {
        return;
    };
    let expected = "empty OK
empty_gzip OK
garbage INVALID_ARGUMENT
truncated INVALID_ARGUMENT
too_large RESOURCE_EXHAUSTED
unknown_method UNIMPLEMENTED
empty_again OK
";
    assert_eq!(printed, expected);
}

#[tokio::test]
async fn prometheus_parser_reads_the_exposition() {
    let receiver = Receiver::start().await.unwrap();
    let arguments = ["http", receiver.http_endpoint()];
    if python("send.py", &arguments).await.is_none() {
        return;
    }
    let url = format!("{}/metrics", receiver.http_endpoint());
    let printed = python("scrape.py", &[&url]).await.unwrap();
    let expected = [
        "gauge active {} -2",
        "gauge level_ratio {} 0.25",
        "counter orders_total {'route': '/a'} 3",
        "gauge target_info {} 1",
        "histogram wait_seconds_bucket {'le': '0.5'} 1",
        "histogram wait_seconds_bucket {'le': '1'} 2",
        "histogram wait_seconds_bucket {'le': '+Inf'} 3",
        "histogram wait_seconds_sum {} 5",
        "histogram wait_seconds_count {} 3",
        "histogram wait_exponential_seconds_count {} 3",
    ];
    for line in expected {
        assert!(
            printed.lines().any(|printed| printed == line),
            "{line} is not in\n{printed}"
        );
    }
}
