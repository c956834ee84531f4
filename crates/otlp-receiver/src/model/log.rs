//! Log records and events (a record with an event name).

use std::sync::Arc;
use std::time::SystemTime;

use super::{Attributes, Resource, Scope, SpanId, TraceId, Value, allocated};

/// One log record.
#[derive(Clone, Debug)]
pub struct LogRecord {
    /// Position in the order of arrival, over all signals; never repeats in one receiver.
    pub seq: u64,
    /// When it arrived here.
    pub received: SystemTime,
    /// When it happened, in nanoseconds since 1970; zero if unknown.
    pub time_unix_nano: u64,
    /// When the sender's collection system saw it, in nanoseconds since 1970.
    pub observed_time_unix_nano: u64,
    /// 1 to 24: trace 1, debug 5, info 9, warn 13, error 17, fatal 21; zero if not said.
    pub severity_number: i32,
    /// The source's own word for it, as `WARN`.
    pub severity_text: String,
    /// The event's name; empty for a plain record.
    pub event_name: String,
    /// The message.
    pub body: Value,
    /// Its attributes.
    pub attributes: Attributes,
    /// Attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// W3C trace flags in the low 8 bits.
    pub flags: u32,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// The span it belongs to.
    pub span_id: Option<SpanId>,
    /// The process it comes from.
    pub resource: Arc<Resource>,
    /// The library that made it.
    pub scope: Arc<Scope>,
}

impl LogRecord {
    /// Returns the best known time: when it happened, else when it was observed.
    pub fn best_time_unix_nano(&self) -> u64 {
        match self.time_unix_nano {
            0 => self.observed_time_unix_nano,
            time => time,
        }
    }

    /// Returns the value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.get(key)
    }

    /// Names the level by its number (`trace`, `debug`, `info`, `warn`, `error`, `fatal`), else by its text.
    pub fn level(&self) -> &str {
        match self.severity_number {
            1..=4 => "trace",
            5..=8 => "debug",
            9..=12 => "info",
            13..=16 => "warn",
            17..=20 => "error",
            21..=24 => "fatal",
            _ => &self.severity_text,
        }
    }

    /// Estimates what it occupies, without the shared resource and scope.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + allocated(self.severity_text.capacity())
            + allocated(self.event_name.capacity())
            + self.body.heap_bytes()
            + self.attributes.heap_bytes()
    }
}
