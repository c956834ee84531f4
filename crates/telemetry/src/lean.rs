//! The lean pipeline: spans become OTLP bytes once, as they end, on the thread that ends them.
//!
//! Behind the OpenTelemetry API stand a tracer and spans of our own. An ended span is written as
//! protobuf into the buffer of its thread; the export thread swaps buffers out, puts resource and
//! scope around them and sends them. Nothing is copied into records and encoded a second time, and
//! threads share nothing while they record.
//!
//! What is sampled, redacted, cut and counted is the same as on the stock path, over the SDK.

pub(crate) mod bridge;
#[cfg(any(test, feature = "differential"))]
pub mod differential;
mod ids;
pub(crate) mod metrics;
pub(crate) mod proto;
mod server;
mod span;
mod tracer;
pub(crate) mod values;

pub(crate) use self::server::Server;
pub(crate) use self::span::Span;
pub(crate) use self::tracer::{Tracer, TracerProvider};
