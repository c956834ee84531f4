//! Questions about metrics, whose answers are sums: over attribute sets, and over restarts of what counts.

use super::is;
use crate::model::{Histogram, Metric, MetricKind, Point, PointValue, Series, Temporality, Value};

/// Some metrics, and of each some series.
///
/// A process that restarts begins to count from zero; [`total`](Self::total), [`count`](Self::count) and
/// [`sum`](Self::sum) notice it and add what was counted before.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Vec<Metric>);

impl Metrics {
    pub(super) fn new(metrics: Vec<Metric>) -> Self {
        Self(metrics)
    }

    /// Keeps the metrics for which `keep` is true.
    #[must_use]
    pub fn that(mut self, keep: impl Fn(&Metric) -> bool) -> Self {
        self.0.retain(keep);
        self
    }

    /// Keeps the series for which `keep` is true, and the metrics that still have one.
    #[must_use]
    pub fn series_that(mut self, keep: impl Fn(&Series) -> bool) -> Self {
        for metric in &mut self.0 {
            metric.series.retain(&keep);
        }
        self.that(|metric| !metric.series.is_empty())
    }

    /// Keeps the series with that attribute. The type counts: `200` is not `"200"`.
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.series_that(|series| is(series.attribute(key), &value))
    }

    /// Keeps the series without an attribute of that key.
    #[must_use]
    pub fn without(self, key: &str) -> Self {
        self.series_that(|series| series.attribute(key).is_none())
    }

    /// Keeps the metrics of the service of that name.
    #[must_use]
    pub fn of_service(self, name: &str) -> Self {
        self.that(|metric| metric.resource().service_name() == name)
    }

    /// Returns the metrics.
    pub fn as_slice(&self) -> &[Metric] {
        &self.0
    }

    /// Walks the series of all of them.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.0.iter().flat_map(|metric| &metric.series)
    }

    /// Says whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.series().next().is_none()
    }

    /// Adds up numbers: all that a counter ever counted, the present values of gauges and up-down counters.
    ///
    /// None when no number was received.
    pub fn total(&self) -> Option<f64> {
        self.add_up(|value| value.as_f64())
    }

    /// Adds up how many measurements the distributions counted. None when no distribution was received.
    pub fn count(&self) -> Option<u64> {
        self.add_up(|value| value.count().map(|count| count as f64))
            .map(|count| count as u64)
    }

    /// Adds up the measurements of the distributions. None when no distribution with a sum was received.
    pub fn sum(&self) -> Option<f64> {
        self.add_up(PointValue::sum)
    }

    fn add_up(&self, read: impl Fn(&PointValue) -> Option<f64>) -> Option<f64> {
        let series = self.0.iter().flat_map(|metric| {
            let way = Way::of(metric.kind());
            metric.series.iter().map(move |series| (way, series))
        });
        let values = series.filter_map(|(way, series)| way.add_up(&series.points, &read));
        values.reduce(|a, b| a + b)
    }

    /// Adds up the newest points of explicit-bucket histograms, of any temporality; delta points all count.
    ///
    /// None when there is none, or when they do not have the same bounds.
    pub fn histogram(&self) -> Option<Histogram> {
        let mut merged: Option<Histogram> = None;
        for metric in &self.0 {
            let delta = metric.kind().temporality() == Some(Temporality::Delta);
            for series in &metric.series {
                let skipped = if delta { 0 } else { series.points.len() - 1 };
                for point in &series.points[skipped..] {
                    let PointValue::Histogram(histogram) = &point.value else {
                        continue;
                    };
                    match &mut merged {
                        None => merged = Some(histogram.clone()),
                        Some(merged) => add(merged, histogram)?,
                    }
                }
            }
        }
        merged
    }
}

/// Adds one histogram to another. None when their bounds differ.
fn add(to: &mut Histogram, more: &Histogram) -> Option<()> {
    if to.bounds != more.bounds {
        return None;
    }
    to.count = to.count.saturating_add(more.count);
    to.sum = to.sum.zip(more.sum).map(|(a, b)| a + b);
    to.min = to.min.zip(more.min).map(|(a, b)| a.min(b));
    to.max = to.max.zip(more.max).map(|(a, b)| a.max(b));
    for (to, more) in to.bucket_counts.iter_mut().zip(&more.bucket_counts) {
        *to = to.saturating_add(*more);
    }
    Some(())
}

/// How the points of a series make one number.
#[derive(Clone, Copy)]
enum Way {
    /// The newest says it.
    Last,
    /// Each adds to it.
    Increments,
    /// The newest of each run says it, and the runs add up.
    Runs,
}

impl Way {
    fn of(kind: MetricKind) -> Self {
        match kind {
            MetricKind::Gauge => Self::Last,
            MetricKind::Sum {
                temporality,
                monotonic,
            } => match temporality {
                Temporality::Delta => Self::Increments,
                _ if monotonic => Self::Runs,
                _ => Self::Last,
            },
            MetricKind::Histogram { temporality }
            | MetricKind::ExponentialHistogram { temporality } => match temporality {
                Temporality::Delta => Self::Increments,
                _ => Self::Runs,
            },
            MetricKind::Summary => Self::Runs,
        }
    }

    fn add_up(
        self,
        points: &[std::sync::Arc<Point>],
        read: impl Fn(&PointValue) -> Option<f64>,
    ) -> Option<f64> {
        let values = points.iter().filter_map(|point| {
            let value = read(&point.value)?;
            Some((point.start_unix_nano, value))
        });
        match self {
            Self::Last => values.last().map(|(_, value)| value),
            Self::Increments => values.map(|(_, value)| value).reduce(|a, b| a + b),
            Self::Runs => runs(values),
        }
    }
}

/// Adds up the last value of each run. A run ends when its start changes or its value falls.
fn runs(values: impl Iterator<Item = (u64, f64)>) -> Option<f64> {
    let mut ended = 0.0;
    let mut current: Option<(u64, f64)> = None;
    for (start, value) in values {
        if let Some((known, before)) = current
            && (start != known || value < before)
        {
            ended += before;
        }
        current = Some((start, value));
    }
    current.map(|(_, value)| ended + value)
}
