//! A recorder that records nothing: what is left is the layer's own part.

use campanile_recorder::{
    Count, Counter, End, Gauge, Head, Histogram, Meter, Moment, Record, Recorder, Started,
    UpDownCounter,
};
use campanile_semconv::metric::Metric;
use opentelemetry::trace::SpanContext;
use opentelemetry::{Context, KeyValue};

#[derive(Debug, Default)]
pub struct Nobody;

impl Recorder for Nobody {
    fn start(&self, head: &Head<'_>) -> Started {
        Started {
            own: None,
            context: Context::new(),
            start_ns: 0,
            route: head.route,
            has_span: true,
            has_metrics: head.metrics,
        }
    }

    fn end(&self, _: &Started, end: &End<'_>) {
        std::hint::black_box(end.elapsed_ns);
    }

    fn moment(&self, _: Moment<'_>) -> SpanContext {
        SpanContext::NONE
    }

    fn meter(&self) -> &dyn Meter {
        self
    }
}

struct Nothing;

impl<T> Count<T> for Nothing {
    fn add(&self, _: T) {}
}

impl Record for Nothing {
    fn record_many(&self, _: f64, _: u64) {}
}

impl Meter for Nobody {
    fn counter(&self, _: &'static Metric, _: &[KeyValue]) -> Counter {
        Counter::new(std::sync::Arc::new(Nothing))
    }

    fn up_down_counter(&self, _: &'static Metric, _: &[KeyValue]) -> UpDownCounter {
        UpDownCounter::new(std::sync::Arc::new(Nothing))
    }

    fn histogram(&self, _: &'static Metric, _: &[KeyValue]) -> Histogram {
        Histogram::new(std::sync::Arc::new(Nothing))
    }

    fn gauge(&self, _: &'static Metric, _: &[KeyValue]) -> Gauge {
        Gauge::new(std::sync::Arc::new(Nothing))
    }
}
