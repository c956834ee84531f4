//! Instruments over the plain API: one for each metric, whatever the number of series.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use campanile_semconv::metric::Metric;
use opentelemetry::{KeyValue, metrics as api};

use crate::{Count, Counter, Gauge, Histogram, Meter, Record, UpDownCounter};

/// A [`Meter`] over a meter of the OpenTelemetry API.
///
/// Its instruments look up their attributes at each call, as the API has no others.
pub struct StockMeter {
    meter: api::Meter,
    opened: Mutex<HashMap<&'static str, Instrument>>,
}

#[derive(Clone)]
enum Instrument {
    Counter(api::Counter<u64>),
    UpDown(api::UpDownCounter<i64>),
    Histogram(api::Histogram<f64>),
    Gauge(api::Gauge<f64>),
}

impl StockMeter {
    /// Opens instruments of `meter`.
    pub fn new(meter: api::Meter) -> Self {
        Self {
            meter,
            opened: Mutex::default(),
        }
    }

    fn new_histogram(&self, metric: &'static Metric) -> api::Histogram<f64> {
        self.meter
            .f64_histogram(metric.name)
            .with_unit(metric.unit)
            .with_description(metric.brief)
            .with_boundaries(metric.buckets.to_vec())
            .build()
    }

    fn new_up_down_counter(&self, metric: &'static Metric) -> api::UpDownCounter<i64> {
        self.meter
            .i64_up_down_counter(metric.name)
            .with_unit(metric.unit)
            .with_description(metric.brief)
            .build()
    }

    fn open(&self, metric: &'static Metric, make: impl FnOnce() -> Instrument) -> Instrument {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.entry(metric.name).or_insert_with(make).clone()
    }
}

impl Meter for StockMeter {
    fn counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Counter {
        let build = || self.meter.u64_counter(metric.name).with_unit(metric.unit);
        let make = || Instrument::Counter(build().with_description(metric.brief).build());
        Counter::new(Arc::new(self.open(metric, make).bind(attributes)))
    }

    fn up_down_counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> UpDownCounter {
        let instrument = self.open(metric, || {
            Instrument::UpDown(self.new_up_down_counter(metric))
        });
        UpDownCounter::new(Arc::new(instrument.bind(attributes)))
    }

    fn histogram(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Histogram {
        let instrument = self.open(metric, || Instrument::Histogram(self.new_histogram(metric)));
        Histogram::new(Arc::new(instrument.bind(attributes)))
    }

    fn gauge(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Gauge {
        let build = || self.meter.f64_gauge(metric.name).with_unit(metric.unit);
        let make = || Instrument::Gauge(build().with_description(metric.brief).build());
        Gauge::new(Arc::new(self.open(metric, make).bind(attributes)))
    }
}

impl fmt::Debug for StockMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StockMeter")
    }
}

/// An instrument with the attributes of one series.
struct Bound {
    instrument: Instrument,
    attributes: Box<[KeyValue]>,
}

impl Instrument {
    fn bind(self, attributes: &[KeyValue]) -> Bound {
        Bound {
            instrument: self,
            attributes: attributes.into(),
        }
    }
}

impl Count<u64> for Bound {
    fn add(&self, amount: u64) {
        if let Instrument::Counter(counter) = &self.instrument {
            counter.add(amount, &self.attributes);
        }
    }
}

impl Count<i64> for Bound {
    fn add(&self, amount: i64) {
        if let Instrument::UpDown(counter) = &self.instrument {
            counter.add(amount, &self.attributes);
        }
    }
}

impl Record for Bound {
    fn record_many(&self, value: f64, times: u64) {
        match &self.instrument {
            Instrument::Gauge(gauge) => gauge.record(value, &self.attributes),
            Instrument::Histogram(histogram) => {
                for _ in 0..times {
                    histogram.record(value, &self.attributes);
                }
            }
            Instrument::Counter(_) | Instrument::UpDown(_) => {}
        }
    }
}
