//! Metrics.

use serde::Deserialize;

use super::common::{KeyValue, Resource, Scope};
use super::scalar::{Enum, Flag, Hex, List, Maybe, Num, Objects, Text, optional};
use crate::proto::metrics as proto;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ResourceMetrics {
    resource: Maybe<Resource>,
    scope_metrics: Objects<ScopeMetrics>,
    schema_url: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ScopeMetrics {
    scope: Maybe<Scope>,
    metrics: Objects<Metric>,
    schema_url: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metric {
    name: Text,
    description: Text,
    unit: Text,
    gauge: Maybe<Gauge>,
    sum: Maybe<Sum>,
    histogram: Maybe<Histogram>,
    exponential_histogram: Maybe<ExponentialHistogram>,
    summary: Maybe<Summary>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Gauge {
    data_points: List<NumberPoint>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sum {
    data_points: List<NumberPoint>,
    aggregation_temporality: Enum,
    is_monotonic: Flag,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Histogram {
    data_points: Objects<HistogramPoint>,
    aggregation_temporality: Enum,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExponentialHistogram {
    data_points: Objects<ExponentialPoint>,
    aggregation_temporality: Enum,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Summary {
    data_points: Objects<SummaryPoint>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NumberPoint {
    attributes: Objects<KeyValue>,
    start_time_unix_nano: Num<u64>,
    time_unix_nano: Num<u64>,
    as_double: Option<Num<f64>>,
    as_int: Option<Num<i64>>,
    exemplars: Objects<Exemplar>,
    flags: Num<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HistogramPoint {
    attributes: Objects<KeyValue>,
    start_time_unix_nano: Num<u64>,
    time_unix_nano: Num<u64>,
    count: Num<u64>,
    sum: Option<Num<f64>>,
    bucket_counts: List<Num<u64>>,
    explicit_bounds: List<Num<f64>>,
    exemplars: Objects<Exemplar>,
    flags: Num<u32>,
    min: Option<Num<f64>>,
    max: Option<Num<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExponentialPoint {
    attributes: Objects<KeyValue>,
    start_time_unix_nano: Num<u64>,
    time_unix_nano: Num<u64>,
    count: Num<u64>,
    sum: Option<Num<f64>>,
    scale: Num<i32>,
    zero_count: Num<u64>,
    positive: Maybe<Buckets>,
    negative: Maybe<Buckets>,
    flags: Num<u32>,
    exemplars: Objects<Exemplar>,
    min: Option<Num<f64>>,
    max: Option<Num<f64>>,
    zero_threshold: Num<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Buckets {
    offset: Num<i32>,
    bucket_counts: List<Num<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SummaryPoint {
    attributes: Objects<KeyValue>,
    start_time_unix_nano: Num<u64>,
    time_unix_nano: Num<u64>,
    count: Num<u64>,
    sum: Num<f64>,
    quantile_values: Objects<Quantile>,
    flags: Num<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Quantile {
    quantile: Num<f64>,
    value: Num<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Exemplar {
    filtered_attributes: Objects<KeyValue>,
    time_unix_nano: Num<u64>,
    as_double: Option<Num<f64>>,
    as_int: Option<Num<i64>>,
    span_id: Hex,
    trace_id: Hex,
}

impl From<ResourceMetrics> for proto::ResourceMetrics {
    fn from(group: ResourceMetrics) -> Self {
        Self {
            resource: group.resource.convert(),
            scope_metrics: group.scope_metrics.convert(),
            schema_url: group.schema_url.0.into(),
        }
    }
}

impl From<ScopeMetrics> for proto::ScopeMetrics {
    fn from(group: ScopeMetrics) -> Self {
        Self {
            scope: group.scope.convert(),
            metrics: group.metrics.convert(),
            schema_url: group.schema_url.0.into(),
        }
    }
}

impl From<Metric> for proto::Metric {
    fn from(metric: Metric) -> Self {
        use proto::Data;

        let exponential = metric.exponential_histogram;
        let data = metric.gauge.convert().map(Data::Gauge);
        let data = data
            .or_else(|| metric.sum.convert().map(Data::Sum))
            .or_else(|| metric.histogram.convert().map(Data::Histogram))
            .or_else(|| exponential.convert().map(Data::ExponentialHistogram))
            .or_else(|| metric.summary.convert().map(Data::Summary));
        Self {
            name: metric.name.0.into(),
            description: metric.description.0.into(),
            unit: metric.unit.0.into(),
            data,
        }
    }
}

impl From<Gauge> for proto::Gauge {
    fn from(gauge: Gauge) -> Self {
        let data_points = gauge.data_points.convert();
        Self { data_points }
    }
}

impl From<Sum> for proto::Sum {
    fn from(sum: Sum) -> Self {
        Self {
            data_points: sum.data_points.convert(),
            aggregation_temporality: sum.aggregation_temporality.0,
            is_monotonic: sum.is_monotonic.0,
        }
    }
}

impl From<Histogram> for proto::Histogram {
    fn from(histogram: Histogram) -> Self {
        Self {
            data_points: histogram.data_points.convert(),
            aggregation_temporality: histogram.aggregation_temporality.0,
        }
    }
}

impl From<ExponentialHistogram> for proto::ExponentialHistogram {
    fn from(histogram: ExponentialHistogram) -> Self {
        Self {
            data_points: histogram.data_points.convert(),
            aggregation_temporality: histogram.aggregation_temporality.0,
        }
    }
}

impl From<Summary> for proto::Summary {
    fn from(summary: Summary) -> Self {
        let data_points = summary.data_points.convert();
        Self { data_points }
    }
}

impl From<NumberPoint> for proto::NumberDataPoint {
    fn from(point: NumberPoint) -> Self {
        use proto::PointNumber as Value;

        let int = point.as_int.map(|number| Value::AsInt(number.0));
        let value = int.or_else(|| point.as_double.map(|number| Value::AsDouble(number.0)));
        Self {
            attributes: point.attributes.convert(),
            start_time_unix_nano: point.start_time_unix_nano.0,
            time_unix_nano: point.time_unix_nano.0,
            exemplars: point.exemplars.convert(),
            flags: point.flags.0,
            value,
        }
    }
}

impl From<HistogramPoint> for proto::HistogramDataPoint {
    fn from(point: HistogramPoint) -> Self {
        Self {
            attributes: point.attributes.convert(),
            start_time_unix_nano: point.start_time_unix_nano.0,
            time_unix_nano: point.time_unix_nano.0,
            count: point.count.0,
            sum: optional(point.sum),
            bucket_counts: point.bucket_counts.convert(),
            explicit_bounds: point.explicit_bounds.convert(),
            exemplars: point.exemplars.convert(),
            flags: point.flags.0,
            min: optional(point.min),
            max: optional(point.max),
        }
    }
}

impl From<ExponentialPoint> for proto::ExponentialHistogramDataPoint {
    fn from(point: ExponentialPoint) -> Self {
        Self {
            attributes: point.attributes.convert(),
            start_time_unix_nano: point.start_time_unix_nano.0,
            time_unix_nano: point.time_unix_nano.0,
            count: point.count.0,
            sum: optional(point.sum),
            scale: point.scale.0,
            zero_count: point.zero_count.0,
            positive: point.positive.convert(),
            negative: point.negative.convert(),
            flags: point.flags.0,
            exemplars: point.exemplars.convert(),
            min: optional(point.min),
            max: optional(point.max),
            zero_threshold: point.zero_threshold.0,
        }
    }
}

impl From<Buckets> for proto::Buckets {
    fn from(buckets: Buckets) -> Self {
        Self {
            offset: buckets.offset.0,
            bucket_counts: buckets.bucket_counts.convert(),
        }
    }
}

impl From<SummaryPoint> for proto::SummaryDataPoint {
    fn from(point: SummaryPoint) -> Self {
        Self {
            attributes: point.attributes.convert(),
            start_time_unix_nano: point.start_time_unix_nano.0,
            time_unix_nano: point.time_unix_nano.0,
            count: point.count.0,
            sum: point.sum.0,
            quantile_values: point.quantile_values.convert(),
            flags: point.flags.0,
        }
    }
}

impl From<Quantile> for proto::ValueAtQuantile {
    fn from(at: Quantile) -> Self {
        Self {
            quantile: at.quantile.0,
            value: at.value.0,
        }
    }
}

impl From<Exemplar> for proto::Exemplar {
    fn from(exemplar: Exemplar) -> Self {
        use proto::ExemplarNumber as Value;

        let int = exemplar.as_int.map(|number| Value::AsInt(number.0));
        let value = int.or_else(|| exemplar.as_double.map(|number| Value::AsDouble(number.0)));
        Self {
            filtered_attributes: exemplar.filtered_attributes.convert(),
            time_unix_nano: exemplar.time_unix_nano.0,
            span_id: exemplar.span_id.0.into(),
            trace_id: exemplar.trace_id.0.into(),
            value,
        }
    }
}
