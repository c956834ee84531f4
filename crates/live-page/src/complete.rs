//! Completion: keys first, then the values that are held, with their counts.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::address::token;
use crate::app::App;
use crate::facts;
use crate::filter::{KEYS, LogSubject, MetricSubject, SpanSubject, Subject};
use crate::words;

const OPTIONS: usize = 10;
/// Newest items that are looked through; older ones are rarely what one is typing about.
const LOOKED_AT: usize = 5000;

/// Proposes how `typed` could go on.
pub(crate) fn options(app: &App, view: &str, typed: &str) -> Value {
    let typed = words::cut(typed, 200);
    let (negation, body) = typed
        .strip_prefix('-')
        .map_or(("", typed.as_str()), |body| ("-", body));
    let options = match body.split_once(':') {
        Some(("has", begun)) => keys(app, view, begun).into_iter().map(|(key, count)| json!({ "text": format!("{negation}has:{key}"), "count": count })).collect(),
        Some((key, begun)) => values(app, view, key, begun.trim_matches('"')).into_iter().map(|(value, count)| json!({ "text": format!("{negation}{}", token(key, &value)), "count": count })).collect(),
        None => {
            let ours = KEYS.iter().filter(|(key, _)| key.starts_with(body)).map(|(key, help)| {
                let sign = if *key == "dur" { ">" } else { ":" };
                json!({ "text": format!("{negation}{key}{sign}"), "help": help })
            });
            let held = keys(app, view, body).into_iter().filter(|_| !body.is_empty()).map(|(key, count)| json!({ "text": format!("{negation}{key}:"), "count": count }));
            ours.chain(held).take(OPTIONS).collect::<Vec<_>>()
        }
    };
    json!({ "options": options })
}

fn keys(app: &App, view: &str, begun: &str) -> Vec<(String, u64)> {
    let mut counts = HashMap::new();
    let mut see = |attributes: &campanile_otlp_receiver::Attributes| {
        for (key, _) in attributes.iter().filter(|(key, _)| key.contains(begun)) {
            *counts.entry(key.to_owned()).or_insert(0) += 1;
        }
    };
    match view {
        "logs" => app
            .receiver
            .logs()
            .iter()
            .rev()
            .take(LOOKED_AT)
            .for_each(|log| see(&log.attributes)),
        "metrics" => app
            .receiver
            .metrics()
            .iter()
            .flat_map(|metric| &metric.series)
            .for_each(|series| see(&series.attributes)),
        _ => app
            .receiver
            .spans()
            .iter()
            .rev()
            .take(LOOKED_AT)
            .for_each(|span| see(&span.attributes)),
    }
    most(counts)
}

fn values(app: &App, view: &str, key: &str, begun: &str) -> Vec<(String, u64)> {
    let begun = begun.to_lowercase();
    let mut counts = HashMap::new();
    let mut see = |subject: &dyn Seen| {
        subject.each(key, &mut |value| {
            if value.to_lowercase().contains(&begun) && value.len() <= 200 {
                *counts.entry(value.to_owned()).or_insert(0) += 1;
            }
        });
    };
    match view {
        "logs" => app
            .receiver
            .logs()
            .iter()
            .rev()
            .take(LOOKED_AT)
            .for_each(|log| see(&LogSubject(log))),
        "metrics" => app
            .receiver
            .metrics()
            .iter()
            .for_each(|metric| see(&MetricSubject(metric))),
        "overview" => app
            .receiver
            .spans()
            .iter()
            .rev()
            .filter(|span| facts::is_request(span))
            .take(LOOKED_AT)
            .for_each(|span| see(&SpanSubject::new(span))),
        _ => app
            .receiver
            .spans()
            .iter()
            .rev()
            .take(LOOKED_AT)
            .for_each(|span| see(&SpanSubject::new(span))),
    }
    most(counts)
}

/// Walks all values of a key.
trait Seen {
    fn each(&self, key: &str, see: &mut dyn FnMut(&str));
}

impl<S: Subject> Seen for S {
    fn each(&self, key: &str, see: &mut dyn FnMut(&str)) {
        self.values(key, &mut |value| {
            see(value);
            false
        });
    }
}

fn most(counts: HashMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(OPTIONS);
    counts
}
