//! Any instrument: its series, and one plot.

mod plot;

use std::collections::BTreeMap;

use campanile_otlp_receiver::model::Series;
use campanile_otlp_receiver::{Metric, MetricKind};
use serde_json::{Value, json};

use self::plot::Plot;
pub(super) use self::plot::{increase, last_sum};
use crate::address;
use crate::app::App;
use crate::facts;
use crate::filter::MetricSubject;
use crate::question::{Question, Range};
use crate::views;
use crate::words::{self, Sentence, Verdict};

const LISTED: usize = 200;
const SERIES: usize = 40;

pub(super) fn body(app: &App, question: &Question) -> Value {
    let filter = views::filter(app, question);
    let metrics = app.receiver.metrics();
    let asked = question.range();
    let points = metrics
        .iter()
        .flat_map(|metric| &metric.series)
        .flat_map(|series| &series.points);
    let oldest = points
        .map(|point| facts::ms(point.time_unix_nano))
        .filter(|at| asked.has(*at))
        .reduce(f64::min);
    let range = asked.shrunk_to(oldest);
    // Several services may have an instrument of one name: it is one line here.
    let mut names: BTreeMap<&str, Vec<&Metric>> = BTreeMap::new();
    for metric in metrics
        .iter()
        .filter(|metric| filter.matches(&MetricSubject(metric)))
    {
        names.entry(metric.name()).or_default().push(metric);
    }
    let total = names.len();
    let series: usize = names
        .values()
        .flatten()
        .map(|metric| metric.series.len())
        .sum();
    let one = metrics
        .iter()
        .filter(|metric| metric.name() == question.id)
        .collect::<Vec<_>>();
    let one = (!one.is_empty()).then(|| instrument(&one, question, &range));
    let report = views::filter_report(&filter, total, |without| {
        metrics
            .iter()
            .filter(|metric| without.matches(&MetricSubject(metric)))
            .count()
    });
    let most = names
        .iter()
        .map(|(name, metrics)| {
            (
                metrics
                    .iter()
                    .map(|metric| metric.series.len())
                    .sum::<usize>(),
                *name,
            )
        })
        .max();
    let two = most.map_or_else(Sentence::default, |(count, name)| {
        let (said, shown) = (Sentence::new("The widest is "), words::cut(name, 80));
        let said = match address::fits(name) {
            true => said.link(shown, format!("/metrics/{}", address::segment(name))),
            false => said.then(shown),
        };
        said.then(format!(
            ", with {}.",
            words::plural(count as u64, "series", "series")
        ))
    });
    let said = match total as u64 {
        0 => "No metric is held.".to_owned(),
        instruments => format!(
            "{}, {} held.",
            words::plural(instruments, "instrument", "instruments"),
            words::plural(series as u64, "series", "series")
        ),
    };
    json!({
        "verdict": Verdict { rule: "metrics", one: Sentence::new(said), two },
        "filter": report,
        "t0": range.from.round(), "t1": range.to.round(),
        "one": one,
        "list": views::fit(names.into_iter().take(LISTED).map(|(name, metrics)| line(name, &metrics, &range)), 56 * 1024),
    })
}

fn line(name: &str, metrics: &[&Metric], range: &Range) -> Value {
    let all: Vec<&Series> = metrics.iter().flat_map(|metric| &metric.series).collect();
    let plot = Plot::of(metrics[0].kind(), &all, range);
    json!({
        "name": words::cut(name, 120), "kind": kind(metrics[0].kind()), "unit": words::cut(metrics[0].unit(), 24), "series": all.len(),
        "last": plot.last, "per": plot.per_second, "v": plot.values,
    })
}

fn instrument(metrics: &[&Metric], question: &Question, range: &Range) -> Value {
    let kind_of = metrics[0].kind();
    let all: Vec<&Series> = metrics.iter().flat_map(|metric| &metric.series).collect();
    let whole = Plot::of(kind_of, &all, range);
    let mut keys: BTreeMap<&str, ()> = BTreeMap::new();
    for series in &all {
        keys.extend(series.attributes.iter().map(|(key, _)| (key, ())));
    }
    let mut split: BTreeMap<String, Vec<&Series>> = BTreeMap::new();
    for series in &all {
        let name = if question.by.is_empty() {
            series.attributes.to_string()
        } else {
            series.attributes.get(&question.by).map_or_else(
                || format!("no {}", question.by),
                |value| format!("{}={value}", question.by),
            )
        };
        split
            .entry(if name.is_empty() {
                "no attributes".to_owned()
            } else {
                name
            })
            .or_default()
            .push(series);
    }
    let more = split.len().saturating_sub(SERIES);
    let lines = split.into_iter().take(SERIES).map(|(name, series)| {
        let plot = Plot::of(kind_of, &series, range);
        json!({ "name": words::cut(&name, 300), "last": plot.last, "per": plot.per_second, "v": plot.values })
    });
    let series = views::fit(lines, 32 * 1024);
    let max = whole.values.iter().flatten().copied().fold(0.0, f64::max);
    json!({
        "name": words::cut(metrics[0].name(), 200), "kind": kind(kind_of), "unit": words::cut(metrics[0].unit(), 24), "about": words::cut(metrics[0].description(), 500),
        "what": whole.what, "last": whole.last, "max": max, "v": whole.values, "keys": keys.into_keys().take(24).collect::<Vec<_>>(), "series": series, "more": more,
    })
}

fn kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Gauge => "gauge",
        MetricKind::Sum {
            monotonic: true, ..
        } => "counter",
        MetricKind::Sum { .. } => "up-down",
        MetricKind::Histogram { .. } => "histogram",
        MetricKind::ExponentialHistogram { .. } => "exp. histogram",
        MetricKind::Summary => "summary",
    }
}
