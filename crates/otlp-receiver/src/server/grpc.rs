//! OTLP/gRPC, the little of it that a unary call needs: one framed message each way, and a status in the trailers.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Version};
use prost::Message;

use super::body::{ACCEPTED, Packing};
use super::exchange::Form;
use super::refusal::Refusal;
use super::reply::{Reply, ReplyBody};
use crate::base64;
use crate::decode::Rejected;
use crate::model::Signal;
use crate::stats::Transport;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Bytes before a message: whether it is packed, and its length.
const PREFIX: usize = 5;

fn signal(path: &str) -> Option<Signal> {
    match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Signal::Traces),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(Signal::Metrics),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Signal::Logs),
        _ => None,
    }
}

/// Judges the head of a call.
pub(super) fn form(head: &Parts) -> Result<Form, Refusal> {
    if head.version != Version::HTTP_2 {
        return Err(Refusal::malformed("gRPC needs HTTP/2"));
    }
    if head.method != Method::POST {
        return Err(Refusal::method());
    }
    let path = head.uri.path();
    let signal = signal(path).ok_or_else(|| {
        let path: String = path.chars().take(200).collect();
        Refusal::not_found(format!("no such method: {path:?}"))
    })?;
    let transport = Transport::Grpc;
    Ok(Form { signal, transport })
}

/// Takes the one message out of its frame, and unpacks it.
pub(super) fn unpack(head: &Parts, mut body: Bytes, limit: usize) -> Result<Bytes, Refusal> {
    let &[packed, a, b, c, d, ..] = body.as_ref() else {
        let missing = "a gRPC message begins with 5 bytes of prefix";
        return Err(Refusal::malformed(format!("{missing}, got {}", body.len())));
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > limit {
        return Err(Refusal::too_large(limit));
    }
    let message = body.split_off(PREFIX);
    if message.len() != length {
        let got = message.len();
        let expected = format!("expected one gRPC message of {length} bytes, got {got}");
        return Err(Refusal::malformed(expected));
    }
    match packed {
        0 => Ok(message),
        1 => packing(head)?.unpack(message, limit),
        _ => Err(Refusal::malformed(
            "the compressed flag of a gRPC message is 0 or 1",
        )),
    }
}

fn packing(head: &Parts) -> Result<Packing, Refusal> {
    let value = head.headers.get(ENCODING);
    let name = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match Packing::named(name) {
        Some(Packing::Plain) => Err(Refusal::malformed(
            "the gRPC message is flagged as compressed, but grpc-encoding does not say how",
        )),
        Some(packing) => Ok(packing),
        None => Err(Refusal::unsupported(format!(
            "expected grpc-encoding {ACCEPTED}"
        ))),
    }
}

/// Writes the answer to an export: `partial_success` has the same shape for all signals.
pub(super) fn success(rejected: &Rejected) -> Bytes {
    let nothing = rejected.count == 0 && rejected.message.is_empty();
    let partial_success = (!nothing).then(|| PartialSuccess {
        rejected: i64::try_from(rejected.count).unwrap_or(i64::MAX),
        message: rejected.message.clone(),
    });
    ExportResponse { partial_success }.encode_to_vec().into()
}

/// Answers a call that was stored.
pub(super) fn accept(rejected: &Rejected) -> Reply {
    let message = success(rejected);
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put(message);
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    reply(ReplyBody::new(framed.freeze()).with_trailers(trailers))
}

/// Answers a call that was not stored: headers that are trailers at the same time.
pub(super) fn refuse(refusal: &Refusal) -> Reply {
    let mut reply = reply(ReplyBody::default());
    let headers = reply.headers_mut();
    headers.insert(STATUS, HeaderValue::from(refusal.grpc));
    if let Ok(message) = HeaderValue::from_str(&percent_encoded(&refusal.message)) {
        headers.insert(MESSAGE, message);
    }
    if refusal.retry_after.is_some()
        && let Ok(details) = HeaderValue::from_str(&base64::encode(&refusal.to_status()))
    {
        headers.insert(DETAILS, details);
    }
    reply
}

fn reply(body: ReplyBody) -> Reply {
    let mut reply = Response::new(body);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED));
    reply
}

/// Writes a message as gRPC wants it in a header: printable ASCII stays, `%` and everything else is `%XX`.
fn percent_encoded(message: &str) -> String {
    use std::fmt::Write;

    let mut text = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

/// `ExportTraceServiceResponse`, and those of the other signals.
#[derive(Clone, PartialEq, prost::Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    message: String,
}
