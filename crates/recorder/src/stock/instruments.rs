//! The instruments of HTTP exchanges.

use std::sync::OnceLock;

use campanile_semconv::{attribute, metric};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, UpDownCounter};

use super::attributes;
use super::meter::StockMeter;
use super::series::AllSeries;
use crate::{Counter, End, Meter, Route};

pub(super) struct Instruments {
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
    series: AllSeries,
    request_size: OnceLock<Histogram<f64>>,
    response_size: OnceLock<Histogram<f64>>,
    overflows: OnceLock<Counter>,
    baggage_drops: OnceLock<Counter>,
    meter: StockMeter,
}

impl Instruments {
    pub(super) fn new(meter: opentelemetry::metrics::Meter) -> Self {
        let meter = StockMeter::new(meter);
        Self {
            duration: meter.new_histogram(&metric::HTTP_SERVER_REQUEST_DURATION),
            active: meter.new_up_down_counter(&metric::HTTP_SERVER_ACTIVE_REQUESTS),
            series: AllSeries::new(),
            request_size: OnceLock::new(),
            response_size: OnceLock::new(),
            overflows: OnceLock::new(),
            baggage_drops: OnceLock::new(),
            meter,
        }
    }

    pub(super) fn meter(&self) -> &StockMeter {
        &self.meter
    }

    pub(super) fn begin(&self, route: &'static Route) {
        self.active.add(1, &attributes::active(route));
    }

    pub(super) fn end(&self, end: &End) {
        let attributes = self.series.find(end).unwrap_or_else(|overflow| {
            self.overflow();
            overflow
        });
        self.duration.record(end.elapsed.as_secs_f64(), &attributes);
        self.active.add(-1, &attributes::active(end.route));
        let sizes = [
            (
                end.sizes.request,
                &self.request_size,
                &metric::HTTP_SERVER_REQUEST_BODY_SIZE,
            ),
            (
                end.sizes.response,
                &self.response_size,
                &metric::HTTP_SERVER_RESPONSE_BODY_SIZE,
            ),
        ];
        for (size, opened, metric) in sizes {
            if let Some(bytes) = size {
                let histogram = opened.get_or_init(|| self.meter.new_histogram(metric));
                #[expect(clippy::cast_precision_loss, reason = "bytes of a body, for a bucket")]
                histogram.record(bytes as f64, &attributes);
            }
        }
    }

    pub(super) fn drop_baggage(&self, members: u32) {
        if members > 0 {
            let open = || self.meter.counter(&metric::CAMPANILE_BAGGAGE_DROPS, &[]);
            self.baggage_drops.get_or_init(open).add(u64::from(members));
        }
    }

    #[cold]
    fn overflow(&self) {
        let instrument = metric::HTTP_SERVER_REQUEST_DURATION.name;
        let attributes = [KeyValue::new(
            attribute::CAMPANILE_INSTRUMENT_NAME,
            instrument,
        )];
        let open = || {
            self.meter
                .counter(&metric::CAMPANILE_CARDINALITY_OVERFLOWS, &attributes)
        };
        self.overflows.get_or_init(open).add(1);
    }
}
