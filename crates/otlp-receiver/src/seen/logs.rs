//! Questions about log records: each narrows the answer down.

use std::ops::Deref;
use std::sync::Arc;

use super::is;
use crate::model::{LogRecord, Span, TraceId, Value};

/// Some log records, in the order of arrival. Behaves as a slice.
#[derive(Clone, Debug, Default)]
pub struct Logs(Vec<Arc<LogRecord>>);

impl Logs {
    pub(super) fn new(logs: Vec<Arc<LogRecord>>) -> Self {
        Self(logs)
    }

    /// Keeps those for which `keep` is true.
    #[must_use]
    pub fn that(mut self, keep: impl Fn(&LogRecord) -> bool) -> Self {
        self.0.retain(|log| keep(log));
        self
    }

    /// Keeps the events of that name.
    #[must_use]
    pub fn events(self, name: &str) -> Self {
        self.that(|log| log.event_name == name)
    }

    /// Keeps those whose body is a text that contains `part`.
    #[must_use]
    pub fn saying(self, part: &str) -> Self {
        self.that(|log| log.body.as_str().is_some_and(|body| body.contains(part)))
    }

    /// Keeps those with that attribute. The type counts: `200` is not `"200"`.
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.that(|log| is(log.attribute(key), &value))
    }

    /// Keeps those of that level: `trace`, `debug`, `info`, `warn`, `error` or `fatal`.
    #[must_use]
    pub fn at_level(self, level: &str) -> Self {
        self.that(|log| log.level() == level)
    }

    /// Keeps those of one trace.
    #[must_use]
    pub fn of_trace(self, id: TraceId) -> Self {
        self.that(|log| log.trace_id == Some(id))
    }

    /// Keeps those written within one span.
    #[must_use]
    pub fn of_span(self, span: &Span) -> Self {
        let id = Some(span.span_id);
        self.of_trace(span.trace_id).that(|log| log.span_id == id)
    }

    /// Keeps those of the service of that name.
    #[must_use]
    pub fn of_service(self, name: &str) -> Self {
        self.that(|log| log.resource.service_name() == name)
    }

    /// Returns the first, if any.
    pub fn first(&self) -> Option<Arc<LogRecord>> {
        self.0.first().cloned()
    }

    /// Returns the one and only, or none when there is none or more than one.
    pub fn one(&self) -> Option<Arc<LogRecord>> {
        match self.0.as_slice() {
            [log] => Some(Arc::clone(log)),
            _ => None,
        }
    }

    /// Returns them, once there are at least `count`.
    pub fn at_least(self, count: usize) -> Option<Self> {
        (self.0.len() >= count).then_some(self)
    }
}

impl Deref for Logs {
    type Target = [Arc<LogRecord>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl IntoIterator for Logs {
    type Item = Arc<LogRecord>;
    type IntoIter = std::vec::IntoIter<Arc<LogRecord>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
