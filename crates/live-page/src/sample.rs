//! The sample trace that an empty page offers: sent to the receiver by OTLP/HTTP like any other telemetry.

use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::question::now_ms;

/// Sends one trace with its log lines.
///
/// # Errors
/// When the receiver cannot be reached or refuses.
pub(crate) async fn send(http_endpoint: &str) -> io::Result<()> {
    let at = now_ms() - 400.0;
    let salt = (at * 1000.0) as u64;
    let trace = format!(
        "{:016x}{:016x}",
        salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        salt
    );
    post(http_endpoint, "/v1/traces", &spans(&trace, at)).await?;
    post(http_endpoint, "/v1/logs", &logs(&trace, at)).await
}

fn nanos(at: f64) -> String {
    format!("{at:.0}000000")
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn resource() -> Value {
    json!({ "attributes": [text("service.name", "sample")] })
}

fn spans(trace: &str, at: f64) -> Value {
    let span = |id: u8,
                parent: u8,
                name: &str,
                kind: u8,
                from: f64,
                to: f64,
                attributes: Vec<Value>,
                events: Value| {
        let parent = if parent == 0 {
            String::new()
        } else {
            format!("{parent:016x}")
        };
        json!({
            "traceId": trace, "spanId": format!("{id:016x}"), "parentSpanId": parent, "name": name, "kind": kind, "flags": 1,
            "startTimeUnixNano": nanos(at + from), "endTimeUnixNano": nanos(at + to), "attributes": attributes, "events": events,
        })
    };
    let request = vec![
        text("http.request.method", "POST"),
        text("http.route", "/rooms/{id}/messages"),
        text("campanile.domain", "chat"),
        json!({ "key": "http.response.status_code", "value": { "intValue": "201" } }),
    ];
    let waited = json!([{ "name": "queued behind 4", "timeUnixNano": nanos(at + 40.0) }]);
    let none = json!([]);
    json!({ "resourceSpans": [{ "resource": resource(), "scopeSpans": [{ "scope": { "name": "campanile-live-page" }, "spans": [
        span(1, 0, "POST /rooms/{id}/messages", 2, 0.0, 310.0, request, none.clone()),
        span(2, 1, "auth.verify_token", 1, 4.0, 16.0, vec![], none.clone()),
        span(3, 1, "chat.store_message", 1, 30.0, 270.0, vec![], none.clone()),
        span(4, 3, "db.pool.acquire", 3, 38.0, 190.0, vec![text("db.system.name", "sqlite")], waited),
        span(5, 3, "INSERT messages", 3, 192.0, 256.0, vec![text("db.system.name", "sqlite")], none.clone()),
        span(6, 1, "chat.fan_out", 1, 274.0, 302.0, vec![], none),
    ] }] }] })
}

fn logs(trace: &str, at: f64) -> Value {
    let line = |severity: u8, span: u8, from: f64, event: &str, message: &str| {
        json!({
            "timeUnixNano": nanos(at + from), "severityNumber": severity, "eventName": event, "body": { "stringValue": message },
            "traceId": trace, "spanId": format!("{span:016x}"), "attributes": [text("campanile.domain", "chat")],
        })
    };
    json!({ "resourceLogs": [{ "resource": resource(), "scopeLogs": [{ "scope": { "name": "campanile-live-page" }, "logRecords": [
        line(13, 4, 150.0, "db.pool.saturated", "in use 32 of 32, 4 waiting"),
        line(9, 1, 300.0, "message.stored", "room general, 12 recipients"),
    ] }] }] })
}

/// A POST in a dozen lines: the receiver is ours, next door, and closes when it has answered.
async fn post(endpoint: &str, path: &str, body: &Value) -> io::Result<()> {
    let authority = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(authority).await?;
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(16 * 1024).read_to_end(&mut answer).await?;
    if answer.starts_with(b"HTTP/1.1 200") {
        return Ok(());
    }
    let line = String::from_utf8_lossy(&answer);
    Err(io::Error::other(format!(
        "the receiver answered {:?} to the sample",
        line.lines().next().unwrap_or_default()
    )))
}
