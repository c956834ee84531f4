//! The instruments of HTTP exchanges.

use std::sync::{Arc, OnceLock};

use campanile_semconv::metric;
use opentelemetry::metrics::{Histogram, ObservableUpDownCounter};

use super::active::Active;
use super::attributes;
use super::meter::StockMeter;
use super::series::AllSeries;
use crate::{Counter, End, Meter, Route};

/// What exchanges counted in one series have in common: route (by its address, as routes are never
/// freed), status, error.
type Key = (usize, Option<u16>, Option<&'static str>);

pub(super) struct Instruments {
    duration: Histogram<f64>,
    active: Arc<Active>,
    _active_told: ObservableUpDownCounter<i64>,
    series: AllSeries<Key>,
    request_size: OnceLock<Histogram<f64>>,
    response_size: OnceLock<Histogram<f64>>,
    baggage_drops: OnceLock<Counter>,
    meter: StockMeter,
}

impl Instruments {
    pub(super) fn new(meter: opentelemetry::metrics::Meter, active: Arc<Active>) -> Self {
        let active_told = Active::tell(&active, &meter);
        let meter = StockMeter::new(meter);
        Self {
            duration: meter.new_histogram(&metric::HTTP_SERVER_REQUEST_DURATION),
            active,
            _active_told: active_told,
            series: AllSeries::new(&metric::HTTP_SERVER_REQUEST_DURATION),
            request_size: OnceLock::new(),
            response_size: OnceLock::new(),
            baggage_drops: OnceLock::new(),
            meter,
        }
    }

    pub(super) fn meter(&self) -> &StockMeter {
        &self.meter
    }

    pub(super) fn begin(&self, route: &'static Route) {
        self.active.begin(route);
    }

    pub(super) fn end(&self, end: &End) {
        let key = (
            std::ptr::from_ref(end.route).addr(),
            end.status,
            end.error_type(),
        );
        let make = || attributes::duration(end);
        let attributes = self.series.find(&self.meter, key, make);
        self.duration.record(end.elapsed.as_secs_f64(), &attributes);
        self.active.end(end.route);
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
}
