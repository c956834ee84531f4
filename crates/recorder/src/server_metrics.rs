//! What an HTTP server tells in numbers.
//!
//! Series are opened once for each route, status and error, and found again by two places in
//! tables: no hash, no lock, no allocation for a request.

mod routes;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::array;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use campanile_semconv::attribute as key;
use campanile_semconv::metric::{self, Metric};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;

use self::routes::Routes;
use crate::route::MAX_ACTIVE;
use crate::series::{MAX_SERIES, Overflow};
use crate::stock::Active;
use crate::{Counter, End, Histogram, Meter, Route, UpDownCounter};

/// The metrics of HTTP exchanges, over any [`Meter`]: `http.server.request.duration`,
/// `http.server.active_requests`, and the body sizes where they are counted.
///
/// It keeps at most 1,900 series; further ones are counted as one, marked as overflow, and
/// `campanile.cardinality.overflows` says how often. Series are kept for as long as it lives.
pub struct ServerMetrics {
    meter: Arc<dyn Meter>,
    active: ActiveRequests,
    routes: Routes,
    opened: AtomicUsize,
    overflow: Overflow<Series>,
    baggage_drops: OnceLock<Counter>,
}

type Slots = [OnceLock<UpDownCounter>; MAX_ACTIVE];

/// Where requests under way are counted.
enum ActiveRequests {
    /// In series of our meter, opened by the first request of a method and scheme.
    Series(Box<Slots>),
    /// In numbers that the SDK asks for.
    Told(Arc<Active>),
}

impl ServerMetrics {
    /// Opens series of `meter`, as requests need them.
    pub fn new(meter: Arc<dyn Meter>) -> Self {
        let slots = Box::new(array::from_fn(|_| OnceLock::new()));
        Self::over(meter, ActiveRequests::Series(slots))
    }

    /// The same, with requests under way counted in `active`.
    pub(crate) fn telling(meter: Arc<dyn Meter>, active: Arc<Active>) -> Self {
        Self::over(meter, ActiveRequests::Told(active))
    }

    fn over(meter: Arc<dyn Meter>, active: ActiveRequests) -> Self {
        Self {
            meter,
            active,
            routes: Routes::new(),
            opened: AtomicUsize::new(0),
            overflow: Overflow::new(&metric::HTTP_SERVER_REQUEST_DURATION),
            baggage_drops: OnceLock::new(),
        }
    }

    /// The meter.
    pub fn meter(&self) -> &dyn Meter {
        &*self.meter
    }

    /// Counts one more active request.
    #[inline]
    pub fn begin(&self, route: &'static Route) {
        self.count_active(route, 1);
    }

    /// Records the end of a request that [`begin`](Self::begin) was told of, inside the span of
    /// `span` if there is one.
    #[inline]
    pub fn end(&self, end: &End<'_>, span: Option<&SpanContext>) {
        match self.routes.usual(end) {
            Some(series) => series.record(&*self.meter, end, span),
            None => self.end_elsewhere(end, span),
        }
        self.count_active(end.route, -1);
    }

    /// Counts baggage members that were not fit to be carried.
    pub fn drop_baggage(&self, members: u32) {
        if members > 0 {
            let open = || self.meter.counter(&metric::CAMPANILE_BAGGAGE_DROPS, &[]);
            self.baggage_drops.get_or_init(open).add(u64::from(members));
        }
    }

    #[inline]
    fn count_active(&self, route: &'static Route, change: i64) {
        match &self.active {
            ActiveRequests::Series(slots) => match slots[route.active_slot()].get() {
                Some(series) => series.add(change),
                None => self.count_first_active(slots, route, change),
            },
            ActiveRequests::Told(active) => active.add(route, change),
        }
    }

    #[cold]
    fn count_first_active(&self, slots: &Slots, route: &'static Route, change: i64) {
        let metric = &metric::HTTP_SERVER_ACTIVE_REQUESTS;
        let open = || self.meter.up_down_counter(metric, route.active());
        slots[route.active_slot()].get_or_init(open).add(change);
    }

    /// Records an end whose series is not at its usual place, or not open yet.
    #[cold]
    fn end_elsewhere(&self, end: &End<'_>, span: Option<&SpanContext>) {
        let meter = &*self.meter;
        if let Some(series) = self.routes.unusual(end) {
            return series.record(meter, end, span);
        }
        if self.opened.load(Ordering::Relaxed) < MAX_SERIES {
            if let Some(series) = self.routes.add_usual(end, || self.open(end)) {
                return series.record(meter, end, span);
            }
            if let Some(series) = self.routes.add_unusual(end, || self.open(end)) {
                return series.record(meter, end, span);
            }
        }
        let open = |attributes| Series::open(meter, attributes);
        self.overflow.get(meter, open).record(meter, end, span);
    }

    /// Opens the series of `end`, while there is room.
    fn open(&self, end: &End<'_>) -> Option<Series> {
        let room = |opened: usize| (opened < MAX_SERIES).then_some(opened + 1);
        self.opened
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .ok()?;
        Some(Series::open(&*self.meter, attributes(end)))
    }
}

/// The series of one set of attributes: a duration, and sizes where they are counted.
struct Series {
    attributes: Vec<KeyValue>,
    duration: Histogram,
    request_size: OnceLock<Histogram>,
    response_size: OnceLock<Histogram>,
}

impl Series {
    fn open(meter: &dyn Meter, attributes: Vec<KeyValue>) -> Self {
        Self {
            duration: meter.histogram(&metric::HTTP_SERVER_REQUEST_DURATION, &attributes),
            attributes,
            request_size: OnceLock::new(),
            response_size: OnceLock::new(),
        }
    }

    #[inline]
    fn record(&self, meter: &dyn Meter, end: &End<'_>, span: Option<&SpanContext>) {
        let seconds = end.seconds();
        match span {
            Some(span) => self.duration.record_in(seconds, span),
            None => self.duration.record(seconds),
        }
        if end.sizes.request.is_some() || end.sizes.response.is_some() {
            self.record_sizes(meter, end);
        }
    }

    #[inline(never)]
    fn record_sizes(&self, meter: &dyn Meter, end: &End<'_>) {
        let size = |opened: &OnceLock<Histogram>, metric: &'static Metric, bytes: u64| {
            let open = || meter.histogram(metric, &self.attributes);
            #[expect(clippy::cast_precision_loss, reason = "bytes of a body, for a bucket")]
            opened.get_or_init(open).record(bytes as f64);
        };
        if let Some(bytes) = end.sizes.request {
            let metric = &metric::HTTP_SERVER_REQUEST_BODY_SIZE;
            size(&self.request_size, metric, bytes);
        }
        if let Some(bytes) = end.sizes.response {
            let metric = &metric::HTTP_SERVER_RESPONSE_BODY_SIZE;
            size(&self.response_size, metric, bytes);
        }
    }
}

/// The attributes of `http.server.request.duration`, and of the body sizes.
fn attributes(end: &End<'_>) -> Vec<KeyValue> {
    let route = end.route;
    let text = |key, value: Option<&'static str>| value.map(|value| KeyValue::new(key, value));
    let status = |code| KeyValue::new(key::HTTP_RESPONSE_STATUS_CODE, i64::from(code));
    let optional = [
        text(key::NETWORK_PROTOCOL_VERSION, route.version()),
        end.status.map(status),
        text(key::ERROR_TYPE, end.error_type()),
        text(key::HTTP_ROUTE, route.template()),
        text(key::CAMPANILE_DOMAIN, route.domain()),
    ];
    let active = route.active().iter().cloned();
    active.chain(optional.into_iter().flatten()).collect()
}

impl fmt::Debug for ServerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerMetrics")
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}
