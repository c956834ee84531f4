//! Log lines by one contract: correlated, redacted, written without making anybody wait.
//!
//! [`Lines`] is a layer for `tracing_subscriber`: one JSON object for each event, the same fields
//! in the same order, no key twice, whatever the values hold; or, for a terminal, short readable
//! text. The ids come from the OpenTelemetry context, so a line inside a request names its trace
//! without any field being declared. A [`Sink`] writes them, [`LogFilter`] says which there are.
//!
//! A line has `timestamp` (RFC 3339, UTC, microseconds), `level`, `service`, `domain`, `trace_id`,
//! `span_id`, `trace_sampled`, `request_id`, `event`, `outcome`, `message`, `target`, then the
//! event's own fields, then span fields that were allowed by name, then allowed baggage. Those named
//! here are always there, `null` when unknown; the others are there when they were given.
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
//!
//! Each part works alone in a subscriber of one's own, beside any trace bridge:
//!
//! ```
//! use std::time::Duration;
//!
//! use campanile_logs::{Lines, LogFilter, Sink};
//! use tracing_subscriber::layer::SubscriberExt;
//! # let tracer = opentelemetry::trace::noop::NoopTracer::new();
//!
//! let filter = LogFilter::new("info,hyper=warn")?;
//! let sink = Sink::stderr();
//! let _flushed_at_the_end = sink.flush_on_drop(Duration::from_secs(1));
//! let subscriber = tracing_subscriber::registry()
//!     .with(filter.clone())
//!     .with(Lines::new("shop", sink).with_span_contexts(tracing_opentelemetry::get_otel_context))
//!     .with(tracing_opentelemetry::layer().with_tracer(tracer));
//! tracing::subscriber::with_default(subscriber, || {
//!     let far = tracing::info_span!("far");
//!     tracing::info!(parent: &far, "has the ids of its span");
//!     filter.set("debug")?;
//!     Ok(())
//! })
//! # .map_err(|error: campanile_logs::FilterError| error)
//! # ?; Ok::<(), campanile_logs::FilterError>(())
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
