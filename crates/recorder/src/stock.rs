//! The seam over the plain OpenTelemetry API: any SDK, any provider.

mod active;
mod attributes;
mod call;
mod meter;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use campanile_propagation::{Carried, Formats, Parent, TraceStateText};
use campanile_semconv::{SCHEMA_URL, attribute};
use opentelemetry::metrics::ObservableUpDownCounter;
use opentelemetry::trace::{
    Link, Span, SpanContext, SpanKind, Status, TraceContextExt, TraceFlags, TraceState, Tracer,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue, SpanId, TraceId, global};

pub(crate) use self::active::Active;
pub use self::meter::StockMeter;
use crate::{
    CallEnd, CallHead, Caller, End, Head, Meter, Moment, Recorder, ServerMetrics, Started,
    StartedCall, Tracing,
};

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
    metrics: ServerMetrics,
    /// Keeps the SDK asking for the active requests.
    _active: Option<ObservableUpDownCounter<i64>>,
    calls: call::Instruments,
    formats: Formats,
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
        Self::over(tracer, global::meter_with_scope(scope()), Active::global())
    }
}

impl<T> Stock<T> {
    /// Uses `tracer` and `meter`.
    ///
    /// Make one for a meter and share it by a [`Handle`](crate::Handle): its active requests are
    /// told when someone collects, and of two that tell the same series the SDK keeps the last.
    pub fn new(tracer: T, meter: opentelemetry::metrics::Meter) -> Self {
        Self::over(tracer, meter, Active::new())
    }

    /// Uses `tracer`, and a meter that is not of the OpenTelemetry API.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use campanile_recorder::{Handle, Meter, Stock, StockMeter};
    /// use opentelemetry::global;
    ///
    /// let meter: Arc<dyn Meter> = Arc::new(StockMeter::new(global::meter("chat-api")));
    /// let recorder = Handle::new(Stock::with_meter(global::tracer("chat-api"), meter));
    /// # let _ = recorder;
    /// ```
    pub fn with_meter(tracer: T, meter: Arc<dyn Meter>) -> Self {
        Self::with_metrics(tracer, ServerMetrics::new(meter), None)
    }

    fn over(tracer: T, meter: opentelemetry::metrics::Meter, active: Arc<Active>) -> Self {
        let told = Active::tell(&active, &meter);
        let meter = Arc::new(StockMeter::new(meter));
        Self::with_metrics(tracer, ServerMetrics::telling(meter, active), Some(told))
    }

    fn with_metrics(
        tracer: T,
        metrics: ServerMetrics,
        active: Option<ObservableUpDownCounter<i64>>,
    ) -> Self {
        Self {
            tracer,
            metrics,
            _active: active,
            calls: call::Instruments::new(),
            formats: Formats::default(),
        }
    }

    /// Reads and writes context in these formats. Default: both.
    pub fn with_formats(mut self, formats: Formats) -> Self {
        self.formats = formats;
        self
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
    fn start(&self, head: &Head<'_>) -> Started {
        let at = SystemTime::now();
        let (has_metrics, tracing, route) = (head.metrics, head.tracing, head.route);
        if has_metrics {
            self.metrics.begin(route);
        }
        let (carried, drops) = head.carried.read();
        self.metrics.drop_baggage(drops + head.more().baggage_drops);
        let parent = parent_context(head, carried);
        let context = match tracing {
            Tracing::PassOn => parent,
            Tracing::Suppressed => suppressed(&parent),
            Tracing::Span => self.open(head, &parent, at),
        };
        Started {
            own: None,
            context,
            start_ns: nanos(at),
            route,
            has_span: tracing == Tracing::Span,
            has_metrics,
        }
    }

    fn end(&self, started: &Started, end: &End<'_>) {
        let span = started.context.span();
        if started.has_metrics {
            let inside = started.has_span.then(|| span.span_context());
            self.metrics.end(end, inside);
        }
        if !started.has_span {
            return;
        }
        let at = UNIX_EPOCH + Duration::from_nanos(started.start_ns + end.elapsed_ns);
        if span.is_recording() {
            if !std::ptr::eq(end.route, started.route) {
                span.update_name(end.route.name());
                for attribute in attributes::learnt(started.route, end.route) {
                    span.set_attribute(attribute);
                }
            }
            if end.error_type().is_some() {
                span.set_status(Status::error(""));
            }
            for attribute in attributes::at_end(end).into_iter().flatten() {
                span.set_attribute(attribute);
            }
            for attribute in end.attributes {
                span.set_attribute(attribute.clone());
            }
        }
        span.end_with_timestamp(at);
    }

    fn start_call(&self, head: CallHead<'_>) -> StartedCall {
        let started = call::open(&self.tracer, &head);
        self.calls.begin(self.metrics.meter(), &started);
        started
    }

    fn end_call(&self, started: &StartedCall, end: CallEnd) {
        {
            let _current = started.context.clone().attach();
            self.calls.end(self.metrics.meter(), started, &end);
        }
        call::close(started, &end);
    }

    fn moment(&self, moment: Moment<'_>) -> SpanContext {
        let context = moment.context();
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
        let mut span = self.tracer.build_with_context(builder, &context);
        if moment.error.is_some() {
            span.set_status(Status::error(""));
        }
        span.end_with_timestamp(moment.end);
        span.span_context().clone()
    }

    fn meter(&self) -> &dyn Meter {
        self.metrics.meter()
    }

    fn formats(&self) -> Formats {
        self.formats
    }
}

impl<T> Stock<T>
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    /// Opens the root span below `parent`.
    fn open(&self, head: &Head<'_>, parent: &Context, at: SystemTime) -> Context {
        let mut builder = self.tracer.span_builder(head.route.name());
        builder.span_kind = Some(SpanKind::Server);
        builder.start_time = Some(at);
        if let Caller::Link(link) = &head.caller {
            builder.links = Some(vec![Link::with_context(
                link.to_span_context(TraceState::NONE),
            )]);
        }
        builder.attributes = Some(attributes::at_start(head));
        let span = self.tracer.build_with_context(builder, parent);
        parent.with_span(span)
    }
}

/// Nanoseconds since the Unix epoch, as far as they fit.
fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The context the root span is built in: nothing of the task's own unless asked for, the
/// caller's span if it is to be continued, and what travels with it.
fn parent_context(head: &Head<'_>, mut carried: Carried) -> Context {
    let (parent, base) = match &head.caller {
        Caller::Parent(parent) => (Some(*parent), Context::new()),
        Caller::Unknown | Caller::Link(_) => (None, Context::new()),
        Caller::Context(context) => return context.clone(),
    };
    // the SDK's own generator makes random ids; only a new root may say so for its whole trace
    carried.random |= parent.is_none() && head.tracing == Tracing::Span;
    let remote = parent.map(|parent| parent.to_span_context(state(&carried)));
    let context = if carried.is_empty() {
        base
    } else {
        base.with_value(carried)
    };
    match remote {
        Some(remote) => context.with_remote_span_context(remote),
        None => context,
    }
}

/// As much of the list as the API's own type can hold; the text travels beside it.
fn state(carried: &Carried) -> TraceState {
    let text = carried.tracestate.as_ref();
    text.map_or(TraceState::NONE, TraceStateText::to_api)
}

/// A context in which nothing is sampled: the caller's trace when there is one, else one that
/// nobody will ever see.
fn suppressed(parent: &Context) -> Context {
    let caller = Parent::from_span_context(parent.span().span_context());
    let trace = caller.map_or_else(
        || TraceId::from(u128::from(fastrand::u64(1..)) << 64),
        Parent::trace_id,
    );
    let span = SpanId::from(fastrand::u64(1..));
    let unsampled = SpanContext::new(
        trace,
        span,
        TraceFlags::NOT_SAMPLED,
        false,
        TraceState::NONE,
    );
    parent.with_remote_span_context(unsampled)
}

impl<T> fmt::Debug for Stock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stock")
    }
}
