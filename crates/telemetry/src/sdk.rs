//! The SDK's side: what it hands over goes straight into the lanes.
//!
//! None of this waits, encodes or speaks to a network; the SDK's own batch processors and
//! exporters are not used.

mod audit;
mod logs;
mod metrics;
mod spans;

pub(crate) use self::audit::Audit;
pub(crate) use self::logs::Logs;
pub(crate) use self::metrics::Metrics;
pub(crate) use self::spans::Spans;
