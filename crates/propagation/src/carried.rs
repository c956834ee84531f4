//! What travels beside the parent, as the sender's own text.

use http::HeaderValue;
use opentelemetry::Context;

/// The sender's `tracestate`, carried on untouched.
///
/// It is kept as a value of the OpenTelemetry context, because the API's own `TraceState` cannot
/// hold every list that Level 2 allows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Carried {
    /// The `tracestate` header; several lines are joined by a comma.
    pub tracestate: Option<HeaderValue>,
}

impl Carried {
    /// Whether there is nothing to carry.
    pub fn is_empty(&self) -> bool {
        self.tracestate.is_none()
    }

    /// What `context` carries.
    pub fn of(context: &Context) -> Option<&Self> {
        context.get::<Self>()
    }
}
