//! The real server, driven by programs that share no code with it, seen through real OTLP.
#![allow(clippy::unwrap_used)]

use campanile_otlp_receiver::{Receiver, Span};
use campanile_tests::peers;
use campanile_tests::server::{HANG, Server, vc_server};
use serde_json::Value;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

async fn chat(url: &str) -> Option<Value> {
    let mut python = peers::python()?;
    let script = peers::root().join("tests/peers/python/chat.py");
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let run = python
        .arg(script)
        .arg(url)
        .arg(traceparent)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(HANG, run).await.unwrap().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn text(span: &Span, key: &str) -> String {
    span.attributes
        .get(key)
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[tokio::test]
async fn a_request_and_a_socket_are_seen_in_every_signal() {
    let receiver = Receiver::start().await.unwrap();
    let endpoint = receiver.grpc_endpoint();
    let server = Server::start(
        &vc_server(),
        &[],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)],
    );
    let url = server.url("chat").await;
    let Some(seen) = chat(&url).await else { return };
    assert_eq!(
        (seen["status"].as_u64(), seen["missing"].as_u64()),
        (Some(201), Some(404))
    );
    let (status, stderr) = server.stop().await;
    assert!(status.success(), "{status}: {stderr}");

    let spans = receiver.spans();
    let by_name = |name: &str| {
        let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(
            found.len(),
            1,
            "{name} among {:?}",
            spans.iter().map(|s| &s.name).collect::<Vec<_>>()
        );
        found[0].clone()
    };

    let request = by_name("POST /rooms/{id}/messages");
    assert_eq!(
        request.trace_id.to_string(),
        TRACE,
        "loopback callers are continued"
    );
    assert_eq!(request.parent_span_id.unwrap().to_string(), CALLER);
    assert_eq!(request.trace_state, "peer=1");
    assert_eq!(text(&request, "url.query"), "token=REDACTED");
    assert_eq!(text(&request, "http.response.status_code"), "201");
    assert_eq!(text(&request, "campanile.domain"), "chat");
    assert_eq!(text(&request, "campanile.outcome"), "completed");
    let store = by_name("chat.store_message");
    assert_eq!(
        (store.trace_id, store.parent_span_id),
        (request.trace_id, Some(request.span_id))
    );

    let upgrade = by_name("GET /live");
    assert_eq!(text(&upgrade, "http.response.status_code"), "101");
    assert_eq!(text(&upgrade, "campanile.outcome"), "upgraded");
    let (connect, disconnect) = (
        by_name("websocket.connect"),
        by_name("websocket.disconnect"),
    );
    let links = |span: &Span| {
        span.links
            .iter()
            .map(|link| link.span_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(links(&connect), [upgrade.span_id]);
    assert!(
        links(&disconnect).contains(&connect.span_id)
            && links(&disconnect).contains(&upgrade.span_id)
    );
    assert_eq!(
        (connect.parent_span_id, disconnect.parent_span_id),
        (None, None)
    );
    assert_eq!(text(&disconnect, "websocket.close.class"), "normal");
    assert!(
        !spans
            .iter()
            .any(|span| span.name.contains("message") && span.trace_id == connect.trace_id)
    );

    campanile_tests::contract().assert_kept(&receiver.seen());

    let metrics = receiver.metrics();
    let names: Vec<_> = metrics.iter().map(|metric| metric.name()).collect();
    for name in [
        "http.server.request.duration",
        "http.server.active_requests",
        "websocket.connection.active",
        "websocket.connection.duration",
    ] {
        assert!(names.contains(&name), "{name} among {names:?}");
    }

    let json: Vec<Value> = stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let line = json
        .iter()
        .find(|line| line["event"] == "chat.message.stored")
        .unwrap();
    assert_eq!(line["trace_id"], TRACE);
    let records = receiver.logs();
    let record = records
        .iter()
        .find(|record| record.event_name == "chat.message.stored")
        .unwrap();
    assert_eq!(record.trace_id.unwrap().to_string(), TRACE);
    assert_eq!(
        line["span_id"].as_str().unwrap(),
        record.span_id.unwrap().to_string()
    );
    assert_eq!(line["domain"], "chat");
    let domain = record
        .attributes
        .get("campanile.domain")
        .map(ToString::to_string);
    assert_eq!(domain.as_deref(), Some("chat"));
    assert!(!stderr.contains("s3cr3t"), "no query value is ever logged");
}

#[tokio::test]
async fn bad_telemetry_configuration_does_not_stop_the_server_but_fails_its_check() {
    let bad = [("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url")];
    let server = Server::start(&vc_server(), &[], &bad);
    let url = server.url("chat").await;
    let answer = reqwest::get(format!("{url}/rooms")).await.unwrap();
    assert_eq!(answer.status(), 200);
    server
        .log(|line| line.contains("OTEL_EXPORTER_OTLP_ENDPOINT"))
        .await;
    assert!(server.stop().await.0.success());

    let mut check = tokio::process::Command::new(vc_server());
    let output = check.arg("--check").envs(bad).output().await.unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{stderr}");
}
