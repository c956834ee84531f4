//! Where an event belongs: its trace, and its exchange.

use campanile_recorder::{LogAttributes, RequestId, Route};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing::Event;

/// What is known about an event beside its own fields. It owns everything: the context must not be
/// held on to while foreign code formats the fields.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) span: Option<Ids>,
    pub(super) domain: Option<&'static str>,
    pub(super) request_id: Option<RequestId>,
    pub(super) carried: Option<LogAttributes>,
}

/// The ids of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ids {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    pub(super) flags: u32,
}

impl Ids {
    fn of(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| Self {
            trace: span.trace_id().to_bytes(),
            span: span.span_id().to_bytes(),
            flags: span.trace_flags().to_u8().into(),
        })
    }
}

impl Scene {
    /// None where nothing may be recorded. `named` finds the context of the span that the event
    /// names.
    pub(super) fn of(event: &Event<'_>, named: impl FnOnce() -> Option<Context>) -> Option<Self> {
        // An event that says that it has no parent belongs to no trace and no exchange.
        if event.is_root() {
            return (!Context::is_current_telemetry_suppressed()).then(Self::default);
        }
        if event.is_contextual() {
            return Context::map_current(Self::read).map(Self::with_route);
        }
        let here = Context::map_current(Self::read)?;
        let Some(context) = named() else {
            return Some(here.with_route());
        };
        let there = Self::read(&context)?;
        // The thread may be busy with another exchange.
        let trace = |scene: &Self| scene.span.map(|ids| ids.trace);
        Some(match trace(&here) == trace(&there) {
            true => there.with_route(),
            false => there,
        })
    }

    fn read(context: &Context) -> Option<Self> {
        if context.is_telemetry_suppressed() {
            return None;
        }
        let has_span = context.has_active_span();
        Some(Self {
            span: has_span
                .then(|| Ids::of(context.span().span_context()))
                .flatten(),
            domain: None,
            request_id: RequestId::of(context).cloned(),
            carried: LogAttributes::of(context).cloned(),
        })
    }

    fn with_route(self) -> Self {
        let domain = Route::current().and_then(Route::domain);
        Self { domain, ..self }
    }
}
