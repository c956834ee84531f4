//! What was received, typed: spans, log records, metrics, and what produced them.
//!
//! These are types of our own. Nothing of the wire format shows through them, so that a new version of the
//! protocol crate is not a new version of every test.

mod id;
mod log;
mod metric;
mod point;
mod resource;
mod span;
mod value;

pub use self::id::{ParseIdError, SpanId, TraceId};
pub use self::log::LogRecord;
pub use self::metric::{Metric, MetricKind, Series, Temporality};
pub use self::point::{
    Buckets, Exemplar, ExponentialHistogram, Histogram, Number, Point, PointValue, Summary,
};
pub use self::resource::{Resource, Scope};
pub use self::span::{Event, Link, Span, SpanKind, Status, StatusCode};
pub use self::value::{Attributes, Value};

pub(crate) use self::metric::Instrument;

use std::time::{Duration, SystemTime};

/// Which of the three kinds of telemetry.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Metric points.
    Metrics,
    /// Log records.
    Logs,
}

impl Signal {
    /// All three, in the order of the specification.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// Names it as in a path: `traces`, `metrics` or `logs`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Turns nanoseconds since 1970 into a clock time.
pub(crate) fn system_time(unix_nano: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_nano)
}

/// Estimates what the allocator takes for that many bytes: its own word, rounding, and a least size.
pub(crate) const fn allocated(bytes: usize) -> usize {
    if bytes == 0 {
        return 0;
    }
    let rounded = (bytes + 8).next_multiple_of(16);
    if rounded < 32 { 32 } else { rounded }
}

#[cfg(test)]
mod tests;
