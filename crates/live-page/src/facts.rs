//! What a span or record says about itself, read in one place.

use campanile_otlp_receiver::{LogRecord, Span, SpanKind, Value};
use campanile_semconv::attribute as a;

/// Turns nanoseconds into milliseconds.
pub(crate) fn ms(unix_nano: u64) -> f64 {
    unix_nano as f64 / 1e6
}

pub(crate) fn start_ms(span: &Span) -> f64 {
    ms(span.start_unix_nano)
}

pub(crate) fn duration_ms(span: &Span) -> f64 {
    ms(span.end_unix_nano.saturating_sub(span.start_unix_nano))
}

pub(crate) fn log_ms(log: &LogRecord) -> f64 {
    match log.best_time_unix_nano() {
        // A record that does not know its time happened when it came, as far as anybody can tell.
        0 => log
            .received
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64() * 1000.0),
        nanos => ms(nanos),
    }
}

/// Says whether it failed: by its status, or because it names the class of its error.
pub(crate) fn failed(span: &Span) -> bool {
    span.is_error() || span.attributes.get(a::ERROR_TYPE).is_some()
}

/// The shortest word for how a failed span failed.
pub(crate) fn failure(span: &Span) -> Option<String> {
    failed(span).then(|| {
        match text(span, a::HTTP_RESPONSE_STATUS_CODE).or_else(|| text(span, a::ERROR_TYPE)) {
            Some(word) => word,
            None if !span.status.message.is_empty() => span.status.message.clone(),
            None => "error".to_owned(),
        }
    })
}

pub(crate) fn domain(span: &Span) -> Option<&str> {
    span.attributes.get_str(a::CAMPANILE_DOMAIN)
}

pub(crate) fn log_domain(log: &LogRecord) -> Option<&str> {
    log.attributes
        .get_str(a::CAMPANILE_DOMAIN)
        .or_else(|| log.attributes.get_str("domain"))
}

/// An attribute as text, whatever its type.
pub(crate) fn text(span: &Span, key: &str) -> Option<String> {
    span.attributes.get(key).map(ToString::to_string)
}

/// Shows a value as text; strings are not copied for it.
pub(crate) fn with_text(value: &Value, look: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::String(text) => look(text),
        Value::Empty => false,
        other => look(&other.to_string()),
    }
}

/// The method and route of a request: what RED is counted by. Both empty-handed, it is the span's name.
pub(crate) fn route(span: &Span) -> (&str, &str) {
    match span.attributes.get_str(a::HTTP_REQUEST_METHOD) {
        Some(method) => (
            method,
            span.attributes.get_str(a::HTTP_ROUTE).unwrap_or_default(),
        ),
        None => (&span.name, ""),
    }
}

pub(crate) fn is_request(span: &Span) -> bool {
    span.kind == SpanKind::Server
}

/// The colour class of a word: those of the four domains stand, others get one by hash, the same every time.
pub(crate) fn class_of(word: &str) -> &'static str {
    match word {
        "auth" => "auth",
        "chat" => "chat",
        "ws" | "websocket" => "ws",
        "voice" => "voice",
        "db" => "db",
        "cache" | "redis" => "cache",
        "" => "",
        other => {
            let hash = other.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            });
            ["chat", "auth", "ws", "voice"][(hash >> 32) as usize % 4]
        }
    }
}

/// The colour class of a span, if it says more than its service does.
pub(crate) fn own_class(span: &Span) -> Option<&'static str> {
    if let Some(domain) = domain(span) {
        return Some(class_of(domain));
    }
    let database = span
        .attributes
        .get_str(a::DB_SYSTEM_NAME)
        .or_else(|| span.attributes.get_str("db.system"));
    match database {
        Some("redis" | "valkey" | "memcached") => Some("cache"),
        Some(_) => Some("db"),
        None if span.name.starts_with("websocket.") => Some("ws"),
        None => None,
    }
}

/// The colour class of a span: what it says itself, else its service's. Who could have named a domain and did not has
/// none, as a colour by chance would claim one.
pub(crate) fn class(span: &Span) -> &'static str {
    own_class(span).unwrap_or_else(|| match span.attributes.get(a::CAMPANILE_OUTCOME) {
        Some(_) => "",
        None => class_of(span.resource.service_name()),
    })
}
