//! Rate, errors and duration of each route: exact from spans, estimated from histograms where spans were sampled.

use std::collections::HashMap;

use campanile_otlp_receiver::model::{Point, PointValue};
use campanile_otlp_receiver::{Attributes, Metric};
use campanile_semconv::attribute as a;
use serde_json::{Value, json};

use super::{Request, is_failing};
use crate::app::Targets;
use crate::facts;
use crate::question::Range;
use crate::stats::{self, Buckets, Percentiles};
use crate::words;

/// Points of a row's trend.
const TREND: usize = 40;

/// One route.
#[derive(Debug)]
pub(in crate::views) struct Row {
    pub(super) method: String,
    pub(super) route: String,
    class: &'static str,
    pub(super) requests: Vec<Request>,
    pub(super) count: u64,
    pub(super) errors: u64,
    pub(super) percentiles: Percentiles,
    pub(super) target: f64,
    /// Whether the percentiles are read from buckets.
    pub(super) estimated: bool,
}

impl Row {
    /// Names the route as the address of the page does.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.method, self.route)
            .trim_end()
            .to_owned()
    }

    pub(super) fn is_failing(&self) -> bool {
        is_failing(self.errors, self.count)
    }

    /// The highest known percentile over the target: its name, itself, and how many times the target.
    pub(super) fn over_target(&self) -> Option<(&'static str, f64, f64)> {
        let (name, worst) = self.percentiles.worst()?;
        (worst > self.target).then(|| (name, worst, worst / self.target))
    }

    pub(super) fn json(&self, range: &Range) -> Value {
        let mut bins: Vec<Vec<f64>> = vec![Vec::new(); TREND];
        let mut errors = [0u32; TREND];
        for request in &self.requests {
            if let Some(bin) = range.bin(request.start, TREND) {
                bins[bin].push(request.length);
                errors[bin] += u32::from(request.failed);
            }
        }
        let trend: Vec<_> = bins
            .iter_mut()
            .map(|bin| {
                bin.sort_unstable_by(f64::total_cmp);
                stats::rank(bin, 0.95).map(words::round)
            })
            .collect();
        let Percentiles { p50, p95, p99 } = self.percentiles;
        json!({
            "m": words::cut(&self.method, 60), "p": words::cut(&self.route, 120), "c": self.class, "n": self.count,
            "rate": words::round(self.count as f64 / range.seconds()),
            "err": (self.errors as f64 / self.count.max(1) as f64 * 100_000.0).round() / 100_000.0,
            "p50": p50.map(words::round), "p95": p95.map(words::round), "p99": p99.map(words::round),
            "target": self.target, "v": trend, "e": &errors[..],
            "src": if self.estimated { "percentiles estimated from histogram buckets" } else { "percentiles exact, from spans" },
        })
    }
}

/// What the histogram says about one route.
#[derive(Debug)]
pub(super) struct Counted {
    method: String,
    route: String,
    class: &'static str,
    errors: u64,
    buckets: Buckets,
    /// From the instrument's unit to milliseconds.
    scale: f64,
}

/// When the oldest point within `range` was made.
pub(super) fn oldest(metrics: &[Metric], range: &Range) -> Option<f64> {
    let points = metrics
        .iter()
        .flat_map(|metric| &metric.series)
        .flat_map(|series| &series.points);
    points
        .map(|point| facts::ms(point.time_unix_nano))
        .filter(|at| range.has(*at))
        .reduce(f64::min)
}

/// Adds up what `http.server.request.duration` counted within `range`.
pub(super) fn counted(metrics: &[Metric], range: &Range) -> Vec<Counted> {
    let mut found: Vec<Counted> = Vec::new();
    for metric in metrics {
        let scale = if metric.unit() == "ms" { 1.0 } else { 1000.0 };
        let delta =
            metric.kind().temporality() == Some(campanile_otlp_receiver::model::Temporality::Delta);
        for series in &metric.series {
            let mut buckets = Buckets::default();
            let mut before: Option<&Point> = None;
            for point in &series.points {
                let at = facts::ms(point.time_unix_nano);
                // A total that began before the window, with no point before it, does not say how much is of now.
                let known =
                    delta || before.is_some() || facts::ms(point.start_unix_nano) >= range.from;
                if range.has(at) && known && !point.is_no_recorded_value() {
                    let base = before
                        .filter(|before| !delta && before.start_unix_nano == point.start_unix_nano);
                    add(&mut buckets, &point.value, base.map(|base| &base.value));
                }
                before = Some(point);
            }
            if buckets.count > 0 {
                add_series(&mut found, &series.attributes, buckets, scale);
            }
        }
    }
    found
}

fn add(buckets: &mut Buckets, now: &PointValue, before: Option<&PointValue>) {
    match (now, before) {
        (PointValue::Histogram(now), Some(PointValue::Histogram(before))) => {
            buckets.add(now, Some(before));
        }
        (PointValue::Histogram(now), _) => buckets.add(now, None),
        (PointValue::ExponentialHistogram(now), Some(PointValue::ExponentialHistogram(before))) => {
            buckets.add_exponential(now, Some(before));
        }
        (PointValue::ExponentialHistogram(now), _) => buckets.add_exponential(now, None),
        _ => {}
    }
}

fn add_series(found: &mut Vec<Counted>, attributes: &Attributes, buckets: Buckets, scale: f64) {
    let method = attributes
        .get_str(a::HTTP_REQUEST_METHOD)
        .unwrap_or_default();
    let route = attributes.get_str(a::HTTP_ROUTE).unwrap_or_default();
    let failed = attributes.get(a::ERROR_TYPE).is_some();
    let errors = if failed { buckets.count } else { 0 };
    match found
        .iter_mut()
        .find(|known| known.method == method && known.route == route)
    {
        Some(known) => {
            known.errors = known.errors.saturating_add(errors);
            known.buckets.merge(buckets);
        }
        None => {
            let class = attributes
                .get_str(a::CAMPANILE_DOMAIN)
                .map_or("", facts::class_of);
            found.push(Counted {
                method: method.to_owned(),
                route: route.to_owned(),
                class,
                errors,
                buckets,
                scale,
            });
        }
    }
}

/// Puts spans and histograms together, the worst route first.
pub(super) fn rows(
    requests: &[Request],
    counted: Vec<Counted>,
    range: &Range,
    targets: &Targets,
) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    // Whoever sends spans chooses how many routes there are: each is found without a search.
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    for request in requests.iter().filter(|request| range.has(request.start)) {
        let (method, route) = facts::route(&request.span);
        let place = *places.entry((method, route)).or_insert_with(|| {
            rows.push(empty(method, route, facts::class(&request.span), targets));
            rows.len() - 1
        });
        let row = &mut rows[place];
        row.count += 1;
        row.errors += u64::from(request.failed);
        row.requests.push(request.clone());
    }
    for row in &mut rows {
        let mut lengths: Vec<f64> = row.requests.iter().map(|request| request.length).collect();
        row.percentiles = stats::exact(&mut lengths);
    }
    for counted in &counted {
        let (method, route) = (counted.method.as_str(), counted.route.as_str());
        let place = *places.entry((method, route)).or_insert_with(|| {
            rows.push(empty(method, route, counted.class, targets));
            rows.len() - 1
        });
        let row = &mut rows[place];
        // Spans may be sampled, histograms are not: where they know more, they speak.
        if counted.buckets.count > row.count {
            row.estimated = counted.buckets.count.saturating_mul(9) > row.count.saturating_mul(10);
            if row.estimated {
                row.percentiles = counted.buckets.percentiles(counted.scale);
            }
            row.count = counted.buckets.count;
            row.errors = row.errors.max(counted.errors);
        }
    }
    let weight = |row: &Row| {
        let failing = if row.is_failing() {
            2.0 + row.errors as f64 / row.count as f64
        } else {
            0.0
        };
        failing
            + row
                .over_target()
                .map_or(0.0, |(.., times)| 1.0 + times.min(1000.0) / 1000.0)
    };
    rows.sort_by(|a, b| {
        weight(b)
            .total_cmp(&weight(a))
            .then(b.count.cmp(&a.count))
            .then_with(|| a.key().cmp(&b.key()))
    });
    rows
}

fn empty(method: &str, route: &str, class: &'static str, targets: &Targets) -> Row {
    Row {
        method: method.to_owned(),
        route: route.to_owned(),
        class,
        requests: Vec::new(),
        count: 0,
        errors: 0,
        percentiles: Percentiles::default(),
        target: targets.of(method, route),
        estimated: false,
    }
}
