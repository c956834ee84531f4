//! What to do with the trace context that a request brings.

/// How far the sender of a request is believed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Trust {
    /// Continue the caller's trace, as the W3C specification asks. The default.
    #[default]
    Continue,
    /// A public edge: start a new trace and link to the caller's span. What the caller carries is
    /// dropped, and it can neither force nor suppress sampling.
    PublicEdge,
    /// Behave as if the caller had sent nothing.
    Ignore,
}
