//! WebSockets: who is connected, who left and why.

use std::collections::HashMap;
use std::sync::Arc;

use campanile_otlp_receiver::{Metric, Span};
use campanile_semconv::{attribute as a, metric};
use serde_json::{Value, json};

use super::metrics::{increase, last_sum};
use crate::app::App;
use crate::facts;
use crate::filter::SpanSubject;
use crate::question::Question;
use crate::views;
use crate::words::{self, Sentence, Verdict};

const ROWS: usize = 100;
const BINS: usize = 60;
/// Closes that nobody wanted.
const BROKEN: [&str; 8] = [
    "abnormal", "protocol", "policy", "too_big", "internal", "library", "invalid", "tls",
];

pub(super) fn body(app: &App, question: &Question) -> Value {
    let filter = views::filter(app, question);
    let asked = question.range();
    let spans: Vec<Arc<Span>> = app
        .receiver
        .spans()
        .into_iter()
        .filter(|span| is_session(span))
        .collect();
    let metrics: Vec<Metric> = app
        .receiver
        .metrics()
        .into_iter()
        .filter(|metric| metric.name().starts_with("websocket."))
        .collect();
    if spans.is_empty() && metrics.is_empty() {
        let one = Sentence::new("No WebSocket has been seen.");
        return json!({ "verdict": Verdict { rule: "ws_none", one, two: Sentence::default() } });
    }
    let matching = |span: &Arc<Span>| {
        asked.has(facts::start_ms(span)) && filter.matches(&SpanSubject::new(span))
    };
    let mut found: Vec<&Arc<Span>> = spans.iter().filter(|span| matching(span)).collect();
    found.sort_by_key(|span| std::cmp::Reverse(span.start_unix_nano));
    let range = asked.shrunk_to(found.last().map(|span| facts::start_ms(span)));
    let named = |name: &str| {
        metrics
            .iter()
            .filter(|metric| metric.name() == name)
            .collect::<Vec<_>>()
    };
    let active = last_sum(&named(metric::WEBSOCKET_CONNECTION_ACTIVE.name), |_| true);
    let count = |name: &str| found.iter().filter(|span| span.name == name).count();
    let (opened, closed) = (count("websocket.connect"), count("websocket.disconnect"));
    let broken = found.iter().filter(|span| is_broken(span)).count();
    let messages = |direction: &str| {
        increase(
            &named(metric::WEBSOCKET_MESSAGES.name),
            &asked,
            |attributes| attributes.get_str(a::WEBSOCKET_MESSAGE_DIRECTION) == Some(direction),
        )
    };
    let (received, sent) = (messages("receive"), messages("transmit"));

    let mut closes: Vec<(String, String, u64)> = Vec::new();
    let mut bins = vec![[0u32; 3]; BINS];
    for span in &found {
        let closing = span.name == "websocket.disconnect";
        if let Some(bin) = range.bin(facts::start_ms(span), BINS) {
            bins[bin][if is_broken(span) { 2 } else { 0 }] +=
                u32::from(closing || span.name == "websocket.connect");
        }
        if closing {
            let word =
                |key: &str| words::cut(span.attributes.get_str(key).unwrap_or("not said"), 40);
            let (class, cause) = (
                word(a::WEBSOCKET_CLOSE_CLASS),
                word(a::WEBSOCKET_CLOSE_CAUSE),
            );
            match closes
                .iter_mut()
                .find(|(known, why, _)| *known == class && *why == cause)
            {
                Some((.., count)) => *count += 1,
                None => closes.push((class, cause, 1)),
            }
        }
    }
    closes.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
    closes.truncate(12);
    let report = views::filter_report(&filter, found.len(), |without| {
        spans
            .iter()
            .filter(|span| {
                asked.has(facts::start_ms(span)) && without.matches(&SpanSubject::new(span))
            })
            .count()
    });
    let verdict = verdict(active, closed, broken);
    let mut began: HashMap<&str, f64> = HashMap::new();
    for span in spans.iter().filter(|span| span.name == "websocket.connect") {
        if let Some(session) = span.attributes.get_str(a::SESSION_ID) {
            began.insert(session, facts::start_ms(span));
        }
    }
    found.truncate(ROWS);
    json!({
        "verdict": verdict,
        "filter": report,
        "cells": [
            ["Open now", active, null, if active.is_some() { "connections, by the metric" } else { "awaits websocket.connection.active" }, null],
            ["Opened", opened, null, "in this time, by their spans", null],
            ["Closed", closed, null, "in this time, by their spans", (broken > 0).then(|| format!("{} broken", words::count(broken as u64)))],
            ["Received", received, null, "messages", null],
            ["Sent", sent, null, "messages", null],
        ],
        "closes": closes, "hist": bins, "t0": range.from.round(), "t1": range.to.round(),
        "sessions": found.into_iter().map(|span| row(span, &began)).collect::<Vec<_>>(),
    })
}

/// The short root spans of a session's life.
fn is_session(span: &Span) -> bool {
    span.name.starts_with("websocket.")
}

/// Says whether a span tells of a connection that broke.
pub(crate) fn is_broken(span: &Span) -> bool {
    span.name == "websocket.disconnect"
        && span
            .attributes
            .get_str(a::WEBSOCKET_CLOSE_CLASS)
            .is_some_and(|class| BROKEN.contains(&class))
}

fn row(span: &Span, opened: &HashMap<&str, f64>) -> Value {
    let text = |key: &str| {
        span.attributes
            .get(key)
            .map(|value| words::cut(&value.to_string(), 60))
    };
    // The spans are short: how long the connection lasted lies between two of them.
    let lasted = (span.name == "websocket.disconnect")
        .then(|| opened.get(span.attributes.get_str(a::SESSION_ID)?))
        .flatten()
        .map(|opened| words::round(facts::start_ms(span) - opened))
        .filter(|lasted| *lasted >= 0.0);
    json!({
        "id": span.span_id.to_string(), "trace": span.trace_id.to_string(), "t": words::round(facts::start_ms(span)),
        "name": words::cut(&span.name, 60), "ep": text(a::WEBSOCKET_ENDPOINT), "session": text(a::SESSION_ID),
        "cls": text(a::WEBSOCKET_CLOSE_CLASS), "cause": text(a::WEBSOCKET_CLOSE_CAUSE), "lasted": lasted,
        "received": text(a::WEBSOCKET_RECEIVED_COUNT), "sent": text(a::WEBSOCKET_TRANSMITTED_COUNT),
    })
}

fn verdict(active: Option<f64>, closed: usize, broken: usize) -> Verdict {
    let open = active.map(|active| active.max(0.0) as u64);
    let one = match open {
        Some(1) => Sentence::new("1 connection is open."),
        Some(open) => Sentence::new(format!(
            "{} are open.",
            words::plural(open, "connection", "connections")
        )),
        None => Sentence::new(format!(
            "{} closed.",
            words::plural(closed as u64, "connection", "connections")
        )),
    };
    let one = match broken as u64 {
        0 => one,
        1 => one.then(" ").em("1 broke."),
        broken => one.then(" ").em(format!("{} broke.", words::count(broken))),
    };
    let two = match (closed, broken) {
        (0, _) => Sentence::new("None closed in this time."),
        (closed, 0) => Sentence::new(format!(
            "{} closed in this time, none of them abnormally.",
            words::count(closed as u64)
        )),
        (closed, broken) => Sentence::new(format!(
            "{} closed in this time; ",
            words::count(closed as u64)
        ))
        .warning(format!("{} abnormally", words::count(broken as u64)))
        .then("."),
    };
    Verdict {
        rule: if broken > 0 { "ws_broken" } else { "ws" },
        one,
        two,
    }
}
