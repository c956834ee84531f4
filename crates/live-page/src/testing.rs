//! Spans for unit tests, made without a wire.

use std::sync::Arc;
use std::time::SystemTime;

use campanile_otlp_receiver::model::Status;
use campanile_otlp_receiver::{
    Attributes, Resource, Scope, Span, SpanId, SpanKind, TraceId, Value,
};

/// A span in the making.
pub(crate) struct Made {
    span: Span,
    attributes: Vec<(String, Value)>,
}

pub(crate) fn span(id: u8, name: &str) -> Made {
    let span = Span {
        seq: id.into(),
        received: SystemTime::UNIX_EPOCH,
        trace_id: TraceId([7; 16]),
        span_id: SpanId([id; 8]),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 1,
        name: name.to_owned(),
        kind: SpanKind::Internal,
        start_unix_nano: 0,
        end_unix_nano: 0,
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: Status::default(),
        resource: Arc::new(Resource {
            attributes: [("service.name", "chat-api")].into(),
            ..Resource::default()
        }),
        scope: Arc::new(Scope::default()),
    };
    Made {
        span,
        attributes: Vec::new(),
    }
}

impl Made {
    pub(crate) fn under(mut self, parent: u8) -> Self {
        self.span.parent_span_id = Some(SpanId([parent; 8]));
        self
    }

    /// Begins after `at` milliseconds and lasts `length` of them.
    pub(crate) fn at(mut self, at: u64, length: u64) -> Self {
        self.span.start_unix_nano = at * 1_000_000;
        self.span.end_unix_nano = (at + length) * 1_000_000;
        self
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.attributes.push((key.to_owned(), value.into()));
        self
    }

    pub(crate) fn arc(mut self) -> Arc<Span> {
        self.span.attributes = self.attributes.into_iter().collect();
        Arc::new(self.span)
    }
}
