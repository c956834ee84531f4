//! Names of the propagation headers.

/// W3C Trace Context: `traceparent`.
pub const TRACEPARENT: &str = "traceparent";

/// W3C Trace Context: `tracestate`.
pub const TRACESTATE: &str = "tracestate";

/// W3C Baggage: `baggage`.
pub const BAGGAGE: &str = "baggage";

/// Wire contract `wsobs.v1`, request: `new`, or a resume token and the last message that was
/// received (`<token>;seq=<n>`).
pub const WS_RESUME: &str = "ws-resume";

/// Wire contract `wsobs.v1`, response: `welcome` says that the first frame will be one.
pub const WS_SESSION: &str = "ws-session";
