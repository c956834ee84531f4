//! OTLP/gRPC: one unary call over HTTP/2.
//!
//! A call is a `POST` whose body is one length-prefixed message, and whose verdict stands in the
//! trailers (gRPC over HTTP/2, "Requests" and "Responses"). That is little enough to say here;
//! it keeps the bytes uncopied, the causes whole, and one client for both transports.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};

use super::body::{Chunks, read};
use super::client::Client;
use super::{Destination, Failure, Verdict, compress};
use crate::Signal;
use crate::pipeline::wire;
use campanile_semconv::value;

/// The methods of the three services.
const fn method(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

pub(super) async fn send(
    client: &Client,
    signal: Signal,
    destination: &Destination,
    request: Bytes,
) -> Verdict {
    let (message, coding) = compress(request, destination.compression);
    let mut prefix = BytesMut::with_capacity(5);
    prefix.put_u8(u8::from(coding.is_some()));
    prefix.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    let mut call = Request::new(Chunks::new([prefix.freeze(), message]));
    *call.method_mut() = http::Method::POST;
    *call.uri_mut() = destination.endpoint.join(method(signal)).uri().clone();
    *call.version_mut() = http::Version::HTTP_2;
    let headers = call.headers_mut();
    headers.extend(destination.headers.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(USER_AGENT, HeaderValue::from_static(super::http::AGENT));
    if let Some(coding) = coding {
        headers.insert("grpc-encoding", HeaderValue::from_static(coding));
    }
    let millis = destination.timeout.as_millis().min(99_999_999);
    if let Ok(value) = HeaderValue::from_str(&format!("{millis}m")) {
        headers.insert("grpc-timeout", value);
    }

    let response = match client.request(call).await {
        Ok(response) => response,
        Err(error) => return transport(&error),
    };
    let (head, body) = response.into_parts();
    let (answer, trailers) = match read(body).await {
        Ok(read) => read,
        Err(error) => return transport(&error),
    };
    let grpc = head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if !grpc {
        return not_grpc(head.status);
    }
    let trailers = trailers.unwrap_or(head.headers);
    let code = trailers
        .get("grpc-status")
        .and_then(|code| code.to_str().ok()?.parse::<u8>().ok());
    match code {
        Some(0) => {
            // Five bytes of prefix, then the message. A compressed answer cannot be: we offer none.
            let (rejected, message) = wire::partial_success(answer.get(5..).unwrap_or_default());
            Verdict::Delivered { rejected, message }
        }
        Some(code) => failed(code, &trailers),
        None => Verdict::Retry(Failure::new(
            "transport",
            "the answer ended without a gRPC status",
        )),
    }
}

/// A failure before any gRPC status.
fn transport(error: &(dyn Error + 'static)) -> Verdict {
    let failure = Failure::transport(error);
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        // What an HTTP/1 server sends back reads as a nonsense frame.
        if let Some(h2) = current.downcast_ref::<h2::Error>() {
            let nonsense = matches!(
                h2.reason(),
                Some(h2::Reason::FRAME_SIZE_ERROR | h2::Reason::HTTP_1_1_REQUIRED)
            );
            if nonsense || (h2.is_library() && h2.reason() == Some(h2::Reason::PROTOCOL_ERROR)) {
                return Verdict::WrongProtocol(failure);
            }
        }
        cause = current.source();
    }
    Verdict::Retry(failure)
}

/// An HTTP answer that is no gRPC answer.
fn not_grpc(status: StatusCode) -> Verdict {
    let failure = Failure::new(
        "not_grpc",
        format!("HTTP {status} from something that does not speak gRPC"),
    );
    match status.as_u16() {
        429 | 502 | 503 | 504 => Verdict::Retry(failure),
        401 | 403 => Verdict::Refused(failure),
        _ => Verdict::WrongProtocol(failure),
    }
}

/// A gRPC status other than OK (OTLP, "Failures": which codes are worth a retry).
fn failed(code: u8, trailers: &HeaderMap) -> Verdict {
    let name = name(code);
    let message = trailers
        .get("grpc-message")
        .map(|message| percent_decoded(message.as_bytes()))
        .unwrap_or_default();
    let hint = trailers
        .get("grpc-status-details-bin")
        .and_then(|details| retry_info(details.as_bytes()));
    let shown = if message.is_empty() {
        format!("gRPC {name}")
    } else {
        format!("gRPC {name}: {message}")
    };
    let failure = Failure::new(name, shown).after(hint);
    let lower = message.to_ascii_lowercase();
    let about_size = ["larger than", "too large", "message size"]
        .iter()
        .any(|words| lower.contains(words))
        || (lower.contains("exceed") && lower.contains("bytes"));
    match name {
        "OUT_OF_RANGE" | "RESOURCE_EXHAUSTED" if about_size => Verdict::TooLarge(failure),
        "RESOURCE_EXHAUSTED" if hint.is_none() => Verdict::Refused(failure),
        "CANCELLED" | "DEADLINE_EXCEEDED" | "RESOURCE_EXHAUSTED" | "ABORTED" | "OUT_OF_RANGE"
        | "UNAVAILABLE" | "DATA_LOSS" => Verdict::Retry(failure),
        "UNIMPLEMENTED" => Verdict::WrongProtocol(failure),
        _ => Verdict::Refused(failure),
    }
}

fn name(code: u8) -> &'static str {
    let name = value::GRPC_STATUS_CODES.get(usize::from(code)).copied();
    name.unwrap_or("UNKNOWN")
}

/// `RetryInfo.retry_delay` out of a `google.rpc.Status`.
fn retry_info(details: &[u8]) -> Option<Duration> {
    let status = base64(details)?;
    for field in wire::fields(&status)? {
        let Some(any) = field.value.bytes().filter(|_| field.number == 3) else {
            continue;
        };
        let any = wire::fields(any)?;
        let part = |number| {
            any.iter()
                .find(|field| field.number == number)?
                .value
                .bytes()
        };
        if part(1).is_some_and(|url| url.ends_with(b"google.rpc.RetryInfo")) {
            return delay(part(2).unwrap_or_default());
        }
    }
    None
}

/// A `google.protobuf.Duration` in field 1.
fn delay(retry_info: &[u8]) -> Option<Duration> {
    let fields = wire::fields(retry_info)?;
    let duration = fields
        .iter()
        .find(|field| field.number == 1)?
        .value
        .bytes()?;
    let duration = wire::fields(duration)?;
    let part = |number| {
        let field = duration.iter().find(|field| field.number == number);
        field.and_then(|field| field.value.varint()).unwrap_or(0)
    };
    let seconds = u64::try_from(part(1) as i64).ok()?;
    let nanos = u32::try_from(part(2))
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos))
}

/// Base64 with or without padding, as binary metadata comes.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut buffer = 0u32;
    let mut bits = 0;
    for &byte in text.iter().filter(|byte| **byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((buffer >> bits) as u8);
        }
    }
    Some(out)
}

fn percent_decoded(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let hex = |at: usize| (*tail.get(at)? as char).to_digit(16);
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                rest = &tail[2..];
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
