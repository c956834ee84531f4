//! The seam between the layers and a pipeline.
//!
//! A layer tells a [`Recorder`] what happened: an exchange began, it ended, a session event took
//! place. It knows no SDK. A pipeline implements [`Recorder`]; [`Stock`] does it over the plain
//! OpenTelemetry API and thereby over any SDK.
//!
//! Every beginning has one end: the layer holds an [`Exchange`], which ends itself when it is
//! dropped first.

mod exchange;
mod meter;
mod moment;
mod outcome;
mod recorder;
mod route;
mod seed;
mod stock;

pub use exchange::Exchange;
pub use meter::{Count, Counter, Gauge, Histogram, Meter, Record, UpDownCounter};
pub use moment::Moment;
pub use outcome::{End, Outcome, Phase};
pub use recorder::{Handle, Head, Recorder, Source, Started};
pub use route::{MAX_ROUTES, Method, Route, RouteKey};
pub use seed::Seed;
pub use stock::Stock;
