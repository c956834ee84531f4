//! gRPC over HTTP/2: the status that decides is in the trailers, or in a head without a body.

use campanile_semconv::value;
use http::{HeaderMap, HeaderName, HeaderValue, header};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Whether a message with these headers is gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.is_some_and(|text| text.starts_with(b"application/grpc"))
}

/// The status in a head or in trailers, by its name; what is not a known number is `UNKNOWN`.
pub(crate) fn status(headers: &HeaderMap) -> Option<&'static str> {
    let text = headers.get(GRPC_STATUS)?.to_str().ok();
    let name = text.and_then(|text| value::GRPC_STATUS_CODES.get(text.parse::<usize>().ok()?));
    Some(name.copied().unwrap_or("UNKNOWN"))
}

/// Whether the status is the server's fault (semantic conventions, gRPC server spans).
pub(crate) fn is_server_error(name: &str) -> bool {
    matches!(
        name,
        "UNKNOWN"
            | "DEADLINE_EXCEEDED"
            | "UNIMPLEMENTED"
            | "INTERNAL"
            | "UNAVAILABLE"
            | "DATA_LOSS"
    )
}
