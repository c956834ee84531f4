//! OTLP/HTTP with protobuf.

use std::error::Error;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request};

use super::body::{Chunks, read};
use super::client::Client;
use super::{Destination, Failure, Verdict, compress};
use crate::pipeline::wire;

/// Our name, as the specification of exporters asks for.
pub(super) const AGENT: &str = concat!("OTel-OTLP-Exporter-Campanile/", env!("CARGO_PKG_VERSION"));

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

pub(super) async fn send(client: &Client, destination: &Destination, request: Bytes) -> Verdict {
    let (body, coding) = compress(request, destination.compression);
    let mut post = Request::new(Chunks::new([body]));
    *post.method_mut() = http::Method::POST;
    *post.uri_mut() = destination.endpoint.uri().clone();
    let headers = post.headers_mut();
    headers.extend(destination.headers.clone());
    headers.insert(CONTENT_TYPE, PROTOBUF);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(coding) = coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }

    let response = match client.request(post).await {
        Ok(response) => response,
        Err(error) => return transport(&error),
    };
    let (head, body) = response.into_parts();
    let answer = match read(body).await {
        Ok((answer, _)) => answer,
        Err(error) => return Verdict::Retry(Failure::transport(&error)),
    };
    if head.status.is_success() {
        let protobuf = head
            .headers
            .get(CONTENT_TYPE)
            .is_none_or(|value| value.as_bytes().starts_with(PROTOBUF.as_bytes()));
        let (rejected, message) = if protobuf {
            wire::partial_success(&answer)
        } else {
            (0, None)
        };
        return Verdict::Delivered { rejected, message };
    }
    let status = head.status;
    let said = said(&head.headers, &answer);
    let failure = Failure::new("http_status", format!("HTTP {status}{said}"))
        .after(retry_after(&head.headers));
    match status.as_u16() {
        429 | 502 | 503 | 504 => Verdict::Retry(failure),
        413 => Verdict::TooLarge(failure),
        404 | 405 | 415 | 426 => Verdict::WrongProtocol(failure),
        _ => Verdict::Refused(failure),
    }
}

/// A failure before any answer. What a gRPC server sends first cannot be read as HTTP/1.
fn transport(error: &(dyn Error + 'static)) -> Verdict {
    let failure = Failure::transport(error);
    let mut cause = error.source();
    while let Some(current) = cause {
        if current
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
        {
            return Verdict::WrongProtocol(failure);
        }
        cause = current.source();
    }
    Verdict::Retry(failure)
}

/// What the server says about a failure: the message of a `google.rpc.Status`, or short text.
fn said(headers: &HeaderMap, answer: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = if headers.get(CONTENT_TYPE) == Some(&PROTOBUF) {
        let fields = wire::fields(answer).unwrap_or_default();
        let message = fields.iter().find(|field| field.number == 2);
        message
            .and_then(|field| field.value.bytes())
            .unwrap_or_default()
    } else {
        answer
    };
    let text = String::from_utf8_lossy(text);
    let text: String = text.trim().chars().take(LONGEST).collect();
    if text.is_empty() {
        text
    } else {
        format!(": {text}")
    }
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}
