//! What a handler adds to the span of its request: paid for by those who do.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, Link, SpanContext, Status};
use opentelemetry_sdk::trace::SpanLimits;

use crate::lean::proto::{self, tag};
use crate::lean::values::Values;

/// Attributes, events, links, another name, a status.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// How many attributes the span has beside those in here.
    others: usize,
    pub(super) name: Option<Cow<'static, str>>,
    pub(super) status: Status,
    attributes: Vec<KeyValue>,
    events: Vec<Event>,
    links: Vec<Link>,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
}

impl Extras {
    /// None yet, for a span that has this many attributes already.
    pub(super) fn beside(others: usize) -> Self {
        Self {
            others,
            ..Self::default()
        }
    }

    /// Adds an attribute while there is room for it.
    pub(super) fn attribute(&mut self, attribute: KeyValue, limits: &SpanLimits) {
        if self.others + self.attributes.len() < limits.max_attributes_per_span as usize {
            self.attributes.push(attribute);
        } else {
            self.dropped_attributes += 1;
        }
    }

    pub(super) fn event(&mut self, mut event: Event, limits: &SpanLimits) {
        if self.events.len() >= limits.max_events_per_span as usize {
            self.dropped_events += 1;
            return;
        }
        let dropped = shorten(&mut event.attributes, limits.max_attributes_per_event);
        event.dropped_attributes_count = dropped;
        self.events.push(event);
    }

    pub(super) fn link(
        &mut self,
        context: SpanContext,
        mut attributes: Vec<KeyValue>,
        limits: &SpanLimits,
    ) {
        if self.links.len() >= limits.max_links_per_span as usize {
            self.dropped_links += 1;
            return;
        }
        let dropped = shorten(&mut attributes, limits.max_attributes_per_link);
        self.links.push(Link::new(context, attributes, dropped));
    }

    /// Sets the status, unless it is final already (OpenTelemetry trace API, set status).
    pub(super) fn set_status(&mut self, status: Status) {
        if status > self.status {
            self.status = status;
        }
    }

    /// Appends all of it but the name, and the status only if there is one.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        values: &Values,
        is_allowed: &dyn Fn(&str) -> bool,
    ) {
        let attributes = |out: &mut Vec<u8>, tag, all: &[KeyValue]| {
            let all = all.iter();
            for attribute in all.filter(|attribute| is_allowed(attribute.key.as_str())) {
                values.attribute(out, tag, attribute);
            }
        };
        attributes(out, tag::SPAN_ATTRIBUTE, &self.attributes);
        let dropped = u64::from(self.dropped_attributes);
        proto::number(out, tag::SPAN_DROPPED_ATTRIBUTES, dropped);
        for event in &self.events {
            proto::message(out, tag::SPAN_EVENT, |out| {
                out.push(tag::EVENT_TIME);
                out.extend_from_slice(&nanos(event.timestamp).to_le_bytes());
                let name = values.text(&event.name);
                proto::bytes(out, tag::EVENT_NAME, name.as_bytes());
                attributes(out, tag::EVENT_ATTRIBUTE, &event.attributes);
                let dropped = u64::from(event.dropped_attributes_count);
                proto::number(out, tag::EVENT_DROPPED_ATTRIBUTES, dropped);
            });
        }
        proto::number(
            out,
            tag::SPAN_DROPPED_EVENTS,
            u64::from(self.dropped_events),
        );
        for link in &self.links {
            proto::message(out, tag::SPAN_LINK, |out| {
                let context = &link.span_context;
                proto::bytes(out, tag::LINK_TRACE_ID, &context.trace_id().to_bytes());
                proto::bytes(out, tag::LINK_SPAN_ID, &context.span_id().to_bytes());
                let state = context.trace_state().header();
                if !state.is_empty() {
                    proto::bytes(out, tag::LINK_TRACE_STATE, state.as_bytes());
                }
                attributes(out, tag::LINK_ATTRIBUTE, &link.attributes);
                let dropped = u64::from(link.dropped_attributes_count);
                proto::number(out, tag::LINK_DROPPED_ATTRIBUTES, dropped);
                out.push(tag::LINK_FLAGS);
                let flags = proto::flags(context.trace_flags(), context.is_remote());
                out.extend_from_slice(&flags.to_le_bytes());
            });
        }
        proto::number(out, tag::SPAN_DROPPED_LINKS, u64::from(self.dropped_links));
        match &self.status {
            Status::Unset => {}
            Status::Ok => proto::message(out, tag::SPAN_STATUS, |out| {
                proto::number(out, tag::STATUS_CODE, 1);
            }),
            Status::Error { description } => proto::message(out, tag::SPAN_STATUS, |out| {
                if !description.is_empty() {
                    let text = values.text(description);
                    proto::bytes(out, tag::STATUS_MESSAGE, text.as_bytes());
                }
                proto::number(out, tag::STATUS_CODE, 2);
            }),
        }
    }
}

/// Cuts off what is over `most`, and returns how many that were.
fn shorten(attributes: &mut Vec<KeyValue>, most: u32) -> u32 {
    let over = attributes.len().saturating_sub(most as usize);
    attributes.truncate(most as usize);
    u32::try_from(over).unwrap_or(u32::MAX)
}

/// Nanoseconds since 1970.
pub(super) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())
}
