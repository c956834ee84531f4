//! One line over time, whatever the instrument: and sums of counters.

use campanile_otlp_receiver::model::{Point, PointValue, Series, Temporality};
use campanile_otlp_receiver::{Attributes, Metric, MetricKind};

use crate::facts;
use crate::question::Range;
use crate::stats::Buckets;

const BINS: usize = 60;

/// One line over time: p95 of distributions, rate of counters, the value of the rest.
pub(super) struct Plot {
    pub(super) what: &'static str,
    pub(super) values: Vec<Option<f64>>,
    pub(super) last: Option<f64>,
    pub(super) per_second: bool,
}

impl Plot {
    pub(super) fn of(kind: MetricKind, series: &[&Series], range: &Range) -> Self {
        let (what, values, per_second) = match kind {
            MetricKind::Sum {
                monotonic: true,
                temporality,
            } => ("rate", rates(series, temporality, range), true),
            MetricKind::Sum {
                temporality: Temporality::Delta,
                ..
            } => (
                "change per second",
                rates(series, Temporality::Delta, range),
                true,
            ),
            MetricKind::Gauge | MetricKind::Sum { .. } => ("value", values(series, range), false),
            MetricKind::Histogram { temporality }
            | MetricKind::ExponentialHistogram { temporality } => (
                "p95, estimated from buckets",
                quantiles(series, temporality, range),
                false,
            ),
            MetricKind::Summary => ("highest quantile", summaries(series, range), false),
        };
        let last = values.iter().rev().flatten().next().copied();
        Self {
            what,
            values: values.into_iter().map(|value| value.map(precise)).collect(),
            last: last.map(precise),
            per_second,
        }
    }
}

/// Four digits are more than a line can show.
fn precise(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powi(4 - value.abs().log10().ceil() as i32);
    (value * scale).round() / scale
}

fn rates(series: &[&Series], temporality: Temporality, range: &Range) -> Vec<Option<f64>> {
    let mut bins = vec![None; BINS];
    let width = range.seconds() / BINS as f64;
    for series in series {
        for (point, increment) in increments(series, temporality) {
            if let Some(bin) = range.bin(facts::ms(point.time_unix_nano), BINS) {
                *bins[bin].get_or_insert(0.0) += increment / width;
            }
        }
    }
    spread(bins)
}

/// A point every few bins stands for the bins since the one before it.
fn spread(bins: Vec<Option<f64>>) -> Vec<Option<f64>> {
    let mut spread = vec![None; bins.len()];
    let mut since: Option<usize> = None;
    for (at, value) in bins.into_iter().enumerate() {
        let Some(value) = value else { continue };
        let from = since.map_or(at, |since| since + 1);
        let share = value / (at - from + 1) as f64;
        spread[from..=at].fill(Some(share));
        since = Some(at);
    }
    spread
}

/// The increments of a counter, point by point. A total without a point before it says nothing but its start.
fn increments(series: &Series, temporality: Temporality) -> Vec<(&Point, f64)> {
    let mut before: Option<(&Point, f64)> = None;
    let mut found = Vec::new();
    for point in &series.points {
        let Some(value) = point.value.as_f64() else {
            continue;
        };
        let increment = match before {
            _ if temporality == Temporality::Delta => Some(value),
            Some((old, was)) if old.start_unix_nano == point.start_unix_nano && value >= was => {
                Some(value - was)
            }
            Some(_) => Some(value),
            None => None,
        };
        found.extend(increment.map(|increment| (point.as_ref(), increment)));
        before = Some((point, value));
    }
    found
}

fn values(series: &[&Series], range: &Range) -> Vec<Option<f64>> {
    let mut bins: Vec<Option<f64>> = vec![None; BINS];
    for series in series {
        let mut own: Vec<Option<f64>> = vec![None; BINS];
        for point in &series.points {
            let bin = range.bin(facts::ms(point.time_unix_nano), BINS);
            if let (Some(bin), Some(value)) = (bin, point.value.as_f64()) {
                own[bin] = Some(value);
            }
        }
        // A value stands until the next one, no further than it was ever told.
        let last = own.iter().rposition(Option::is_some).unwrap_or(0);
        for at in 1..=last {
            own[at] = own[at].or(own[at - 1]);
        }
        for (bin, own) in bins.iter_mut().zip(own) {
            if let Some(own) = own {
                *bin.get_or_insert(0.0) += own;
            }
        }
    }
    bins
}

fn quantiles(series: &[&Series], temporality: Temporality, range: &Range) -> Vec<Option<f64>> {
    let mut bins: Vec<Buckets> = vec![Buckets::default(); BINS];
    for series in series {
        let mut before: Option<&Point> = None;
        for point in &series.points {
            let base = before.filter(|before| {
                temporality != Temporality::Delta && before.start_unix_nano == point.start_unix_nano
            });
            if let Some(bin) = range.bin(facts::ms(point.time_unix_nano), BINS) {
                match (&point.value, base.map(|base| &base.value)) {
                    (PointValue::Histogram(now), Some(PointValue::Histogram(base))) => {
                        bins[bin].add(now, Some(base));
                    }
                    (PointValue::Histogram(now), _) => bins[bin].add(now, None),
                    (
                        PointValue::ExponentialHistogram(now),
                        Some(PointValue::ExponentialHistogram(base)),
                    ) => bins[bin].add_exponential(now, Some(base)),
                    (PointValue::ExponentialHistogram(now), _) => {
                        bins[bin].add_exponential(now, None);
                    }
                    _ => {}
                }
            }
            before = Some(point);
        }
    }
    let mut values: Vec<_> = bins.iter().map(|bin| bin.quantile(0.95)).collect();
    let last = values.iter().rposition(Option::is_some).unwrap_or(0);
    for at in 1..=last {
        values[at] = values[at].or(values[at - 1]);
    }
    values
}

fn summaries(series: &[&Series], range: &Range) -> Vec<Option<f64>> {
    let mut bins: Vec<Option<f64>> = vec![None; BINS];
    for point in series.iter().flat_map(|series| &series.points) {
        if let (PointValue::Summary(summary), Some(bin)) = (
            &point.value,
            range.bin(facts::ms(point.time_unix_nano), BINS),
        ) {
            let highest = summary
                .quantiles
                .iter()
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(_, value)| *value);
            bins[bin] = bins[bin].max_by(highest);
        }
    }
    bins
}

trait MaxBy {
    fn max_by(self, other: Self) -> Self;
}

impl MaxBy for Option<f64> {
    fn max_by(self, other: Self) -> Self {
        match (self, other) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        }
    }
}

/// Adds up the newest values of all series whose attributes are accepted.
pub(in crate::views) fn last_sum(
    metrics: &[&Metric],
    accept: impl Fn(&Attributes) -> bool,
) -> Option<f64> {
    let series = metrics
        .iter()
        .flat_map(|metric| &metric.series)
        .filter(|series| accept(&series.attributes));
    series
        .filter_map(|series| series.last()?.value.as_f64())
        .reduce(|a, b| a + b)
}

/// Adds up what counters grew by within `range`; what was counted before the first point is included, if it began within.
pub(in crate::views) fn increase(
    metrics: &[&Metric],
    range: &Range,
    accept: impl Fn(&Attributes) -> bool,
) -> Option<f64> {
    let mut sum = None;
    for metric in metrics {
        let temporality = metric.kind().temporality().unwrap_or_default();
        for series in metric
            .series
            .iter()
            .filter(|series| accept(&series.attributes))
        {
            let grown: f64 = increments(series, temporality)
                .iter()
                .filter(|(point, _)| range.has(facts::ms(point.time_unix_nano)))
                .map(|(_, by)| by)
                .sum();
            let first = series.points.first().filter(|point| {
                temporality != Temporality::Delta && facts::ms(point.start_unix_nano) >= range.from
            });
            *sum.get_or_insert(0.0) +=
                grown + first.and_then(|point| point.value.as_f64()).unwrap_or(0.0);
        }
    }
    sum
}
