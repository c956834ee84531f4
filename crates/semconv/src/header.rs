//! Names of the propagation headers.

/// W3C Trace Context: `traceparent`.
pub const TRACEPARENT: &str = "traceparent";

/// W3C Trace Context: `tracestate`.
pub const TRACESTATE: &str = "tracestate";

/// W3C Baggage: `baggage`.
pub const BAGGAGE: &str = "baggage";
