//! What travels beside the parent, as the sender's own text.

use opentelemetry::Context;

use crate::{Baggage, TraceStateText, bearer};

/// The sender's `tracestate` and `baggage`, and its random flag.
///
/// They travel beside the OpenTelemetry API's own `TraceState` and `Baggage`, which cannot hold
/// everything that the specifications allow: as a value of the context, or inside a span that
/// answers for them ([`bearer`]).
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

    /// What `context` carries: its value, else what its span carries; `None` when that is nothing.
    pub fn of(context: &Context) -> Option<Self> {
        let found = match context.get::<Self>() {
            Some(carried) => Some(carried.clone()),
            None => bearer::ask(context),
        };
        found.filter(|carried| !carried.is_empty())
    }
}
