//! The views: each computes one JSON object from what is held, ready to draw.

pub(crate) mod logs;
mod metrics;
mod overview;
mod pipeline;
pub(crate) mod trace;
pub(crate) mod traces;
pub(crate) mod ws;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::app::App;
use crate::filter::Filter;
use crate::question::Question;

/// Computes what `question` asks.
pub(crate) fn body(app: &App, question: &Question) -> Map<String, Value> {
    let value = match question.view.as_str() {
        "badges" => return app.badges(question),
        "traces" => traces::body(app, question),
        "trace" => trace::body(app, question),
        "logs" => logs::body(app, question),
        "ws" => ws::body(app, question),
        "metrics" => metrics::body(app, question),
        "pipeline" => pipeline::body(app),
        _ => overview::body(app, question),
    };
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Reads the filter of a question, and judges its keys against the attributes held.
pub(crate) fn filter(app: &App, question: &Question) -> Filter {
    let mut filter = Filter::parse(question.filter_text());
    let keys = || {
        let mut keys = BTreeSet::new();
        for span in app.receiver.spans() {
            add_keys(
                &mut keys,
                span.attributes
                    .iter()
                    .chain(span.resource.attributes.iter())
                    .map(|(key, _)| key),
            );
        }
        for log in app.receiver.logs() {
            add_keys(
                &mut keys,
                log.attributes
                    .iter()
                    .chain(log.resource.attributes.iter())
                    .map(|(key, _)| key),
            );
        }
        for metric in app.receiver.metrics() {
            for series in &metric.series {
                add_keys(&mut keys, series.attributes.iter().map(|(key, _)| key));
            }
        }
        keys
    };
    if !filter.is_empty() {
        let held = std::cell::OnceCell::new();
        let known = || held.get_or_init(keys);
        filter.judge_keys(
            |key| known().contains(key),
            || known().iter().cloned().collect(),
        );
    }
    filter
}

fn add_keys<'a>(keys: &mut BTreeSet<String>, more: impl Iterator<Item = &'a str>) {
    for key in more {
        if !keys.contains(key) {
            keys.insert(key.to_owned());
        }
    }
}

/// What the page shows about the filter: what could not be meant, and, if nothing matched, what dropping each token
/// would show.
pub(crate) fn filter_report(
    filter: &Filter,
    matched: usize,
    count: impl Fn(&Filter) -> usize,
) -> Value {
    let none = (matched == 0 && !filter.is_empty()).then(|| {
        let without = filter
            .without_each()
            .map(|(token, without)| json!({ "token": token, "count": count(&without) }));
        without.collect::<Vec<_>>()
    });
    json!({ "problems": filter.problems, "none": none })
}

/// As many rows as fit into `bytes` of JSON: a snapshot stays under 100 KiB, whatever the names in it.
pub(crate) fn fit(rows: impl Iterator<Item = Value>, bytes: usize) -> Vec<Value> {
    let mut left = bytes;
    rows.take_while(|row| {
        let size = row.to_string().len() + 1;
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    })
    .collect()
}
