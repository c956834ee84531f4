//! W3C trace context and baggage: strict parse and write, and whom to trust.
//!
//! Text in, typed value out. A header that is not exactly what the specification asks for is
//! treated as absent; nothing here logs, allocates for a well-formed `traceparent`, or fails.
//!
//! ```
//! use campanile_propagation::{Extracted, extract};
//!
//! let mut headers = http::HeaderMap::new();
//! headers.insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
//! let Extracted { parent, .. } = extract(&headers);
//! assert!(parent.unwrap().is_sampled());
//! ```

mod baggage;
pub mod bearer;
mod bytes;
mod carried;
mod extract;
mod formats;
mod inject;
mod propagator;
mod task;
mod traceparent;
mod tracestate;
mod trust;
mod unread;

pub use baggage::{Baggage, BaggageMember, MAX_BYTES, MAX_MEMBERS};
pub use carried::Carried;
pub use extract::{Extracted, Lines, extract};
pub use formats::Formats;
pub use inject::{inject, inject_headers};
pub use propagator::W3cPropagator;
pub use task::{carry, carry_fn};
pub use traceparent::Parent;
pub use tracestate::TraceStateText;
pub use trust::Trust;
pub use unread::{LazyCarried, Unread};
