//! A span's identity in 25 bytes: what a connection keeps instead of a span.

use opentelemetry::trace::{SpanContext, TraceState};
use opentelemetry::{SpanId, TraceFlags, TraceId};

/// Trace id, span id and flags. A live span held by a long-lived socket would keep its attributes
/// and its whole trace in memory; this keeps what a link needs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Mark {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

impl Mark {
    pub(crate) fn of(context: &SpanContext) -> Self {
        Self {
            trace: context.trace_id().to_bytes(),
            span: context.span_id().to_bytes(),
            flags: context.trace_flags().to_u8(),
        }
    }

    /// The span as a link's target; not valid when there was none.
    pub(crate) fn to_span_context(self) -> SpanContext {
        SpanContext::new(
            TraceId::from_bytes(self.trace),
            SpanId::from_bytes(self.span),
            TraceFlags::new(self.flags),
            false,
            TraceState::NONE,
        )
    }
}
