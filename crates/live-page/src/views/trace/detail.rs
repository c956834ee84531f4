//! Everything known about one span: attributes, events, links in both directions, log lines.

use campanile_otlp_receiver::{SpanId, TraceId, Value as Otlp};
use serde_json::{Value, json};

use super::logs_of;
use crate::app::App;
use crate::facts;
use crate::words;

/// Bytes of one attribute value that travel.
const LONGEST_VALUE: usize = 64 * 1024;

/// Everything about one span, or none when it is not held.
pub(crate) fn span(app: &App, trace: &str, span: &str) -> Option<Value> {
    let (trace, id): (TraceId, SpanId) = (trace.parse().ok()?, span.parse().ok()?);
    let all = app.receiver.spans();
    let logs = logs_of(app, trace);
    let begin = all
        .iter()
        .filter(|span| span.trace_id == trace)
        .map(|span| span.start_unix_nano)
        .min();
    let Some(span) = all
        .iter()
        .find(|span| span.trace_id == trace && span.span_id == id)
    else {
        // A row that stands for a parent that never arrived.
        return Some(
            json!({ "id": id.to_string(), "kind": "never arrived", "t": begin.map_or(0.0, facts::ms), "attributes": [], "events": [], "links": [], "logs": [], "dropped": 0, "resource": [] }),
        );
    };
    let held = |trace: TraceId, id: SpanId| {
        all.iter()
            .find(|other| other.trace_id == trace && other.span_id == id)
    };
    let mut links: Vec<Value> = span
        .links
        .iter()
        .take(100)
        .map(|link| {
            let other = held(link.trace_id, link.span_id);
            let href = other.map(|_| address(link.trace_id, link.span_id));
            let name = other.map_or_else(
                || format!("{} {}", link.trace_id, link.span_id),
                |other| words::cut(&other.name, 80),
            );
            let note = if other.is_some() {
                link.attributes.to_string()
            } else {
                "not held".to_owned()
            };
            json!(["→", href, name, words::cut(&note, 120)])
        })
        .collect();
    let back = all.iter().filter(|other| {
        other
            .links
            .iter()
            .any(|link| link.trace_id == trace && link.span_id == id)
    });
    links.extend(back.take(100).map(|other| {
        json!([
            "←",
            address(other.trace_id, other.span_id),
            words::cut(&other.name, 80),
            other.resource.service_name()
        ])
    }));
    let lines: Vec<_> = logs
        .iter()
        .filter(|log| log.span_id == Some(id))
        .take(100)
        .map(|log| {
            let name = if log.event_name.is_empty() {
                words::cut(&log.body.to_string(), 80)
            } else {
                words::cut(&log.event_name, 80)
            };
            json!([
                log.seq,
                log.level(),
                name,
                words::round(facts::log_ms(log) - facts::start_ms(span))
            ])
        })
        .collect();
    let events: Vec<_> = span
        .events
        .iter()
        .take(100)
        .map(|event| {
            json!([
                words::round(facts::ms(event.time_unix_nano) - facts::start_ms(span)),
                words::cut(&event.name, 200),
                pairs(event.attributes.iter())
            ])
        })
        .collect();
    let status = facts::failed(span).then(|| {
        if span.status.message.is_empty() {
            facts::failure(span).unwrap_or_default()
        } else {
            words::cut(&span.status.message, LONGEST_VALUE)
        }
    });
    Some(json!({
        "id": id.to_string(), "kind": span.kind.as_str(), "t": words::round(facts::start_ms(span)),
        "service": span.resource.service_name(), "status": status,
        "attributes": pairs(span.attributes.iter()), "events": events, "links": links, "logs": lines,
        "dropped": u64::from(span.dropped_attributes_count) + u64::from(span.dropped_events_count) + u64::from(span.dropped_links_count),
        "resource": pairs(span.resource.attributes.iter()),
        "scope": format!("{} {}", span.scope.name, span.scope.version).trim(),
    }))
}

/// The address of a span: trace and span, so that a link is a URL.
fn address(trace: TraceId, span: SpanId) -> String {
    format!("/traces/{trace}?span={span}")
}

/// Attributes for the page, by key: key, text (cut), and how many bytes it had.
pub(crate) fn pairs<'a>(attributes: impl Iterator<Item = (&'a str, &'a Otlp)>) -> Vec<Value> {
    let mut attributes: Vec<_> = attributes.collect();
    attributes.sort_by_key(|(key, _)| *key);
    attributes
        .into_iter()
        .take(200)
        .map(|(key, value)| {
            let text = value.to_string();
            json!([
                words::cut(key, 200),
                words::cut(&text, LONGEST_VALUE),
                text.len()
            ])
        })
        .collect()
}
