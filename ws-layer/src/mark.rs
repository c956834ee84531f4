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

    /// As stores and tokens keep it.
    pub(crate) fn to_bytes(self) -> [u8; 25] {
        let mut bytes = [0; 25];
        bytes[..16].copy_from_slice(&self.trace);
        bytes[16..24].copy_from_slice(&self.span);
        bytes[24] = self.flags;
        bytes
    }

    pub(crate) fn from_bytes(bytes: [u8; 25]) -> Self {
        let mut mark = Self::default();
        mark.trace.copy_from_slice(&bytes[..16]);
        mark.span.copy_from_slice(&bytes[16..24]);
        mark.flags = bytes[24];
        mark
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
