//! A span below another of this process: its fields are protobuf as soon as they are known.
//!
//! What it needs while it lasts is kept in a used box. It is always kept: who is not sampled has no
//! children of this kind.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use campanile_propagation::{Carried, TraceStateText, bearer};
use campanile_recorder::Route;
use campanile_semconv::attribute;
use opentelemetry::trace::{Event, Link, SpanContext, Status};
use opentelemetry::{Context, KeyValue, SpanId, Value, time};

use super::Home;
use super::allowed;
use super::fields::{OTEL_KIND, kind_of};
use crate::lean::ids;
use crate::lean::proto::{self, Fixed, tag};
use crate::lean::span::{cap, encode, nanos};
use crate::lean::values::Values;

/// Boxes that a thread keeps.
const KEPT: usize = 64;

/// A box with more room than this is not kept.
const ROOM: usize = 4 << 10;

thread_local! {
    #[expect(clippy::vec_box, reason = "a box moves by its address, a span by all its bytes")]
    static USED: RefCell<Vec<Box<Live>>> = const { RefCell::new(Vec::new()) };
}

/// What a child knows while it lasts.
#[derive(Debug, Default)]
pub(super) struct Live {
    parent: Option<SpanId>,
    trace_state: Option<TraceStateText>,
    start_ns: u64,
    /// As on the wire.
    pub(super) kind: u8,
    /// A whole field.
    pub(super) name: Vec<u8>,
    /// Whole fields.
    pub(super) attributes: Vec<u8>,
    pub(super) count: u32,
    pub(super) dropped_attributes: u32,
    pub(super) status: Status,
    /// That it says itself.
    pub(super) domain: Option<String>,
    /// That of the exchange in which it began.
    route_domain: Option<&'static str>,
    events: Vec<Event>,
    dropped_events: u32,
    links: Vec<Link>,
    dropped_links: u32,
}

impl Live {
    /// From the used ones, or new.
    fn get() -> Box<Self> {
        let used = USED.try_with(|used| used.borrow_mut().pop());
        used.ok().flatten().unwrap_or_default()
    }

    /// Keeps the box for the next one, emptied.
    fn give_back(mut self: Box<Self>) {
        if self.attributes.capacity() + self.name.capacity() > ROOM {
            return;
        }
        self.trace_state = None;
        self.name.clear();
        self.attributes.clear();
        self.count = 0;
        self.dropped_attributes = 0;
        self.status = Status::Unset;
        self.domain = None;
        self.events = Vec::new();
        self.dropped_events = 0;
        self.links = Vec::new();
        self.dropped_links = 0;
        let _ = USED.try_with(|used| {
            let mut used = used.borrow_mut();
            if used.len() < KEPT {
                used.push(self);
            }
        });
    }

    pub(super) fn set_name(&mut self, name: &str, values: &Values) {
        self.name.clear();
        proto::bytes(&mut self.name, tag::SPAN_NAME, values.text(name).as_bytes());
    }

    pub(super) fn set_status(&mut self, status: Status) {
        // in this order: Ok > Error > Unset
        if status > self.status {
            self.status = status;
        }
    }

    /// Whether there is room for one more attribute; counts it either way.
    #[inline]
    pub(super) fn admits(&mut self, most: u32) -> bool {
        if self.count < most {
            self.count += 1;
            return true;
        }
        self.dropped_attributes += 1;
        false
    }

    /// In a domain with a list, drops the attributes that are not on it.
    fn keep_allowed(&mut self, values: &Values) {
        let redactor = &values.redactor;
        let domain = self.domain.as_deref().or(self.route_domain);
        let Some(domain) = domain.filter(|domain| redactor.limits(domain)) else {
            return;
        };
        let is_allowed = |key: &str| redactor.allows(Some(domain), key);
        allowed::retain(&mut self.attributes, tag::SPAN_ATTRIBUTE, is_allowed);
        let is_allowed = |attribute: &KeyValue| is_allowed(attribute.key.as_str());
        for event in &mut self.events {
            event.attributes.retain(is_allowed);
        }
        for link in &mut self.links {
            link.attributes.retain(is_allowed);
        }
    }

    /// What most spans do not have.
    fn write_rest(&self, out: &mut Vec<u8>, values: &Values) {
        let dropped = u64::from(self.dropped_attributes);
        proto::number(out, tag::SPAN_DROPPED_ATTRIBUTES, dropped);
        for event in &self.events {
            proto::message(out, tag::SPAN_EVENT, |out| {
                encode::event(out, event, values);
            });
        }
        proto::number(out, tag::SPAN_DROPPED_EVENTS, self.dropped_events.into());
        for link in &self.links {
            proto::message(out, tag::SPAN_LINK, |out| encode::link(out, link, values));
        }
        proto::number(out, tag::SPAN_DROPPED_LINKS, self.dropped_links.into());
        encode::status(out, &self.status, values);
    }
}

/// A span.
pub(super) struct Child {
    context: SpanContext,
    /// What travels with it, unless that is a value of the context.
    carried: Option<Carried>,
    live: Option<(Arc<Home>, Box<Live>)>,
}

impl Child {
    /// Begins below the span of `parent`, which is of this process and sampled.
    pub(super) fn start(home: &Arc<Home>, parent: &Context, above: &SpanContext) -> Self {
        let value = parent.get::<Carried>();
        // a value goes on in the context
        let carried = match value {
            Some(_) => None,
            None => Carried::of(parent),
        };
        let mut live = Live::get();
        let text = value.or(carried.as_ref());
        live.trace_state = text.and_then(|carried| carried.tracestate.clone());
        live.parent = Some(above.span_id());
        live.kind = 1;
        live.route_domain = Route::current().and_then(Route::domain);
        live.start_ns = nanos(time::now());
        let context = SpanContext::new(
            above.trace_id(),
            ids::span_id(),
            above.trace_flags(),
            false,
            above.trace_state().clone(),
        );
        Self {
            context,
            carried,
            live: Some((home.clone(), live)),
        }
    }

    /// While it has not ended.
    pub(super) fn live(&mut self) -> Option<&mut Live> {
        self.live.as_mut().map(|(_, live)| &mut **live)
    }

    fn finish(&mut self, end: SystemTime) {
        let Some((home, mut live)) = self.live.take() else {
            return;
        };
        let shared = &home.tracer.shared;
        if let Some(lane) = &shared.lane {
            live.keep_allowed(&shared.values);
            let mut rest = Vec::new();
            live.write_rest(&mut rest, &shared.values);
            let context = &self.context;
            let fixed = Fixed {
                trace_id: context.trace_id().to_bytes(),
                span_id: context.span_id().to_bytes(),
                parent_id: live.parent.map(SpanId::to_bytes).unwrap_or_default(),
                kind: live.kind,
                start_ns: live.start_ns,
                end_ns: nanos(end),
                flags: proto::flags(context.trace_flags(), false),
            };
            let state = self.trace_state(&live);
            let parts = [&*live.name, &live.attributes, &rest];
            lane.push_written(&home.tracer.scope, |out| {
                proto::span(out, &fixed, state.as_bytes(), parts);
            });
        }
        live.give_back();
    }

    /// The sender's own text, else the list that the API's own type holds.
    fn trace_state<'a>(&self, live: &'a Live) -> Cow<'a, str> {
        let list = self.context.trace_state();
        match &live.trace_state {
            Some(text) => text.as_str().into(),
            None if *list == opentelemetry::trace::TraceState::NONE => Cow::Borrowed(""),
            None => list.header().into(),
        }
    }
}

impl opentelemetry::trace::Span for Child {
    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        mut attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        let Some((home, live)) = &mut self.live else {
            return;
        };
        let limits = &home.tracer.shared.limits;
        if live.events.len() >= limits.max_events_per_span as usize {
            live.dropped_events += 1;
            return;
        }
        let dropped = cap(&mut attributes, limits.max_attributes_per_event);
        let event = Event::new(name, timestamp, attributes, dropped);
        live.events.push(event);
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

    /// A late `otel.kind` is the span's kind: the API has no other way to say it.
    fn set_attribute(&mut self, attribute: KeyValue) {
        let Some((home, live)) = &mut self.live else {
            return;
        };
        match (attribute.key.as_str(), &attribute.value) {
            (OTEL_KIND, Value::String(word)) => {
                live.kind = kind_of(word.as_str());
                return;
            }
            (attribute::CAMPANILE_DOMAIN, Value::String(domain)) => {
                live.domain = Some(domain.as_str().to_owned());
            }
            _ => {}
        }
        let shared = &home.tracer.shared;
        if live.admits(shared.limits.max_attributes_per_span) {
            let out = &mut live.attributes;
            shared
                .values
                .attribute(out, tag::SPAN_ATTRIBUTE, &attribute);
        }
    }

    fn set_status(&mut self, status: Status) {
        if let Some(live) = self.live() {
            live.set_status(status);
        }
    }

    fn update_name<T>(&mut self, name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Some((home, live)) = &mut self.live {
            live.set_name(&name.into(), &home.tracer.shared.values);
        }
    }

    fn add_link(&mut self, context: SpanContext, mut attributes: Vec<KeyValue>) {
        let Some((home, live)) = &mut self.live else {
            return;
        };
        let limits = &home.tracer.shared.limits;
        if live.links.len() >= limits.max_links_per_span as usize {
            live.dropped_links += 1;
            return;
        }
        let dropped = cap(&mut attributes, limits.max_attributes_per_link);
        live.links.push(Link::new(context, attributes, dropped));
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        self.finish(timestamp);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.live.is_some() {
            self.finish(time::now());
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("context", &self.context)
            .field("is_live", &self.live.is_some())
            .finish_non_exhaustive()
    }
}
