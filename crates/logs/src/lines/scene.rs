//! Where an event belongs: its trace, its exchange, and what its spans pass on.

use std::fmt;
use std::sync::Arc;

use campanile_recorder::{LogAttributes, RequestId, Route};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing::Dispatch;
use tracing::field::{Field, Visit};
use tracing::span;

use super::fields::Chain;
use super::template::Known;

/// Finds the OpenTelemetry context of a `tracing` span. `tracing_opentelemetry::get_otel_context`
/// is one.
pub type SpanContexts = fn(&span::Id, &Dispatch) -> Option<Context>;

/// What is known about an event beside its own fields. It owns everything, as neither the context
/// nor a span may be held on to while foreign code formats the fields.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) span: Option<SpanIds>,
    pub(super) domain: Option<Domain>,
    pub(super) request_id: Option<Id>,
    pub(super) carried: Option<LogAttributes>,
    /// Fields of spans that were allowed by name, the innermost span's first.
    pub(super) span_fields: Vec<(&'static str, Value)>,
}

/// The ids of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct SpanIds {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    pub(super) is_sampled: bool,
}

#[derive(Debug)]
pub(super) enum Domain {
    Route(&'static str),
    Span(Arc<str>),
}

impl Domain {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Route(text) => text,
            Self::Span(text) => text,
        }
    }
}

#[derive(Debug)]
pub(super) enum Id {
    Exchange(RequestId),
    Span(Arc<str>),
}

impl Id {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Exchange(id) => id.as_str(),
            Self::Span(text) => text,
        }
    }
}

impl Scene {
    /// Takes what the OpenTelemetry context of the event knows.
    pub(super) fn read(&mut self, context: &Context) {
        if context.has_active_span() {
            let span = context.span();
            self.span = SpanIds::of(span.span_context());
        }
        if self.request_id.is_none() {
            self.request_id = RequestId::of(context).cloned().map(Id::Exchange);
        }
        self.carried = LogAttributes::of(context).cloned();
    }

    /// Takes the domain of the exchange that is under way on this thread.
    pub(super) fn read_route(&mut self) {
        if self.domain.is_none() {
            self.domain = Route::current().and_then(Route::domain).map(Domain::Route);
        }
    }

    /// Takes what a span passes on; inner spans come first and win.
    pub(super) fn take(&mut self, passed: &Passed, wanted: &[String]) {
        if self.domain.is_none() {
            self.domain = passed.domain.clone().map(Domain::Span);
        }
        if self.request_id.is_none() {
            self.request_id = passed.request_id.clone().map(Id::Span);
        }
        for (name, value) in &passed.fields {
            if wanted.iter().any(|wanted| wanted == name) {
                self.span_fields.push((name, value.clone()));
            }
        }
    }
}

impl SpanIds {
    fn of(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| Self {
            trace: span.trace_id().to_bytes(),
            span: span.span_id().to_bytes(),
            is_sampled: span.is_sampled(),
        })
    }
}

/// A value of a span's field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(Arc<str>),
    Int(i64),
    Uint(u64),
    Float(f64),
    Bool(bool),
}

/// What a span passes on to the lines inside it. It is kept with the span, unformatted: several
/// layers may read it.
#[derive(Debug, Default)]
pub(super) struct Passed {
    domain: Option<Arc<str>>,
    request_id: Option<Arc<str>>,
    fields: Vec<(&'static str, Value)>,
}

impl Passed {
    /// Reads what `record` visits; none when nothing of it is passed on.
    pub(super) fn of(wanted: &[String], record: impl FnOnce(&mut dyn Visit)) -> Option<Self> {
        let mut passed = Self::default();
        record(&mut Filter {
            wanted,
            passed: &mut passed,
        });
        let is_any =
            passed.domain.is_some() || passed.request_id.is_some() || !passed.fields.is_empty();
        is_any.then_some(passed)
    }

    /// Takes over what `newer` has.
    pub(super) fn update(&mut self, newer: Self) {
        self.domain = newer.domain.or(self.domain.take());
        self.request_id = newer.request_id.or(self.request_id.take());
        for (name, value) in newer.fields {
            match self.fields.iter_mut().find(|(old, _)| *old == name) {
                Some(old) => old.1 = value,
                None => self.fields.push((name, value)),
            }
        }
    }
}

/// Whether a span passes on a field of this name.
pub(super) fn is_passed_on(name: &str, wanted: &[String]) -> bool {
    matches!(Known::find(name), Some(Known::Domain | Known::RequestId))
        || wanted.iter().any(|wanted| wanted == name)
}

/// Passes only what spans pass on, so that a span's other fields are never formatted.
struct Filter<'a> {
    wanted: &'a [String],
    passed: &'a mut Passed,
}

impl Filter<'_> {
    fn put(&mut self, field: &Field, value: impl FnOnce() -> Value) {
        let name = field.name();
        let place = match Known::find(name) {
            Some(Known::Domain) => &mut self.passed.domain,
            Some(Known::RequestId) => &mut self.passed.request_id,
            _ => {
                if self.wanted.iter().any(|wanted| wanted == name) {
                    self.passed.fields.push((name, value()));
                }
                return;
            }
        };
        *place = Some(match value() {
            Value::Text(text) => text,
            Value::Int(value) => value.to_string().into(),
            Value::Uint(value) => value.to_string().into(),
            Value::Float(value) => value.to_string().into(),
            Value::Bool(value) => value.to_string().into(),
        });
    }
}

impl Visit for Filter<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, || Value::Float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, || Value::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, || Value::Uint(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, || Value::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, || Value::Text(value.into()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, || Value::Text(Chain(value).to_string().into()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, || Value::Text(format!("{value:?}").into()));
    }
}

/// The domain that an event says itself.
#[derive(Debug, Default)]
pub(super) struct OwnDomain(pub(super) Option<String>);

impl Visit for OwnDomain {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.0.is_none() && Known::find(field.name()) == Some(Known::Domain) {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.0.is_none() && Known::find(field.name()) == Some(Known::Domain) {
            self.0 = Some(format!("{value:?}"));
        }
    }
}
