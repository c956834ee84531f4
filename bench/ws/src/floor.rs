//! A pipeline that does the least that counts: one atomic addition for a counter, three for a
//! histogram, however many equal samples it is given. What is left is the cost of the layer itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use campanile_recorder::{
    Count, Counter, End, Gauge, Handle, Head, Histogram, Meter, Moment, Record, Recorder, Started,
    Stock, UpDownCounter,
};
use campanile_semconv::metric::Metric;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;

#[derive(Debug)]
struct Floor;

/// Reports to atomics; spans go nowhere.
pub fn floor() -> Handle {
    Handle::new(Floor)
}

impl Recorder for Floor {
    fn start(&self, head: &Head<'_>) -> Started {
        Stock::from_global().start(head)
    }

    fn end(&self, _: &Started, _: &End<'_>) {}

    fn moment(&self, _: Moment<'_>) -> SpanContext {
        SpanContext::NONE
    }

    fn meter(&self) -> &dyn Meter {
        self
    }
}

#[derive(Default)]
struct Sum(AtomicI64);

impl Count<u64> for Sum {
    fn add(&self, amount: u64) {
        self.0.fetch_add(amount.cast_signed(), Ordering::Relaxed);
    }
}

impl Count<i64> for Sum {
    fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }
}

struct Buckets {
    bounds: &'static [f64],
    counts: Box<[AtomicU64]>,
    count: AtomicU64,
    micros: AtomicU64,
}

impl Buckets {
    fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            count: AtomicU64::new(0),
            micros: AtomicU64::new(0),
        }
    }
}

impl Record for Buckets {
    fn record_many(&self, value: f64, times: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(times, Ordering::Relaxed);
        self.count.fetch_add(times, Ordering::Relaxed);
        let micros = (value * 1e6) as u64 * times;
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Meter for Floor {
    fn counter(&self, _: &'static Metric, _: &[KeyValue]) -> Counter {
        Counter::new(Arc::new(Sum::default()))
    }

    fn up_down_counter(&self, _: &'static Metric, _: &[KeyValue]) -> UpDownCounter {
        UpDownCounter::new(Arc::new(Sum::default()))
    }

    fn histogram(&self, metric: &'static Metric, _: &[KeyValue]) -> Histogram {
        Histogram::new(Arc::new(Buckets::new(metric.buckets)))
    }

    fn gauge(&self, _: &'static Metric, _: &[KeyValue]) -> Gauge {
        Gauge::new(Arc::new(Buckets::new(&[])))
    }
}
