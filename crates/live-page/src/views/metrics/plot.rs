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
    let width = (range.to - range.from) / BINS as f64;
    let mut newest = range.from;
    for growth in series
        .iter()
        .flat_map(|series| growths(series, temporality))
    {
        let length = (growth.to - growth.from).max(width);
        let from = growth.to - length;
        newest = newest.max(growth.to);
        // A point says what came since the one before it: each part of the line gets its share of that time.
        for (at, bin) in bins.iter_mut().enumerate() {
            let begin = range.from + width * at as f64;
            let overlap = growth.to.min(begin + width) - from.max(begin);
            if overlap > 0.0 {
                *bin.get_or_insert(0.0) += growth.by / length * overlap / (width / 1000.0);
            }
        }
    }
    // The part of the line that has not been counted to its end would read as a fall.
    let unfinished = ((newest - range.from) / width).floor();
    if let Some(bin) = bins.get_mut(unfinished as usize) {
        *bin = None;
    }
    bins
}

/// What a counter grew by between two moments, in milliseconds since 1970.
struct Growth {
    from: f64,
    to: f64,
    by: f64,
}

/// How a counter grew, point by point. A total without a point before it grew since its start.
fn growths(series: &Series, temporality: Temporality) -> Vec<Growth> {
    let mut before: Option<(&Point, f64)> = None;
    let mut found = Vec::new();
    for point in &series.points {
        let Some(value) = point.value.as_f64() else {
            continue;
        };
        let (since, by) = match before {
            Some((old, was))
                if temporality != Temporality::Delta
                    && old.start_unix_nano == point.start_unix_nano
                    && value >= was =>
            {
                (old.time_unix_nano, value - was)
            }
            _ => (point.start_unix_nano, value),
        };
        found.push(Growth {
            from: facts::ms(since),
            to: facts::ms(point.time_unix_nano),
            by,
        });
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

/// Adds up what counters grew by within `range`. What began before it is left out, as nobody says how much of it is.
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
            let grown = growths(series, temporality);
            let within = grown
                .iter()
                .filter(|growth| growth.from >= range.from && growth.to <= range.to);
            *sum.get_or_insert(0.0) += within.map(|growth| growth.by).sum::<f64>();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use campanile_otlp_receiver::model::Number;

    use super::*;

    #[test]
    fn a_rate_is_spread_over_the_time_it_was_counted_in() {
        let range = Range {
            from: 0.0,
            to: 60_000.0,
            moves: false,
        };
        let series = made(&[(15_000, 30), (45_000, 30)]);
        let rates = rates(&[&series], Temporality::Cumulative, &range);
        assert_eq!(rates[14], Some(2.0), "30 in the first 15 s");
        assert_eq!(rates[15], Some(0.0), "none in the next 30 s");
        assert_eq!(rates[45], None, "nobody has said yet");
    }

    #[test]
    fn a_restart_counts_from_nothing() {
        let series = made(&[(10_000, 50), (20_000, 7)]);
        let grown: Vec<_> = growths(&series, Temporality::Cumulative)
            .iter()
            .map(|growth| growth.by)
            .collect();
        assert_eq!(grown, [50.0, 7.0]);
    }

    fn made(points: &[(u64, i64)]) -> Series {
        let point = |&(ms, total): &(u64, i64)| {
            std::sync::Arc::new(Point {
                seq: 0,
                received: std::time::SystemTime::UNIX_EPOCH,
                start_unix_nano: 0,
                time_unix_nano: ms * 1_000_000,
                flags: 0,
                exemplars: Vec::new(),
                value: PointValue::Number(Some(Number::Int(total))),
            })
        };
        Series {
            id: 1,
            attributes: Default::default(),
            points: points.iter().map(point).collect(),
        }
    }
}
