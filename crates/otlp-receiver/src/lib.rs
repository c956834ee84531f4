//! An OTLP server as a library: traces, metrics and logs over gRPC and HTTP, kept in bounded memory.
//!
//! It is made for tests of telemetry, whoever emits it, and for pages that show what was received. It depends on none
//! of the other Campanile crates, as it has to be able to judge them.
//!
//! Start one with [`Receiver::start`] and point an exporter at [`Receiver::grpc_endpoint`] or
//! [`Receiver::http_endpoint`]. Then:
//!
//! - wait: [`Receiver::wait_for`] ends when the answer is there, and fails with a tree of what did arrive;
//! - ask: [`Receiver::seen`] answers questions about [`Spans`], [`Metrics`], [`Logs`] and whole [`Trace`]s;
//! - compare: [`Span::assert_has`], [`Trace::assert_outline`] and [`Golden`] files say what differs;
//! - break it: [`Receiver::faults`] and [`Receiver::set_network`] do what collectors do on bad days;
//! - hold it to its word: `contract` (a feature) checks names, types and conventions;
//! - scrape it: `GET /metrics` on the HTTP port is [`prometheus`] text.
//!
//! ```
//! use campanile_otlp_receiver::Receiver;
//!
//! # async fn export_to(_endpoint: &str) {}
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let receiver = Receiver::start().await?;
//! export_to(receiver.grpc_endpoint()).await;
//!
//! let span = receiver.wait_for_span("GET /orders/{id}").await?;
//! span.assert_has([("http.response.status_code", 200)]);
//! assert!(receiver.seen().children_of(&span).failed().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `json` | on | OTLP/HTTP in JSON |
//! | `zstd` | on | requests packed with zstd (compiles some C) |
//! | `tls` | off | TLS on the ports, with certificates made on the spot |
//! | `contract` | off | the contract check |

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
