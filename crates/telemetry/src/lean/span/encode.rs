//! An ended span as protobuf.

use std::cell::RefCell;

use campanile_recorder::Route;
use campanile_semconv::attribute;
use opentelemetry::trace::{Event, Link, SpanContext, Status};
use opentelemetry::{KeyValue, Value};

use super::{Data, nanos};
use crate::lean::proto::{self, Fixed, tag};
use crate::lean::values::Values;

thread_local! {
    /// Where spans are written before their length is known.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A thread keeps this much room for its next span.
const KEPT: usize = 8 << 10;

/// Writes the message, and shows it to `use_it`.
pub(super) fn with(
    context: &SpanContext,
    data: &mut Data,
    end_ns: u64,
    values: &Values,
    use_it: impl FnOnce(&[u8]),
) {
    keep_allowed(data, values);
    // A thread that is ending has no scratch, and a redactor could end a span of its own.
    let mut out = SCRATCH.try_with(RefCell::take).unwrap_or_default();
    out.clear();
    write(&mut out, context, data, end_ns, values);
    use_it(&out);
    if out.capacity() <= KEPT {
        let _ = SCRATCH.try_with(|scratch| scratch.replace(out));
    }
}

fn write(out: &mut Vec<u8>, context: &SpanContext, data: &Data, end_ns: u64, values: &Values) {
    let fixed = Fixed {
        trace_id: context.trace_id().to_bytes(),
        span_id: context.span_id().to_bytes(),
        parent_id: data.parent.to_bytes(),
        kind: data.kind,
        start_ns: data.start_ns,
        end_ns,
        flags: proto::flags(context.trace_flags(), data.parent_is_remote),
    };
    fixed.write(out);
    match &data.trace_state {
        Some(text) => proto::bytes(out, tag::SPAN_TRACE_STATE, text.as_str().as_bytes()),
        None => state(out, tag::SPAN_TRACE_STATE, context),
    }
    let name = values.text(&data.name);
    proto::bytes(out, tag::SPAN_NAME, name.as_bytes());
    for attribute in &data.attributes {
        values.attribute(out, tag::SPAN_ATTRIBUTE, attribute);
    }
    let dropped = u64::from(data.dropped_attributes);
    proto::number(out, tag::SPAN_DROPPED_ATTRIBUTES, dropped);
    for one in &data.events {
        proto::message(out, tag::SPAN_EVENT, |out| event(out, one, values));
    }
    proto::number(out, tag::SPAN_DROPPED_EVENTS, data.dropped_events.into());
    for one in &data.links {
        proto::message(out, tag::SPAN_LINK, |out| link(out, one, values));
    }
    proto::number(out, tag::SPAN_DROPPED_LINKS, data.dropped_links.into());
    status(out, &data.status, values);
}

/// The list that the API's own type holds, where there is one.
fn state(out: &mut Vec<u8>, tag: u8, context: &SpanContext) {
    if *context.trace_state() != opentelemetry::trace::TraceState::NONE {
        proto::bytes(out, tag, context.trace_state().header().as_bytes());
    }
}

pub(in crate::lean) fn event(out: &mut Vec<u8>, event: &Event, values: &Values) {
    out.push(tag::EVENT_TIME);
    out.extend_from_slice(&nanos(event.timestamp).to_le_bytes());
    let name = values.text(&event.name);
    proto::bytes(out, tag::EVENT_NAME, name.as_bytes());
    for attribute in &event.attributes {
        values.attribute(out, tag::EVENT_ATTRIBUTE, attribute);
    }
    let dropped = event.dropped_attributes_count;
    proto::number(out, tag::EVENT_DROPPED_ATTRIBUTES, dropped.into());
}

pub(in crate::lean) fn link(out: &mut Vec<u8>, link: &Link, values: &Values) {
    let context = &link.span_context;
    proto::bytes(out, tag::LINK_TRACE_ID, &context.trace_id().to_bytes());
    proto::bytes(out, tag::LINK_SPAN_ID, &context.span_id().to_bytes());
    state(out, tag::LINK_TRACE_STATE, context);
    for attribute in &link.attributes {
        values.attribute(out, tag::LINK_ATTRIBUTE, attribute);
    }
    let dropped = link.dropped_attributes_count;
    proto::number(out, tag::LINK_DROPPED_ATTRIBUTES, dropped.into());
    out.push(tag::LINK_FLAGS);
    let flags = proto::flags(context.trace_flags(), context.is_remote());
    out.extend_from_slice(&flags.to_le_bytes());
}

pub(in crate::lean) fn status(out: &mut Vec<u8>, status: &Status, values: &Values) {
    match status {
        Status::Unset => {}
        Status::Ok => out.extend_from_slice(&[tag::SPAN_STATUS, 2, tag::STATUS_CODE, 1]),
        Status::Error { description } => proto::message(out, tag::SPAN_STATUS, |out| {
            let message = values.text(description);
            if !message.is_empty() {
                proto::bytes(out, tag::STATUS_MESSAGE, message.as_bytes());
            }
            out.extend_from_slice(&[tag::STATUS_CODE, 2]);
        }),
    }
}

/// In a domain with a list, drops the attributes that are not on it.
///
/// A span inside an exchange does not name its domain: the exchange that is under way does.
fn keep_allowed(data: &mut Data, values: &Values) {
    let redactor = &values.redactor;
    if redactor.is_off() {
        return;
    }
    let own = data.attributes.iter().find_map(domain_of);
    let domain = own.or_else(|| Route::current().and_then(Route::domain));
    let Some(domain) = domain.filter(|domain| redactor.limits(domain)) else {
        return;
    };
    let domain = domain.to_owned();
    let is_allowed = |attribute: &KeyValue| redactor.allows(Some(&domain), attribute.key.as_str());
    data.attributes.retain(is_allowed);
    for event in &mut data.events {
        event.attributes.retain(is_allowed);
    }
    for link in &mut data.links {
        link.attributes.retain(is_allowed);
    }
}

fn domain_of(attribute: &KeyValue) -> Option<&str> {
    match (attribute.key.as_str(), &attribute.value) {
        (attribute::CAMPANILE_DOMAIN, Value::String(domain)) => Some(domain.as_str()),
        _ => None,
    }
}
