//! OTLP/HTTP: paths, content types, and answers in the encoding that the sender uses.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use super::body::{ACCEPTED, Packing};
use super::exchange::{Form, content_type};
use super::refusal::Refusal;
use super::reply::{Reply, ReplyBody};
use crate::decode::Rejected;
use crate::model::Signal;
use crate::stats::Transport;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Says which signal a path is for.
pub(super) fn signal(path: &str) -> Option<Signal> {
    match path {
        "/v1/traces" => Some(Signal::Traces),
        "/v1/metrics" => Some(Signal::Metrics),
        "/v1/logs" => Some(Signal::Logs),
        _ => None,
    }
}

/// Judges the head of a request.
pub(super) fn form(head: &Parts) -> Result<Form, Refusal> {
    let path = head.uri.path();
    let signal = signal(path).ok_or_else(|| {
        let path: String = path.chars().take(200).collect();
        let served = "/v1/traces, /v1/metrics and /v1/logs";
        Refusal::not_found(format!("nothing is served at {path:?}: expected {served}"))
    })?;
    if head.method != Method::POST {
        return Err(Refusal::method());
    }
    let transport = match content_type(head).as_str() {
        PROTOBUF => Transport::HttpProtobuf,
        #[cfg(feature = "json")]
        JSON => Transport::HttpJson,
        _ => {
            let expected = if cfg!(feature = "json") {
                "expected content type application/x-protobuf or application/json"
            } else {
                "expected content type application/x-protobuf"
            };
            return Err(Refusal::unsupported(expected));
        }
    };
    packing(head)?;
    Ok(Form { signal, transport })
}

fn packing(head: &Parts) -> Result<Packing, Refusal> {
    let value = head.headers.get(CONTENT_ENCODING);
    let name = value.map_or(Ok(""), HeaderValue::to_str);
    let packing = name.ok().and_then(Packing::named);
    packing.ok_or_else(|| Refusal::unsupported(format!("expected content encoding {ACCEPTED}")))
}

/// Unpacks a body.
pub(super) fn unpack(head: &Parts, bytes: Bytes, limit: usize) -> Result<Bytes, Refusal> {
    packing(head)?.unpack(bytes, limit)
}

/// Says in which encoding a request that cannot be served is answered: its own if it is protobuf, else JSON.
pub(super) fn answers_in(head: &Parts) -> Transport {
    match content_type(head).as_str() {
        PROTOBUF => Transport::HttpProtobuf,
        _ => Transport::HttpJson,
    }
}

/// Answers a request that was stored.
pub(super) fn accept(rejected: &Rejected, form: Form) -> Reply {
    let body = match form.transport {
        Transport::HttpJson => json_success(rejected, form.signal).into(),
        _ => super::grpc::success(rejected),
    };
    reply(StatusCode::OK, form.transport, body)
}

fn json_success(rejected: &Rejected, signal: Signal) -> String {
    if rejected.message.is_empty() && rejected.count == 0 {
        return "{}".to_owned();
    }
    let count = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    };
    let message = json_string(&rejected.message);
    format!(
        r#"{{"partialSuccess":{{"{count}":"{}","errorMessage":{message}}}}}"#,
        rejected.count
    )
}

/// Answers a request that was not stored, with a `google.rpc.Status`.
pub(super) fn refuse(refusal: &Refusal, transport: Transport) -> Reply {
    let body: Bytes = match transport {
        Transport::HttpJson => {
            let message = json_string(&refusal.message);
            format!(r#"{{"code":{},"message":{message}}}"#, refusal.grpc).into()
        }
        _ => refusal.to_status().into(),
    };
    let status = StatusCode::from_u16(refusal.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = reply(status, transport, body);
    let headers = reply.headers_mut();
    match refusal.http {
        405 => {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        415 => {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED));
        }
        _ => {}
    }
    if let Some(delay) = refusal.retry_after {
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// Answers with plain text, as Prometheus scrapes it.
pub(super) fn text(text: String) -> Reply {
    let mut reply = Response::new(ReplyBody::new(text));
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, format);
    reply
}

fn reply(status: StatusCode, transport: Transport, body: Bytes) -> Reply {
    let mut reply = Response::new(ReplyBody::new(body));
    *reply.status_mut() = status;
    let content_type = match transport {
        Transport::HttpJson => JSON,
        _ => PROTOBUF,
    };
    let content_type = HeaderValue::from_static(content_type);
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply
}

/// Writes a JSON string.
fn json_string(text: &str) -> String {
    use std::fmt::Write;

    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                json.push('\\');
                json.push(letter);
            }
            letter if letter < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(letter));
            }
            letter => json.push(letter),
        }
    }
    json.push('"');
    json
}
