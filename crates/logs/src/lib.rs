//! JSON log lines with trace and span ids.
//!
//! [`Lines`] is a layer for `tracing_subscriber`: one JSON object for each event, the same fields
//! in the same order, no key twice, whatever the values hold. The ids come from the OpenTelemetry
//! context, so a line inside a request names its trace without any field being declared.
//!
//! A line has `timestamp` (RFC 3339, UTC, microseconds), `level`, `service`, `domain`, `trace_id`,
//! `span_id`, `trace_sampled`, `request_id`, `event`, `outcome`, `message`, `target`, then the
//! event's own fields. Those named here are always there, `null` when unknown; the event's own
//! are there when they were given.
//!
//! ```
//! use campanile_logs::{Lines, Sink};
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! let (sink, captured) = Sink::captured();
//! let subscriber = tracing_subscriber::registry().with(Lines::new("shop", sink));
//! tracing::subscriber::with_default(subscriber, || tracing::info!(items = 3, "sold"));
//!
//! let line: serde_json::Value = serde_json::from_str(&captured.text()).unwrap();
//! assert_eq!(line["service"], "shop");
//! assert_eq!(line["message"], "sold");
//! assert_eq!(line["items"], 3);
//! ```

pub mod audit;
mod events;
mod filter;
mod json;
mod lines;
mod panics;
mod sink;
mod tasks;
mod time;
mod writer;

#[doc(hidden)]
pub use events::private as events_private;
pub use events::{Declaration, DeclaredField};
pub use filter::{FilterError, LogFilter};
pub use lines::{Format, Lines, SpanContexts, UnknownFormat};
pub use panics::tell_panic;
pub use sink::{Captured, FlushOnDrop, Sink};
pub use tasks::{Carried, JoinSet, carried, spawn, spawn_blocking};
pub use time::rfc3339;
