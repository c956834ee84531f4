//! Metric points, one sample each.

use std::sync::Arc;
use std::time::SystemTime;

use super::common::{attributes, resource, scope, span_id, text, trace_id};
use super::keys::Keys;
use super::{DecodeError, Decoded, Rejected};
use crate::model::{
    Buckets, Exemplar, ExponentialHistogram, Histogram, Instrument, MetricKind, Number, Point,
    PointValue, Summary, Temporality,
};
use crate::proto::common::KeyValue;
use crate::proto::metrics as proto;
use crate::proto::metrics::Data;
use crate::shared::Items;
use crate::store::Sample;

pub(super) fn convert(request: proto::Request, keys: &mut Keys) -> Result<Decoded, DecodeError> {
    let (mut samples, mut rejected) = (Vec::new(), Rejected::default());
    for (r, group) in request.resource_metrics.into_iter().enumerate() {
        let resource = resource(group.resource, &group.schema_url, keys)?;
        for (s, group) in group.scope_metrics.into_iter().enumerate() {
            let scope = scope(group.scope, &group.schema_url, keys)?;
            for (i, metric) in group.metrics.into_iter().enumerate() {
                let path = format!("resourceMetrics[{r}].scopeMetrics[{s}].metrics[{i}]");
                let Some(data) = metric.data else {
                    let why = "no data of a known kind";
                    let name = text(&metric.name)?;
                    rejected.add(0, || format!("{path} ({name}): {why}"));
                    continue;
                };
                let instrument = Instrument {
                    name: text(&metric.name)?,
                    description: text(&metric.description)?,
                    unit: text(&metric.unit)?,
                    kind: kind(&data),
                    resource: Arc::clone(&resource),
                    scope: Arc::clone(&scope),
                };
                let mut points = Points {
                    path: &path,
                    instrument: Arc::new(instrument),
                    samples: &mut samples,
                    rejected: &mut rejected,
                    keys: &mut *keys,
                };
                points.add(data)?;
            }
        }
    }
    let items = Items::Samples(samples);
    Ok(Decoded { items, rejected })
}

fn kind(data: &Data) -> MetricKind {
    match data {
        Data::Gauge(_) => MetricKind::Gauge,
        Data::Sum(sum) => MetricKind::Sum {
            temporality: temporality(sum.aggregation_temporality),
            monotonic: sum.is_monotonic,
        },
        Data::Histogram(histogram) => MetricKind::Histogram {
            temporality: temporality(histogram.aggregation_temporality),
        },
        Data::ExponentialHistogram(histogram) => MetricKind::ExponentialHistogram {
            temporality: temporality(histogram.aggregation_temporality),
        },
        Data::Summary(_) => MetricKind::Summary,
    }
}

fn temporality(number: i32) -> Temporality {
    match number {
        1 => Temporality::Delta,
        2 => Temporality::Cumulative,
        _ => Temporality::Unspecified,
    }
}

/// The points of one metric, on their way into the samples.
struct Points<'a> {
    path: &'a str,
    instrument: Arc<Instrument>,
    samples: &'a mut Vec<Sample>,
    rejected: &'a mut Rejected,
    keys: &'a mut Keys,
}

/// What every kind of point has.
struct Head {
    attributes: Vec<KeyValue>,
    start: u64,
    time: u64,
    flags: u32,
    exemplars: Vec<proto::Exemplar>,
}

impl Points<'_> {
    fn add(&mut self, data: Data) -> Result<(), DecodeError> {
        match data {
            Data::Gauge(gauge) => self.add_all(gauge.data_points, number),
            Data::Sum(sum) => self.add_all(sum.data_points, number),
            Data::Histogram(histogram) => self.add_all(histogram.data_points, histogram_point),
            Data::ExponentialHistogram(histogram) => {
                self.add_all(histogram.data_points, exponential_point)
            }
            Data::Summary(summary) => self.add_all(summary.data_points, summary_point),
        }
    }

    fn add_all<P>(
        &mut self,
        points: Vec<P>,
        read: fn(P) -> (Head, Result<PointValue, &'static str>),
    ) -> Result<(), DecodeError> {
        for (p, point) in points.into_iter().enumerate() {
            let (head, value) = read(point);
            let value = match value {
                Ok(value) => value,
                Err(why) => {
                    let (path, name) = (self.path, &self.instrument.name);
                    self.rejected
                        .add(1, || format!("{path} ({name}), data point {p}: {why}"));
                    continue;
                }
            };
            let exemplars = head.exemplars.into_iter().enumerate();
            let path = self.path;
            let exemplars = exemplars.map(|(e, exemplar)| {
                let path = || format!("{path}, data point {p}, exemplar {e}");
                convert_exemplar(exemplar, path, self.keys)
            });
            let exemplars = exemplars.collect::<Result<_, _>>()?;
            let point = Point {
                seq: 0,
                received: SystemTime::UNIX_EPOCH,
                start_unix_nano: head.start,
                time_unix_nano: head.time,
                flags: head.flags,
                exemplars,
                value,
            };
            self.samples.push(Sample {
                instrument: Arc::clone(&self.instrument),
                attributes: attributes(head.attributes, self.keys)?.sorted(),
                point,
            });
        }
        Ok(())
    }
}

fn number(point: proto::NumberDataPoint) -> (Head, Result<PointValue, &'static str>) {
    let value = point.value.map(|value| match value {
        proto::PointNumber::AsInt(number) => Number::Int(number),
        proto::PointNumber::AsDouble(number) => Number::Double(number),
    });
    let no_value_expected = point.flags & 1 != 0;
    let head = Head {
        attributes: point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        exemplars: point.exemplars,
    };
    if value.is_none() && !no_value_expected {
        return (head, Err("a data point needs asInt or asDouble"));
    }
    (head, Ok(PointValue::Number(value)))
}

fn histogram_point(point: proto::HistogramDataPoint) -> (Head, Result<PointValue, &'static str>) {
    let head = Head {
        attributes: point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        exemplars: point.exemplars,
    };
    let (bounds, counts) = (point.explicit_bounds, point.bucket_counts);
    let without_buckets = bounds.is_empty() && counts.is_empty();
    if !without_buckets && counts.len() != bounds.len() + 1 {
        return (
            head,
            Err("expected one bucket count more than explicit bounds"),
        );
    }
    if !bounds.is_sorted_by(|a, b| a < b) {
        return (head, Err("explicit bounds must increase"));
    }
    let histogram = Histogram {
        count: point.count,
        sum: point.sum,
        min: point.min,
        max: point.max,
        bounds,
        bucket_counts: counts,
    };
    (head, Ok(PointValue::Histogram(histogram)))
}

fn exponential_point(
    point: proto::ExponentialHistogramDataPoint,
) -> (Head, Result<PointValue, &'static str>) {
    let head = Head {
        attributes: point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        exemplars: point.exemplars,
    };
    let buckets = |buckets: Option<proto::Buckets>| {
        let buckets = buckets.unwrap_or_default();
        Buckets {
            offset: buckets.offset,
            counts: buckets.bucket_counts,
        }
    };
    let histogram = ExponentialHistogram {
        count: point.count,
        sum: point.sum,
        min: point.min,
        max: point.max,
        scale: point.scale,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive: buckets(point.positive),
        negative: buckets(point.negative),
    };
    (head, Ok(PointValue::ExponentialHistogram(histogram)))
}

fn summary_point(point: proto::SummaryDataPoint) -> (Head, Result<PointValue, &'static str>) {
    let head = Head {
        attributes: point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        exemplars: Vec::new(),
    };
    let quantiles = point.quantile_values.into_iter();
    let summary = Summary {
        count: point.count,
        sum: point.sum,
        quantiles: quantiles.map(|at| (at.quantile, at.value)).collect(),
    };
    (head, Ok(PointValue::Summary(summary)))
}

fn convert_exemplar(
    exemplar: proto::Exemplar,
    path: impl Fn() -> String,
    keys: &mut Keys,
) -> Result<Exemplar, DecodeError> {
    Ok(Exemplar {
        time_unix_nano: exemplar.time_unix_nano,
        value: exemplar.value.map(|value| match value {
            proto::ExemplarNumber::AsInt(number) => Number::Int(number),
            proto::ExemplarNumber::AsDouble(number) => Number::Double(number),
        }),
        trace_id: trace_id(&exemplar.trace_id, || format!("{}: traceId", path()))?,
        span_id: span_id(&exemplar.span_id, || format!("{}: spanId", path()))?,
        filtered_attributes: attributes(exemplar.filtered_attributes, keys)?,
    })
}
