//! Requests: what the layers report of them becomes a span and two measurements.
//!
//! A request costs this pipeline no allocation but the two that the OpenTelemetry API makes around
//! every span in a context. Whatever is the same for all requests of a kind is made once.

mod attributes;
mod clock;
mod domain;
mod extras;
mod handle;
mod known;
mod own;
mod span;
mod templates;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use campanile_propagation::{Carried, Formats, Parent, Unread};
use campanile_recorder::{
    CallEnd, CallHead, Caller, End, Head, Meter, Moment, Recorder, Route, ServerMetrics, Started,
    StartedCall, Tracing,
};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use opentelemetry::{Context, TraceFlags, TraceId};

use self::attributes::Secret;
use self::clock::Clock;
use self::handle::Handle;
use self::span::{Began, Beginning, ServerSpan};
use self::templates::Templates;
use super::ids;
use super::tracer::{Shared, Tracer};
use crate::sampling::{self, Subject, Verdict};

/// At most so many attributes are added when a request ends; room for them is kept.
const AT_END: usize = 10;

/// What a span of a request can have without anyone's doing. Where the limit of attributes is
/// lower, spans are made as all others are.
const OURS: u32 = 32;

/// The recorder of the lean pipeline.
pub(crate) struct Server {
    /// Records everything but requests.
    others: campanile_recorder::Handle,
    metrics: Arc<ServerMetrics>,
    common: Option<Arc<Common>>,
    formats: Formats,
}

/// What all spans of requests share.
struct Common {
    /// That of the other spans of our scope: lane, sampler, limits and rules are the same.
    tracer: Tracer,
    templates: Templates,
    secret: Secret,
    /// Tells the rules for values apart from those of other pipelines.
    rules: u64,
    clock: Clock,
    metrics: Arc<ServerMetrics>,
}

impl Server {
    /// Records requests as `tracer` records other spans, and leaves everything else to `others`.
    pub(crate) fn new(
        tracer: Tracer,
        meter: Arc<dyn Meter>,
        others: campanile_recorder::Handle,
    ) -> Self {
        static RULES: AtomicU64 = AtomicU64::new(0);
        let shared = &tracer.shared;
        let metrics = Arc::new(ServerMetrics::new(meter));
        let is_enough = shared.limits.max_attributes_per_span >= OURS && shared.lane.is_some();
        let formats = others.formats();
        let common = is_enough.then(|| {
            Arc::new(Common {
                secret: Secret::of(&tracer.shared.values),
                templates: Templates::new(),
                rules: RULES.fetch_add(1, Ordering::Relaxed),
                clock: Clock::new(),
                tracer,
                metrics: Arc::clone(&metrics),
            })
        });
        Self {
            others,
            metrics,
            common,
            formats,
        }
    }
}

impl Common {
    #[inline]
    fn shared(&self) -> &Shared {
        &self.tracer.shared
    }

    /// Whether only some attributes of this route may leave.
    #[inline]
    fn limits_domain(&self, route: &'static Route) -> bool {
        let redactor = &self.shared().values.redactor;
        route.domain().is_some_and(|domain| redactor.limits(domain))
    }

    /// Opens the span of a request.
    #[inline]
    fn open(self: &Arc<Self>, head: &Head<'_>) -> Started {
        let (at, route) = (self.clock.wall_ns(head.clock), head.route);
        let (base, parent) = match &head.caller {
            Caller::Parent(parent) => (Context::new(), Above::remote(*parent)),
            Caller::Context(context) => (context.clone(), Above::current(context)),
            Caller::Unknown | Caller::Link(_) => (Context::new(), Above::default()),
        };
        let is_root = matches!(parent.caller, sampling::Caller::Nobody);
        let current;
        let mut carried = match &head.caller {
            Caller::Context(context) => {
                current = Carried::of(context).unwrap_or_default();
                Unread::from(&current)
            }
            _ => head.carried,
        };
        // ids are random; only a new root may say so for its whole trace
        carried.random |= is_root;
        let trace_id = if is_root {
            ids::trace_id()
        } else {
            parent.trace_id
        };
        let verdict = self
            .shared()
            .sampler
            .judge(parent.caller, trace_id, true, || Subject {
                route: route.template().map(Cow::Borrowed),
                path: Some(Cow::Borrowed(head.path)),
                domain: route.domain().map(Cow::Borrowed),
            });
        let is_sampled = matches!(verdict, Verdict::Keep(_));
        let flags = parent.flags.with_sampled(is_sampled);
        let beginning = Beginning {
            trace_id,
            flags,
            began: Began {
                route,
                start_ns: at,
                parent: parent.span_id,
            },
            is_parent_remote: parent.is_remote,
            verdict,
        };
        let span = ServerSpan::begin(self, beginning, carried, head);
        let context = base.with_span(Handle::new(Arc::clone(&span)));
        if head.more.is_some() || matches!(head.caller, Caller::Link(_)) {
            add(&context, head);
        }
        Started {
            own: Some(span),
            context,
            start_ns: at,
            route,
            has_span: true,
            has_metrics: head.metrics,
        }
    }
}

/// The span above that of a request, if there is one.
struct Above {
    caller: sampling::Caller,
    trace_id: TraceId,
    /// All zero: there is none.
    span_id: [u8; 8],
    flags: TraceFlags,
    is_remote: bool,
}

impl Default for Above {
    fn default() -> Self {
        Self {
            caller: sampling::Caller::Nobody,
            trace_id: TraceId::INVALID,
            span_id: [0; 8],
            flags: TraceFlags::default(),
            is_remote: false,
        }
    }
}

impl Above {
    #[inline]
    fn remote(parent: Parent) -> Self {
        Self {
            caller: sampling::Caller::Remote {
                is_sampled: parent.is_sampled(),
            },
            trace_id: parent.trace_id(),
            span_id: parent.span_id().to_bytes(),
            flags: parent.flags(),
            is_remote: true,
        }
    }

    #[cold]
    fn current(context: &Context) -> Self {
        let span = context.span();
        let parent = span.span_context();
        if !parent.is_valid() {
            return Self::default();
        }
        Self {
            caller: sampling::Caller::of(parent),
            trace_id: parent.trace_id(),
            span_id: parent.span_id().to_bytes(),
            flags: parent.trace_flags(),
            is_remote: parent.is_remote(),
        }
    }
}

/// Adds what most requests have not.
#[cold]
fn add(context: &Context, head: &Head<'_>) {
    let span = context.span();
    for attribute in head.more().attributes {
        span.set_attribute(attribute.clone());
    }
    if let Caller::Link(link) = &head.caller {
        span.add_link(link.to_span_context(TraceState::NONE), Vec::new());
    }
}

impl Recorder for Server {
    fn start(&self, head: &Head<'_>) -> Started {
        let Some(common) = &self.common else {
            return self.others.start(head);
        };
        if head.tracing != Tracing::Span {
            return self.others.start(head);
        }
        if head.metrics {
            self.metrics.begin(head.route);
        }
        if let Some(more) = head.more {
            self.metrics.drop_baggage(more.baggage_drops);
        }
        common.open(head)
    }

    fn end(&self, started: &Started, end: &End<'_>) {
        let own = started.own.as_deref();
        let Some(span) = own.and_then(|own| own.downcast_ref::<ServerSpan>()) else {
            return self.others.end(started, end);
        };
        if started.has_metrics {
            self.metrics.end(end, Some(span.context()));
        }
        for attribute in end.attributes {
            span.tell(|extras, limits| extras.attribute(attribute.clone(), limits));
        }
        span.finish(end);
    }

    fn start_call(&self, head: CallHead<'_>) -> StartedCall {
        self.others.start_call(head)
    }

    fn end_call(&self, started: &StartedCall, end: CallEnd) {
        self.others.end_call(started, end);
    }

    fn moment(&self, moment: Moment<'_>) -> SpanContext {
        self.others.moment(moment)
    }

    fn meter(&self) -> &dyn Meter {
        self.metrics.meter()
    }

    fn formats(&self) -> Formats {
        self.formats
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lean")
    }
}
