//! Spans.

use std::sync::Arc;
use std::time::SystemTime;

use super::common::{attributes, resource, scope, span_id, text, trace_id};
use super::keys::Keys;
use super::{DecodeError, Decoded, Rejected};
use crate::model::{Event, Link, Resource, Scope, Span, SpanKind, Status, StatusCode};
use crate::proto::trace as proto;
use crate::shared::Items;

pub(super) fn convert(request: proto::Request, keys: &mut Keys) -> Result<Decoded, DecodeError> {
    let (mut spans, mut rejected) = (Vec::new(), Rejected::default());
    for (r, group) in request.resource_spans.into_iter().enumerate() {
        let resource = resource(group.resource, &group.schema_url, keys)?;
        for (s, group) in group.scope_spans.into_iter().enumerate() {
            let scope = scope(group.scope, &group.schema_url, keys)?;
            for (i, span) in group.spans.into_iter().enumerate() {
                let path = || format!("resourceSpans[{r}].scopeSpans[{s}].spans[{i}]");
                match convert_span(span, &resource, &scope, &path, keys)? {
                    Ok(span) => spans.push(span),
                    Err(why) => rejected.add(1, || format!("{}: {why}", path())),
                }
            }
        }
    }
    let items = Items::Spans(spans);
    Ok(Decoded { items, rejected })
}

/// Reads one span; the inner error is why this one cannot be kept.
fn convert_span(
    span: proto::Span,
    resource: &Arc<Resource>,
    scope: &Arc<Scope>,
    path: &impl Fn() -> String,
    keys: &mut Keys,
) -> Result<Result<Span, &'static str>, DecodeError> {
    let trace_id = trace_id(&span.trace_id, || format!("{}.traceId", path()))?;
    let id = span_id(&span.span_id, || format!("{}.spanId", path()))?;
    let parent = span_id(&span.parent_span_id, || format!("{}.parentSpanId", path()))?;
    let (Some(trace_id), Some(id)) = (trace_id, id) else {
        return Ok(Err("a span needs a trace id and a span id other than zero"));
    };
    let links = span.links.into_iter().enumerate();
    let links =
        links.map(|(l, link)| convert_link(link, || format!("{}.links[{l}]", path()), keys));
    let links = links.collect::<Result<_, _>>()?;
    let events = span
        .events
        .into_iter()
        .map(|event| convert_event(event, keys));
    let events = events.collect::<Result<_, _>>()?;
    let status = span.status.unwrap_or_default();
    Ok(Ok(Span {
        seq: 0,
        received: SystemTime::UNIX_EPOCH,
        trace_id,
        span_id: id,
        parent_span_id: parent,
        trace_state: text(&span.trace_state)?,
        flags: span.flags,
        name: text(&span.name)?,
        kind: kind(span.kind),
        start_unix_nano: span.start_time_unix_nano,
        end_unix_nano: span.end_time_unix_nano,
        attributes: attributes(span.attributes, keys)?,
        dropped_attributes_count: span.dropped_attributes_count,
        events,
        dropped_events_count: span.dropped_events_count,
        links,
        dropped_links_count: span.dropped_links_count,
        status: Status {
            code: status_code(status.code),
            message: text(&status.message)?,
        },
        resource: Arc::clone(resource),
        scope: Arc::clone(scope),
    }))
}

fn convert_event(event: proto::Event, keys: &mut Keys) -> Result<Event, DecodeError> {
    Ok(Event {
        name: text(&event.name)?,
        time_unix_nano: event.time_unix_nano,
        attributes: attributes(event.attributes, keys)?,
        dropped_attributes_count: event.dropped_attributes_count,
    })
}

fn convert_link(
    link: proto::Link,
    path: impl Fn() -> String,
    keys: &mut Keys,
) -> Result<Link, DecodeError> {
    Ok(Link {
        trace_id: trace_id(&link.trace_id, || format!("{}.traceId", path()))?.unwrap_or_default(),
        span_id: span_id(&link.span_id, || format!("{}.spanId", path()))?.unwrap_or_default(),
        trace_state: text(&link.trace_state)?,
        flags: link.flags,
        attributes: attributes(link.attributes, keys)?,
        dropped_attributes_count: link.dropped_attributes_count,
    })
}

fn kind(number: i32) -> SpanKind {
    match number {
        1 => SpanKind::Internal,
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

fn status_code(number: i32) -> StatusCode {
    match number {
        1 => StatusCode::Ok,
        2 => StatusCode::Error,
        _ => StatusCode::Unset,
    }
}
