//! What travels beside the parent, as the sender's own text.

use opentelemetry::Context;

use crate::{Baggage, TraceStateText};

/// The sender's `tracestate` and `baggage`, and its random flag.
///
/// They are kept as a value of the OpenTelemetry context: the API's own `TraceState` and `Baggage`
/// cannot hold everything that the specifications allow.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Carried {
    /// The `tracestate`; absent without a valid parent.
    pub tracestate: Option<TraceStateText>,
    /// The `baggage`; independent of the parent.
    pub baggage: Baggage,
    /// Whether the last seven bytes of the trace id are random (Level 2). SDKs do not keep this
    /// flag, so it travels here and goes out again with every `traceparent` of the trace.
    pub random: bool,
}

impl Carried {
    /// Whether there is nothing to carry.
    pub fn is_empty(&self) -> bool {
        self.tracestate.is_none() && self.baggage.is_empty() && !self.random
    }

    /// What `context` carries.
    pub fn of(context: &Context) -> Option<&Self> {
        context.get::<Self>()
    }
}
