//! A span of the lean pipeline: any kind, made by anybody through the OpenTelemetry API.
//!
//! What it is told is kept as it came, within the limits, and written once when it ends. A span
//! that is not recorded keeps nothing but its context, and what travels with it.

pub(super) mod encode;

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use campanile_propagation::{Carried, TraceStateText, bearer};
use campanile_semconv::attribute;
use opentelemetry::trace::{Event, Link, SpanBuilder, SpanContext, Status};
use opentelemetry::{KeyValue, SpanId, time};
use opentelemetry_sdk::trace::SpanLimits;

use super::proto;
use super::tracer::Tracer;

/// What a recorded span knows.
#[derive(Debug)]
pub(super) struct Data {
    parent: SpanId,
    parent_is_remote: bool,
    kind: u8,
    /// The sender's own text.
    trace_state: Option<TraceStateText>,
    name: Cow<'static, str>,
    start_ns: u64,
    attributes: Vec<KeyValue>,
    dropped_attributes: u32,
    events: Vec<Event>,
    dropped_events: u32,
    links: Vec<Link>,
    dropped_links: u32,
    status: Status,
}

impl Data {
    pub(super) fn new(
        builder: SpanBuilder,
        parent: &SpanContext,
        trace_state: Option<TraceStateText>,
        limits: &SpanLimits,
    ) -> Self {
        let mut attributes = builder.attributes.unwrap_or_default();
        let dropped_attributes = cap(&mut attributes, limits.max_attributes_per_span);
        let mut events = builder.events.unwrap_or_default();
        let dropped_events = cap(&mut events, limits.max_events_per_span);
        for event in &mut events {
            event.dropped_attributes_count =
                cap(&mut event.attributes, limits.max_attributes_per_event);
        }
        let mut links = builder.links.unwrap_or_default();
        let dropped_links = cap(&mut links, limits.max_links_per_span);
        for link in &mut links {
            link.dropped_attributes_count =
                cap(&mut link.attributes, limits.max_attributes_per_link);
        }
        Self {
            parent: parent.span_id(),
            parent_is_remote: parent.is_remote(),
            kind: builder.span_kind.as_ref().map_or(1, proto::kind),
            trace_state,
            name: builder.name,
            start_ns: nanos(builder.start_time.unwrap_or_else(time::now)),
            attributes,
            dropped_attributes,
            events,
            dropped_events,
            links,
            dropped_links,
            status: Status::Unset,
        }
    }

    pub(super) fn add_attribute(&mut self, attribute: KeyValue, limits: &SpanLimits) {
        if self.attributes.len() < limits.max_attributes_per_span as usize {
            self.attributes.push(attribute);
        } else {
            self.dropped_attributes += 1;
        }
    }
}

/// Shortens to the limit, and says by how many.
pub(super) fn cap<T>(items: &mut Vec<T>, limit: u32) -> u32 {
    let over = items.len().saturating_sub(limit as usize);
    items.truncate(limit as usize);
    u32::try_from(over).unwrap_or(u32::MAX)
}

/// A time on the wire: nanoseconds since 1970.
pub(super) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as u64
}

/// A span.
pub(crate) struct Span {
    context: SpanContext,
    /// What travels with it, unless that is a value of the context.
    carried: Option<Carried>,
    live: Option<Box<Live>>,
}

/// A span that is recorded and has not ended.
struct Live {
    data: Data,
    tracer: Tracer,
}

impl Span {
    /// A span that is not recorded.
    pub(super) fn dead(context: SpanContext, carried: Option<Carried>) -> Self {
        Self {
            context,
            carried,
            live: None,
        }
    }

    pub(super) fn live(
        context: SpanContext,
        carried: Option<Carried>,
        data: Data,
        tracer: Tracer,
    ) -> Self {
        Self {
            context,
            carried,
            live: Some(Box::new(Live { data, tracer })),
        }
    }

    /// Ends it, the first time.
    fn finish(&mut self, end: SystemTime) {
        let Some(live) = self.live.take() else {
            return;
        };
        let Live { mut data, tracer } = *live;
        let shared = &tracer.shared;
        let Some(lane) = &shared.lane else {
            return;
        };
        let end_ns = nanos(end);
        if !self.context.is_sampled() {
            let is_error = matches!(data.status, Status::Error { .. });
            let took = Duration::from_nanos(end_ns.saturating_sub(data.start_ns));
            let Some(reason) = shared.sampler.late(is_error, took) else {
                return;
            };
            let mark = KeyValue::new(attribute::CAMPANILE_SAMPLING_REASON, reason);
            data.attributes.push(mark);
        }
        encode::with(&self.context, &mut data, end_ns, &shared.values, |body| {
            lane.push_written(&tracer.scope, |out| {
                proto::bytes(out, proto::tag::INNER, body);
            });
        });
    }
}

impl opentelemetry::trace::Span for Span {
    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        mut attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        let Some(Live { data, tracer }) = self.live.as_deref_mut() else {
            return;
        };
        let limits = &tracer.shared.limits;
        if data.events.len() >= limits.max_events_per_span as usize {
            data.dropped_events += 1;
            return;
        }
        let dropped = cap(&mut attributes, limits.max_attributes_per_event);
        data.events
            .push(Event::new(name, timestamp, attributes, dropped));
    }

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        if bearer::asked()
            && let Some(carried) = &self.carried
        {
            bearer::answer(carried);
        }
        self.live.is_some()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        if let Some(Live { data, tracer }) = self.live.as_deref_mut() {
            data.add_attribute(attribute, &tracer.shared.limits);
        }
    }

    fn set_status(&mut self, status: Status) {
        if let Some(Live { data, .. }) = self.live.as_deref_mut()
            // in this order: Ok > Error > Unset
            && status > data.status
        {
            data.status = status;
        }
    }

    fn update_name<T>(&mut self, name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Some(Live { data, .. }) = self.live.as_deref_mut() {
            data.name = name.into();
        }
    }

    fn add_link(&mut self, context: SpanContext, mut attributes: Vec<KeyValue>) {
        let Some(Live { data, tracer }) = self.live.as_deref_mut() else {
            return;
        };
        let limits = &tracer.shared.limits;
        if data.links.len() >= limits.max_links_per_span as usize {
            data.dropped_links += 1;
            return;
        }
        let dropped = cap(&mut attributes, limits.max_attributes_per_link);
        data.links.push(Link::new(context, attributes, dropped));
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        self.finish(timestamp);
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if self.live.is_some() {
            self.finish(time::now());
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("context", &self.context)
            .field("is_live", &self.live.is_some())
            .finish_non_exhaustive()
    }
}
