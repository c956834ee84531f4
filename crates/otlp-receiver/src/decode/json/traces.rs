//! Spans.

use serde::Deserialize;

use super::common::{KeyValue, Resource, Scope};
use super::scalar::{Enum, Hex, Maybe, Num, Objects, Text};
use crate::proto::trace as proto;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ResourceSpans {
    resource: Maybe<Resource>,
    scope_spans: Objects<ScopeSpans>,
    schema_url: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ScopeSpans {
    scope: Maybe<Scope>,
    spans: Objects<Span>,
    schema_url: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Span {
    trace_id: Hex,
    span_id: Hex,
    trace_state: Text,
    parent_span_id: Hex,
    flags: Num<u32>,
    name: Text,
    kind: Enum,
    start_time_unix_nano: Num<u64>,
    end_time_unix_nano: Num<u64>,
    attributes: Objects<KeyValue>,
    dropped_attributes_count: Num<u32>,
    events: Objects<Event>,
    dropped_events_count: Num<u32>,
    links: Objects<Link>,
    dropped_links_count: Num<u32>,
    status: Maybe<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event {
    time_unix_nano: Num<u64>,
    name: Text,
    attributes: Objects<KeyValue>,
    dropped_attributes_count: Num<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Link {
    trace_id: Hex,
    span_id: Hex,
    trace_state: Text,
    attributes: Objects<KeyValue>,
    dropped_attributes_count: Num<u32>,
    flags: Num<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    message: Text,
    code: Enum,
}

impl From<ResourceSpans> for proto::ResourceSpans {
    fn from(group: ResourceSpans) -> Self {
        Self {
            resource: group.resource.convert(),
            scope_spans: group.scope_spans.convert(),
            schema_url: group.schema_url.0.into(),
        }
    }
}

impl From<ScopeSpans> for proto::ScopeSpans {
    fn from(group: ScopeSpans) -> Self {
        Self {
            scope: group.scope.convert(),
            spans: group.spans.convert(),
            schema_url: group.schema_url.0.into(),
        }
    }
}

impl From<Span> for proto::Span {
    fn from(span: Span) -> Self {
        Self {
            trace_id: span.trace_id.0.into(),
            span_id: span.span_id.0.into(),
            trace_state: span.trace_state.0.into(),
            parent_span_id: span.parent_span_id.0.into(),
            flags: span.flags.0,
            name: span.name.0.into(),
            kind: span.kind.0,
            start_time_unix_nano: span.start_time_unix_nano.0,
            end_time_unix_nano: span.end_time_unix_nano.0,
            attributes: span.attributes.convert(),
            dropped_attributes_count: span.dropped_attributes_count.0,
            events: span.events.convert(),
            dropped_events_count: span.dropped_events_count.0,
            links: span.links.convert(),
            dropped_links_count: span.dropped_links_count.0,
            status: span.status.convert(),
        }
    }
}

impl From<Event> for proto::Event {
    fn from(event: Event) -> Self {
        Self {
            time_unix_nano: event.time_unix_nano.0,
            name: event.name.0.into(),
            attributes: event.attributes.convert(),
            dropped_attributes_count: event.dropped_attributes_count.0,
        }
    }
}

impl From<Link> for proto::Link {
    fn from(link: Link) -> Self {
        Self {
            trace_id: link.trace_id.0.into(),
            span_id: link.span_id.0.into(),
            trace_state: link.trace_state.0.into(),
            attributes: link.attributes.convert(),
            dropped_attributes_count: link.dropped_attributes_count.0,
            flags: link.flags.0,
        }
    }
}

impl From<Status> for proto::Status {
    fn from(status: Status) -> Self {
        Self {
            message: status.message.0.into(),
            code: status.code.0,
        }
    }
}
