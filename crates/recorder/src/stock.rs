//! The seam over the plain OpenTelemetry API: any SDK, any provider.

mod attributes;
mod meter;

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use campanile_propagation::Carried;
use campanile_semconv::{SCHEMA_URL, attribute, metric};
use opentelemetry::metrics::{Histogram, UpDownCounter};
use opentelemetry::trace::{
    Link, SpanContext, SpanKind, Status, TraceContextExt, TraceState, Tracer,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue, global};

use self::meter::StockMeter;
use crate::{End, Head, Meter, Moment, Recorder, Started};

/// A [`Recorder`] over a tracer and a meter of the OpenTelemetry API.
///
/// ```
/// use campanile_recorder::{Handle, Stock};
///
/// // Whatever is installed globally; does nothing when nothing is.
/// let recorder = Handle::new(Stock::from_global());
/// # let _ = recorder;
/// ```
pub struct Stock<T> {
    tracer: T,
    meter: StockMeter,
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
}

/// The instrumentation scope that our spans and metrics carry.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("campanile")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(SCHEMA_URL)
        .build()
}

impl Stock<global::BoxedTracer> {
    /// Uses the global tracer and meter providers as they are now.
    pub fn from_global() -> Self {
        let tracer = global::tracer_with_scope(scope());
        Self::new(tracer, global::meter_with_scope(scope()))
    }
}

impl<T> Stock<T> {
    /// Uses `tracer` and `meter`.
    pub fn new(tracer: T, meter: opentelemetry::metrics::Meter) -> Self {
        let meter = StockMeter::new(meter);
        let duration = meter.seconds(&metric::HTTP_SERVER_REQUEST_DURATION);
        let active = meter.up_down(&metric::HTTP_SERVER_ACTIVE_REQUESTS);
        Self {
            tracer,
            meter,
            duration,
            active,
        }
    }

    /// The scope to ask providers for a tracer and a meter with.
    pub fn scope() -> InstrumentationScope {
        scope()
    }
}

impl<T> Recorder for Stock<T>
where
    T: Tracer + Send + Sync + 'static,
    T::Span: Send + Sync + 'static,
{
    fn start(&self, head: Head<'_>) -> Started {
        let at = SystemTime::now();
        self.active.add(1, &attributes::active(head.route));
        let parent = remote(&head);
        let mut builder = self.tracer.span_builder(head.route.name());
        builder.span_kind = Some(SpanKind::Server);
        builder.start_time = Some(at);
        builder.attributes = Some(attributes::at_start(&head));
        if let Some(link) = head.link {
            let link = link.to_span_context(TraceState::NONE);
            builder.links = Some(vec![Link::with_context(link)]);
        }
        let span = self.tracer.build_with_context(builder, &parent);
        Started {
            context: parent.with_span(span),
            at,
        }
    }

    fn end(&self, started: &Started, end: End) {
        let error = end.error_type();
        let span = started.context.span();
        if span.is_recording() {
            span.update_name(end.route.name());
            for attribute in attributes::at_end(&end) {
                span.set_attribute(attribute);
            }
            if error.is_some() {
                span.set_status(Status::error(""));
            }
        }
        span.end_with_timestamp(started.at + end.elapsed);
        self.duration
            .record(end.elapsed.as_secs_f64(), &attributes::duration(&end));
        self.active.add(-1, &attributes::active(end.route));
    }

    fn moment(&self, moment: Moment<'_>) -> SpanContext {
        let mut builder = self.tracer.span_builder(moment.name);
        builder.span_kind = Some(SpanKind::Internal);
        builder.start_time = Some(moment.start);
        let valid = moment.links.iter().filter(|context| context.is_valid());
        builder.links = Some(valid.cloned().map(Link::with_context).collect());
        let mut attributes = moment.attributes;
        attributes.extend(
            moment
                .error
                .map(|class| KeyValue::new(attribute::ERROR_TYPE, class)),
        );
        builder.attributes = Some(attributes);
        let mut span = self.tracer.build_with_context(builder, &Context::new());
        opentelemetry::trace::Span::set_status(
            &mut span,
            match moment.error {
                Some(_) => Status::error(""),
                None => Status::Unset,
            },
        );
        opentelemetry::trace::Span::end_with_timestamp(&mut span, moment.end);
        opentelemetry::trace::Span::span_context(&span).clone()
    }

    fn meter(&self) -> &dyn Meter {
        &self.meter
    }
}

/// The context the root span is built in: nothing of the task's own, the caller's span if it is
/// to be continued, and what travels with it.
fn remote(head: &Head<'_>) -> Context {
    let mut context = Context::new();
    let mut carried = head.carried.clone();
    // the SDK's own generator makes random ids; only a new root may say so for the whole trace
    carried.random |= head.parent.is_none();
    if !carried.is_empty() {
        context = context.with_value(carried);
    }
    match head.parent {
        Some(parent) => {
            context.with_remote_span_context(parent.to_span_context(state(&head.carried)))
        }
        None => context,
    }
}

/// As much of the list as the API's own type can hold; the text travels beside it.
fn state(carried: &Carried) -> TraceState {
    let text = carried.tracestate.as_ref().map(|state| state.as_str());
    text.and_then(|text| TraceState::from_str(text).ok())
        .unwrap_or_default()
}

impl<T> fmt::Debug for Stock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stock")
    }
}
