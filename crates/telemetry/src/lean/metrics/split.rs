//! Some instruments elsewhere.

use std::sync::Arc;

use campanile_recorder::{Counter, Gauge, Histogram, Meter, StockMeter, UpDownCounter};
use campanile_semconv::metric::Metric;
use opentelemetry::KeyValue;

use super::Registry;

/// The registry, with distributions left to the SDK: it makes them exponential, which the registry
/// does not.
pub(crate) struct WithoutHistograms {
    pub(crate) registry: Arc<Registry>,
    pub(crate) histograms: StockMeter,
}

impl Meter for WithoutHistograms {
    fn counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Counter {
        self.registry.counter(metric, attributes)
    }

    fn up_down_counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> UpDownCounter {
        self.registry.up_down_counter(metric, attributes)
    }

    fn histogram(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Histogram {
        self.histograms.histogram(metric, attributes)
    }

    fn gauge(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Gauge {
        self.registry.gauge(metric, attributes)
    }
}
