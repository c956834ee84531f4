//! What the series say, as OTLP.

use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};

use campanile_semconv::metric::Instrument;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, exemplar, metric::Data, number_data_point,
};
use opentelemetry_sdk::metrics::Temporality;

use super::Registry;
use super::exemplar::Exemplar;
use super::registry::{Cells, Family};

impl Registry {
    /// Adds what was recorded to what the SDK collected: to its resource, under our scope.
    ///
    /// In delta temporality each measurement is given once, so whoever calls it exports it.
    pub(crate) fn collect_into(
        &self,
        request: &mut ExportMetricsServiceRequest,
        scope: &InstrumentationScope,
    ) {
        let Some(resource) = request.resource_metrics.first_mut() else {
            return;
        };
        let families = self.families();
        let mut metrics: Vec<_> = families
            .iter()
            .filter_map(|family| self.collect(family))
            .collect();
        if metrics.is_empty() {
            return;
        }
        let known = resource.scope_metrics.iter_mut().find(|known| {
            let of = known.scope.as_ref();
            of.is_some_and(|of| of.name == scope.name() && of.attributes.is_empty())
        });
        match known {
            Some(known) => known.metrics.append(&mut metrics),
            None => resource.scope_metrics.push(proto::ScopeMetrics {
                scope: Some((scope, None).into()),
                metrics,
                schema_url: scope.schema_url().unwrap_or_default().to_owned(),
            }),
        }
    }

    fn collect(&self, family: &Family) -> Option<proto::Metric> {
        let metric = family.metric;
        let is_delta = is_delta(self.temporality(), metric.instrument);
        let time = SystemTime::now();
        let since = {
            let mut since = family.since.lock().unwrap_or_else(PoisonError::into_inner);
            let start = *since;
            if is_delta {
                *since = time;
            }
            start
        };
        let mut points = Points {
            is_delta,
            start_time_unix_nano: nanos(since),
            time_unix_nano: nanos(time),
            numbers: Vec::new(),
            distributions: Vec::new(),
        };
        for (attributes, cells) in family.members() {
            let is_idle = !points.add(metric.instrument, &attributes, &cells);
            drop(cells);
            if is_idle && is_delta {
                family.free(&attributes);
            }
        }
        if points.numbers.is_empty() && points.distributions.is_empty() {
            return None;
        }
        Some(proto::Metric {
            name: metric.name.to_owned(),
            description: metric.brief.to_owned(),
            unit: metric.unit.to_owned(),
            metadata: Vec::new(),
            data: Some(points.finish(metric.instrument)),
        })
    }
}

/// Whether an instrument starts anew with each collection (OTLP metrics exporter, temporality
/// preference).
fn is_delta(temporality: Temporality, instrument: Instrument) -> bool {
    match (temporality, instrument) {
        (Temporality::Cumulative, _) | (_, Instrument::UpDownCounter) => false,
        (_, Instrument::Counter | Instrument::Histogram) => true,
        (temporality, Instrument::Gauge) => temporality == Temporality::Delta,
    }
}

/// The points of one metric.
struct Points {
    is_delta: bool,
    start_time_unix_nano: u64,
    time_unix_nano: u64,
    numbers: Vec<proto::NumberDataPoint>,
    distributions: Vec<proto::HistogramDataPoint>,
}

impl Points {
    /// Adds the point of a series, if it has something to say.
    fn add(&mut self, instrument: Instrument, attributes: &[KeyValue], cells: &Cells) -> bool {
        let value = match cells {
            Cells::Distribution(all) => {
                let recorded = if self.is_delta {
                    all.take()
                } else {
                    all.total()
                };
                let Some(recorded) = recorded else {
                    return false;
                };
                let is_known = recorded.min <= recorded.max;
                self.distributions.push(proto::HistogramDataPoint {
                    attributes: attributes.iter().map(Into::into).collect(),
                    start_time_unix_nano: self.start_time_unix_nano,
                    time_unix_nano: self.time_unix_nano,
                    count: recorded.buckets.iter().sum(),
                    sum: Some(recorded.sum),
                    bucket_counts: recorded.buckets,
                    explicit_bounds: all.bounds().to_vec(),
                    exemplars: all.exemplars().into_iter().map(Into::into).collect(),
                    flags: 0,
                    min: is_known.then_some(recorded.min),
                    max: is_known.then_some(recorded.max),
                });
                return true;
            }
            Cells::Sum(sum) => {
                let total = if self.is_delta {
                    sum.take()
                } else {
                    sum.total()
                };
                total.map(|total| number_data_point::Value::AsInt(integer(instrument, total)))
            }
            Cells::Last(last) => {
                let value = if self.is_delta {
                    last.take()
                } else {
                    last.value()
                };
                value.map(number_data_point::Value::AsDouble)
            }
        };
        if value.is_some() {
            self.numbers.push(proto::NumberDataPoint {
                attributes: attributes.iter().map(Into::into).collect(),
                start_time_unix_nano: self.start_time_unix_nano,
                time_unix_nano: self.time_unix_nano,
                exemplars: Vec::new(),
                flags: 0,
                value,
            });
        }
        value.is_some()
    }

    fn finish(self, instrument: Instrument) -> Data {
        let temporality = if self.is_delta {
            AggregationTemporality::Delta
        } else {
            AggregationTemporality::Cumulative
        };
        match instrument {
            Instrument::Gauge => Data::Gauge(proto::Gauge {
                data_points: self.numbers,
            }),
            Instrument::Histogram => Data::Histogram(proto::Histogram {
                data_points: self.distributions,
                aggregation_temporality: temporality.into(),
            }),
            Instrument::Counter | Instrument::UpDownCounter => Data::Sum(proto::Sum {
                data_points: self.numbers,
                aggregation_temporality: temporality.into(),
                is_monotonic: instrument == Instrument::Counter,
            }),
        }
    }
}

/// OTLP knows signed integers only. A monotonic sum past them is told as the largest; one that
/// goes up and down is kept as two's complement.
fn integer(instrument: Instrument, total: u64) -> i64 {
    match instrument {
        Instrument::Counter => i64::try_from(total).unwrap_or(i64::MAX),
        _ => total.cast_signed(),
    }
}

impl From<Exemplar> for proto::Exemplar {
    fn from(exemplar: Exemplar) -> Self {
        Self {
            filtered_attributes: Vec::new(),
            time_unix_nano: nanos(exemplar.at),
            span_id: exemplar.span.to_bytes().to_vec(),
            trace_id: exemplar.trace.to_bytes().to_vec(),
            value: Some(exemplar::Value::AsDouble(exemplar.value)),
        }
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
