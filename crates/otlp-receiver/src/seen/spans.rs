//! Questions about spans: each narrows the answer down.

use std::ops::Deref;
use std::sync::Arc;

use super::is;
use crate::model::{Span, SpanId, SpanKind, TraceId, Value};

/// Some spans, in the order of arrival. Behaves as a slice.
///
/// ```no_run
/// # fn example(seen: campanile_otlp_receiver::Seen) {
/// let failed = seen.spans().named("GET /orders/{id}").with("http.response.status_code", 500);
/// assert_eq!(failed.len(), 1);
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Spans(Vec<Arc<Span>>);

impl Spans {
    pub(super) fn new(spans: Vec<Arc<Span>>) -> Self {
        Self(spans)
    }

    /// Keeps those for which `keep` is true.
    #[must_use]
    pub fn that(mut self, keep: impl Fn(&Span) -> bool) -> Self {
        self.0.retain(|span| keep(span));
        self
    }

    /// Keeps those of that name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.that(|span| span.name == name)
    }

    /// Keeps those with that attribute. The type counts: `200` is not `"200"`.
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.that(|span| is(span.attribute(key), &value))
    }

    /// Keeps those without an attribute of that key.
    #[must_use]
    pub fn without(self, key: &str) -> Self {
        self.that(|span| span.attribute(key).is_none())
    }

    /// Keeps those of one trace.
    #[must_use]
    pub fn of_trace(self, id: TraceId) -> Self {
        self.that(|span| span.trace_id == id)
    }

    /// Keeps those of that kind.
    #[must_use]
    pub fn of_kind(self, kind: SpanKind) -> Self {
        self.that(|span| span.kind == kind)
    }

    /// Keeps those of the service of that name.
    #[must_use]
    pub fn of_service(self, name: &str) -> Self {
        self.that(|span| span.resource.service_name() == name)
    }

    /// Keeps those whose parent is that span.
    #[must_use]
    pub fn children_of(self, parent: &Span) -> Self {
        let id = Some(parent.span_id);
        self.that(|span| span.parent_span_id == id && span.trace_id == parent.trace_id)
    }

    /// Keeps those that link to that span.
    #[must_use]
    pub fn linked_to(self, trace: TraceId, span: SpanId) -> Self {
        self.that(|from| {
            let mut links = from.links.iter();
            links.any(|link| link.trace_id == trace && link.span_id == span)
        })
    }

    /// Keeps those without a parent.
    #[must_use]
    pub fn roots(self) -> Self {
        self.that(Span::is_root)
    }

    /// Keeps those that ended with status Error.
    #[must_use]
    pub fn failed(self) -> Self {
        self.that(Span::is_error)
    }

    /// Returns the first, if any.
    pub fn first(&self) -> Option<Arc<Span>> {
        self.0.first().cloned()
    }

    /// Returns the one and only, or none when there is none or more than one.
    pub fn one(&self) -> Option<Arc<Span>> {
        match self.0.as_slice() {
            [span] => Some(Arc::clone(span)),
            _ => None,
        }
    }

    /// Returns them, once there are at least `count`.
    pub fn at_least(self, count: usize) -> Option<Self> {
        (self.0.len() >= count).then_some(self)
    }

    pub(super) fn into_vec(self) -> Vec<Arc<Span>> {
        self.0
    }
}

impl Deref for Spans {
    type Target = [Arc<Span>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl IntoIterator for Spans {
    type Item = Arc<Span>;
    type IntoIter = std::vec::IntoIter<Arc<Span>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
