//! Short spans for events: something that has already happened when it is told.

use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;

/// A short root span, such as `websocket.connect`.
///
/// Nothing stays open for it: it is begun and ended in one call. Its links lead to what it
/// belongs to.
#[derive(Debug)]
pub struct Moment<'a> {
    /// The span's name, from `campanile_semconv::span`.
    pub name: &'static str,
    /// When it began.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// The spans it belongs to; invalid ones are left out.
    pub links: &'a [SpanContext],
    /// What is known about it.
    pub attributes: Vec<KeyValue>,
    /// The class of the error, when it failed: sets the status and `error.type`.
    pub error: Option<&'static str>,
}
