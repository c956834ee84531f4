//! An OTLP server as a library: traces, metrics and logs over gRPC and HTTP, kept in bounded memory.
//!
//! It is made for tests of telemetry, whoever emits it, and for pages that show what was received. It depends on none
//! of the other Campanile crates, as it has to be able to judge them.
//!
//! Start one with [`Receiver::start`], point an exporter at [`Receiver::grpc_endpoint`] or
//! [`Receiver::http_endpoint`], then ask it: [`Receiver::spans`], [`Receiver::metrics`], [`Receiver::logs`].

mod base64;
mod builder;
mod changes;
#[cfg(feature = "contract")]
pub mod contract;
mod decode;
mod expect;
pub mod fault;
#[doc(hidden)]
pub mod fuzzing;
pub mod model;
pub mod prometheus;
mod proto;
mod receiver;
mod seen;
mod server;
mod shared;
mod stats;
mod store;
mod wait;

pub use self::builder::Builder;
pub use self::changes::Changes;
pub use self::expect::{Difference, Golden};
pub use self::fault::{Fault, Gate, Network};
pub use self::model::{
    Attributes, LogRecord, Metric, MetricKind, Resource, Scope, Signal, Span, SpanId, SpanKind,
    StatusCode, TraceId, Value,
};
pub use self::receiver::Receiver;
pub use self::seen::{Logs, Metrics, Seen, Spans, Trace};
#[cfg(feature = "tls")]
pub use self::server::Tls;
pub use self::stats::{Counts, Held, Refusal, Traffic, Transport};
pub use self::wait::{WaitError, WaitFor};
