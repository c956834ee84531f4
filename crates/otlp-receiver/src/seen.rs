//! A look at everything a receiver holds at one moment, to ask questions of.

mod logs;
mod metrics;
mod report;
mod spans;
mod trace;

pub use self::logs::Logs;
pub use self::metrics::Metrics;
pub use self::spans::Spans;
pub use self::trace::Trace;

use std::fmt;
use std::sync::Arc;

use crate::model::{LogRecord, Metric, Span, TraceId, Value};
use crate::stats::{Held, Traffic};

/// What a receiver held when [`Receiver::seen`](crate::Receiver::seen) was called.
///
/// Printed, it is a readable tree of it all.
#[derive(Clone, Debug)]
pub struct Seen {
    pub(crate) spans: Vec<Arc<Span>>,
    pub(crate) logs: Vec<Arc<LogRecord>>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) held: Held,
    pub(crate) traffic: Traffic,
}

impl Seen {
    /// Asks about spans.
    pub fn spans(&self) -> Spans {
        Spans::new(self.spans.clone())
    }

    /// Asks about log records and events.
    pub fn logs(&self) -> Logs {
        Logs::new(self.logs.clone())
    }

    /// Asks about the metric of that name.
    pub fn metric(&self, name: &str) -> Metrics {
        let metrics = self.metrics.iter().filter(|metric| metric.name() == name);
        Metrics::new(metrics.cloned().collect())
    }

    /// Asks about all metrics.
    pub fn metrics(&self) -> Metrics {
        Metrics::new(self.metrics.clone())
    }

    /// Returns the spans of one trace, as a tree.
    pub fn trace(&self, id: TraceId) -> Trace {
        Trace::new(id, self.spans().of_trace(id).into_vec())
    }

    /// Returns all traces, in the order in which their first spans arrived.
    pub fn traces(&self) -> Vec<Trace> {
        let mut ids: Vec<TraceId> = Vec::new();
        for span in &self.spans {
            if !ids.contains(&span.trace_id) {
                ids.push(span.trace_id);
            }
        }
        ids.into_iter().map(|id| self.trace(id)).collect()
    }

    /// Returns the spans whose parent is `span`, in the order of their start.
    pub fn children_of(&self, span: &Span) -> Spans {
        let children = self.trace(span.trace_id).children_of(span);
        Spans::new(children)
    }

    /// Returns what happened to requests so far.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        report::write(self, f)
    }
}

/// Says whether `value` is there and is what is wanted.
fn is(value: Option<&Value>, wanted: &Value) -> bool {
    value == Some(wanted)
}

#[cfg(test)]
pub(crate) mod tests;
