//! Short spans for events: something that has already happened when it is told.

use std::time::SystemTime;

use opentelemetry::trace::{SpanContext, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};

/// A short span, such as `websocket.connect`: a root, unless it has a parent.
///
/// Nothing stays open for it: it is begun and ended in one call. Its links lead to what it
/// belongs to.
#[derive(Debug)]
pub struct Moment<'a> {
    /// The span's name, from `campanile_semconv::span`.
    pub name: &'static str,
    /// When it began.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// The span it is a child of. `None`, or one that is not valid, makes it a root.
    pub parent: Option<&'a SpanContext>,
    /// What a sampler decides by in place of the trace id: spans with the same value are kept or
    /// dropped together, whatever their traces. See [`Moment::sampled_as`].
    pub sampled_as: Option<TraceId>,
    /// The spans it belongs to; invalid ones are left out.
    pub links: &'a [SpanContext],
    /// What is known about it.
    pub attributes: Vec<KeyValue>,
    /// The class of the error, when it failed: sets the status and `error.type`.
    pub error: Option<&'static str>,
}

/// Rides in the context that a span is built in, which is all that a sampler sees of it beside the
/// span itself.
struct SampledAs(TraceId);

impl Moment<'_> {
    /// The trace id that a sampler should decide by, if the span that is about to be built in
    /// `context` names another than its own.
    ///
    /// The OpenTelemetry API lets nobody choose the trace id of a root span, so roots that belong
    /// together have unrelated ids, and a ratio would keep one and drop the other. A sampler that
    /// puts this in place of the id it was given treats them alike; any other sampler sees roots as
    /// it always did.
    ///
    /// ```
    /// use campanile_recorder::Moment;
    /// use opentelemetry::{Context, TraceId};
    ///
    /// /// What a sampler calls first.
    /// fn decisive(parent: Option<&Context>, own: TraceId) -> TraceId {
    ///     parent.and_then(Moment::sampled_as).unwrap_or(own)
    /// }
    /// # assert_eq!(decisive(Some(&Context::new()), 1.into()), 1.into());
    /// ```
    pub fn sampled_as(context: &Context) -> Option<TraceId> {
        context.get::<SampledAs>().map(|SampledAs(id)| *id)
    }

    /// The context to build the span in.
    pub(crate) fn context(&self) -> Context {
        let mut context = Context::new();
        if let Some(id) = self.sampled_as {
            context = context.with_value(SampledAs(id));
        }
        match self.parent.filter(|parent| parent.is_valid()) {
            Some(parent) => context.with_remote_span_context(parent.clone()),
            None => context,
        }
    }
}
