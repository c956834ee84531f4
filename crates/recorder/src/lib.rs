//! The seam between the layers and a pipeline.
//!
//! A layer tells a [`Recorder`] what happened: an exchange began, it ended, a session event took
//! place. It knows no SDK. A pipeline implements [`Recorder`]; [`Stock`] does it over the plain
//! OpenTelemetry API and thereby over any SDK.
//!
//! Every beginning has one end: the layer holds an [`Exchange`], which ends itself when it is
//! dropped first.

mod access;
mod authority;
mod call;
mod exchange;
mod fault;
mod log_attributes;
mod meter;
mod moment;
mod outcome;
mod recorder;
mod request_id;
mod route;
mod seed;
mod series;
mod server_metrics;
mod stock;
mod target;
mod tick;

pub use access::AccessLog;
pub use call::{Answer, Call, CallEnd, CallHead, CallOutcome, StartedCall};
pub use exchange::{Exchange, Owner};
pub use fault::Fault;
pub use log_attributes::LogAttributes;
pub use meter::{Count, Counter, Gauge, Histogram, Meter, Record, UpDownCounter};
pub use moment::Moment;
pub use outcome::{End, Outcome, Phase, Sizes};
pub use recorder::{Caller, Handle, Head, HeadMore, Recorder, Source, Started, Tracing};
pub use request_id::RequestId;
pub use route::{MAX_ROUTES, Method, Route, RouteKey, RouteScope};
pub use seed::Seed;
pub use server_metrics::ServerMetrics;
pub use stock::{Stock, StockMeter};
pub use target::{MAX_TARGETS, Target};
pub use tick::Tick;
