//! The sender: eight requests in flight, each with the same 512 spans.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span};
use prost::Message;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::Result;

/// Spans in a request: what the SDK's batch processor sends.
pub const BATCH: u64 = 512;
const IN_FLIGHT: u64 = 8;

/// Runs the sender as a process of its own on core 1. Returns spans a second.
pub async fn in_child(protocol: &str, endpoint: &str, spans: u64) -> Result<f64> {
    let mut command = Command::new("taskset");
    command.args(["-c", "1"]).arg(std::env::current_exe()?);
    command.args(["load", protocol, endpoint, &spans.to_string()]);
    let output = command.kill_on_drop(true).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    text.trim().parse().map_err(|_| problem.into())
}

/// Sends, and returns spans a second.
pub async fn run(protocol: &str, endpoint: &str, spans: u64) -> Result<f64> {
    let grpc = protocol == "grpc";
    let body = if grpc {
        framed(&request())
    } else {
        request().into()
    };
    let requests = spans.div_ceil(BATCH);
    let client = Client::builder(TokioExecutor::new())
        .http2_only(grpc)
        .build_http::<Full<Bytes>>();
    let begin = Instant::now();
    let mut senders = JoinSet::new();
    for number in 0..IN_FLIGHT {
        let (client, body, endpoint) = (client.clone(), body.clone(), endpoint.to_owned());
        senders.spawn(async move {
            for _ in (number..requests).step_by(IN_FLIGHT as usize) {
                let response = client.request(one(grpc, &endpoint, body.clone())).await;
                let response = response.map_err(|error| format!("{error:?}"))?;
                let (head, body) = response.into_parts();
                let body = body.collect().await.map_err(|error| error.to_string())?;
                let status = head.headers.get("grpc-status").cloned();
                let status = status.or_else(|| body.trailers()?.get("grpc-status").cloned());
                if head.status != 200 || status.is_some_and(|status| status != "0") {
                    return Err(format!("refused: {head:?}"));
                }
            }
            Ok(())
        });
    }
    while let Some(done) = senders.join_next().await {
        done??;
    }
    Ok((requests * BATCH) as f64 / begin.elapsed().as_secs_f64())
}

fn one(grpc: bool, endpoint: &str, body: Bytes) -> Request<Full<Bytes>> {
    let (path, version, content_type) = if grpc {
        let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        (path, Version::HTTP_2, "application/grpc")
    } else {
        ("/v1/traces", Version::HTTP_11, "application/x-protobuf")
    };
    Request::post(format!("{endpoint}{path}"))
        .version(version)
        .header("content-type", content_type)
        .header("te", "trailers")
        .body(Full::new(body))
        .expect("a valid request")
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put(message);
    frame.freeze()
}

pub fn span_bytes() -> usize {
    request().len() / BATCH as usize
}

fn request() -> Vec<u8> {
    let spans = (0..BATCH).map(span).collect();
    let scope = InstrumentationScope {
        name: "bench".to_owned(),
        ..Default::default()
    };
    let scope_spans = vec![ScopeSpans {
        scope: Some(scope),
        spans,
        ..Default::default()
    }];
    let attributes = vec![
        text("service.name", "bench"),
        text("service.instance.id", "i-1"),
    ];
    let resource = Some(Resource {
        attributes,
        ..Default::default()
    });
    let resource_spans = vec![ResourceSpans {
        resource,
        scope_spans,
        ..Default::default()
    }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// What an HTTP server's span usually has.
fn span(number: u64) -> Span {
    let attributes = vec![
        text("http.request.method", "GET"),
        text("http.route", "/rooms/{id}/messages"),
        text("url.path", &format!("/rooms/{number}/messages")),
        text("url.scheme", "https"),
        text("server.address", "chat.example.org"),
        int("server.port", 443),
        text("network.protocol.version", "2"),
        text("client.address", "203.0.113.7"),
        text(
            "user_agent.original",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101",
        ),
        int("http.response.status_code", 200),
    ];
    let event = span::Event {
        time_unix_nano: 1_700_000_000_000_000_000 + number,
        name: "message.stored".to_owned(),
        attributes: vec![int("message.size", 120)],
        ..Default::default()
    };
    Span {
        trace_id: (u128::from(number) << 64 | 1).to_be_bytes().to_vec(),
        span_id: (number + 1).to_be_bytes().to_vec(),
        parent_span_id: 7_u64.to_be_bytes().to_vec(),
        flags: 257,
        name: "GET /rooms/{id}/messages".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_004_200_000,
        attributes,
        events: vec![event],
        ..Default::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.to_owned()))
}

fn int(key: &str, value: i64) -> KeyValue {
    pair(key, Value::IntValue(value))
}

fn pair(key: &str, value: Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue {
        key: key.to_owned(),
        value,
        ..Default::default()
    }
}
