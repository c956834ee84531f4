//! All series, by instrument and attributes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use campanile_recorder::{Count, Counter, Gauge, Histogram, Meter, Record, UpDownCounter};
use campanile_semconv::attribute;
use campanile_semconv::metric::{self, Instrument, Metric};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;
use opentelemetry_sdk::metrics::Temporality;

use super::distribution::Distribution;
use super::exemplar::Filter;
use super::last::Last;
use super::sum::Sum;

/// Attribute sets of an instrument, where nothing else is said (OpenTelemetry metrics SDK,
/// cardinality limits).
pub(crate) const DEFAULT_CAP: usize = 2000;

/// All our series. It opens instruments for our layers, and is collected with every export.
pub(crate) struct Registry {
    temporality: Temporality,
    cap: usize,
    filter: Filter,
    families: Mutex<Vec<Arc<Family>>>,
}

/// All series of a metric.
pub(super) struct Family {
    pub(super) metric: &'static Metric,
    /// From when on it counts: its beginning, or the last collection.
    pub(super) since: Mutex<SystemTime>,
    members: Mutex<Members>,
    overflows: OnceLock<Counter>,
}

#[derive(Default)]
struct Members {
    known: HashMap<Vec<KeyValue>, Cells>,
    overflow: Option<Cells>,
}

/// One series.
#[derive(Clone)]
pub(super) enum Cells {
    Sum(Arc<Sum>),
    Distribution(Arc<Distribution>),
    Last(Arc<Last>),
}

impl Registry {
    /// Nothing yet; at most `cap` attribute sets of an instrument, and one for all others.
    pub(crate) fn new(temporality: Temporality, cap: usize, filter: Filter) -> Self {
        Self {
            temporality,
            cap,
            filter,
            families: Mutex::default(),
        }
    }

    pub(super) fn temporality(&self) -> Temporality {
        self.temporality
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Family>>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The families in the order in which they were opened.
    pub(super) fn families(&self) -> Vec<Arc<Family>> {
        self.lock().clone()
    }

    fn family(&self, metric: &'static Metric) -> Arc<Family> {
        let mut families = self.lock();
        if let Some(known) = families
            .iter()
            .find(|known| known.metric.name == metric.name)
        {
            return Arc::clone(known);
        }
        let family = Arc::new(Family {
            metric,
            since: Mutex::new(SystemTime::now()),
            members: Mutex::default(),
            overflows: OnceLock::new(),
        });
        families.push(Arc::clone(&family));
        family
    }

    /// The series of these attributes. The counter is there when it is the one of all that found
    /// no room.
    fn open(&self, metric: &'static Metric, attributes: &[KeyValue]) -> (Cells, Option<Counter>) {
        let family = self.family(metric);
        let make = || Cells::new(metric, self.filter);
        // The count of overflows has a series for each instrument, and nowhere to overflow to.
        let is_count = metric.name == metric::CAMPANILE_CARDINALITY_OVERFLOWS.name;
        let cap = if is_count { usize::MAX } else { self.cap };
        if let Some(cells) = family.open(attributes, cap, make) {
            return (cells, None);
        }
        let counter = family.overflows.get_or_init(|| {
            let (instrument, limit) = (metric.name, self.cap);
            tracing::warn!(
                instrument,
                limit,
                "too many attribute sets: further ones are counted as one, marked as overflow"
            );
            let instrument = KeyValue::new(attribute::CAMPANILE_INSTRUMENT_NAME, instrument);
            self.counter(&metric::CAMPANILE_CARDINALITY_OVERFLOWS, &[instrument])
        });
        (family.overflow(make), Some(counter.clone()))
    }
}

impl Family {
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None when there is no room.
    fn open(
        &self,
        attributes: &[KeyValue],
        cap: usize,
        make: impl FnOnce() -> Cells,
    ) -> Option<Cells> {
        let attributes = sorted(attributes);
        if is_overflow(&attributes) {
            return Some(self.overflow(make));
        }
        let mut members = self.lock();
        // The set without attributes is not counted, as the SDK does not.
        let others = members.known.len() - usize::from(members.known.contains_key(&[][..]));
        let has_room = others < cap || attributes.is_empty();
        if !has_room && !members.known.contains_key(&attributes) {
            return None;
        }
        Some(members.known.entry(attributes).or_insert_with(make).clone())
    }

    fn overflow(&self, make: impl FnOnce() -> Cells) -> Cells {
        self.lock().overflow.get_or_insert_with(make).clone()
    }

    /// All series with their attributes, as they are now.
    pub(super) fn members(&self) -> Vec<(Vec<KeyValue>, Cells)> {
        let members = self.lock();
        let known = members.known.iter();
        let known = known.map(|(attributes, cells)| (attributes.clone(), cells.clone()));
        let overflow = members.overflow.iter();
        let overflow = overflow.map(|cells| (vec![overflow_attribute()], cells.clone()));
        known.chain(overflow).collect()
    }

    /// Frees a series that nobody can record in any more, unless somebody has since.
    pub(super) fn free(&self, attributes: &[KeyValue]) {
        let mut members = self.lock();
        if let Some(cells) = members.known.get_mut(attributes)
            && cells.is_abandoned()
        {
            members.known.remove(attributes);
        }
    }
}

impl Cells {
    fn new(metric: &'static Metric, filter: Filter) -> Self {
        match metric.instrument {
            Instrument::Counter | Instrument::UpDownCounter => Self::Sum(Arc::new(Sum::new())),
            Instrument::Histogram => {
                Self::Distribution(Arc::new(Distribution::new(metric.buckets, filter)))
            }
            Instrument::Gauge => Self::Last(Arc::default()),
        }
    }

    /// Whether nobody else holds it and nothing is in it. Nobody can come by it meanwhile.
    fn is_abandoned(&mut self) -> bool {
        match self {
            Self::Sum(sum) => Arc::get_mut(sum).is_some_and(|sum| sum.total().is_none()),
            Self::Distribution(all) => Arc::get_mut(all).is_some_and(|all| all.total().is_none()),
            Self::Last(last) => Arc::get_mut(last).is_some_and(|last| last.value().is_none()),
        }
    }
}

fn overflow_attribute() -> KeyValue {
    KeyValue::new(attribute::OTEL_METRIC_OVERFLOW, true)
}

fn is_overflow(attributes: &[KeyValue]) -> bool {
    matches!(attributes, [only] if *only == overflow_attribute())
}

/// A set has no order, and a key once.
fn sorted(attributes: &[KeyValue]) -> Vec<KeyValue> {
    let mut sorted = attributes.to_vec();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    sorted.dedup_by(|a, b| a.key == b.key);
    sorted
}

impl Meter for Registry {
    fn counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Counter {
        match self.open(metric, attributes) {
            (Cells::Sum(sum), None) => Counter::new(sum),
            (Cells::Sum(sum), Some(overflows)) => {
                Counter::new(Arc::new(Overflowing { sum, overflows }))
            }
            _ => Counter::new(Arc::new(Nowhere)),
        }
    }

    fn up_down_counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> UpDownCounter {
        match self.open(metric, attributes) {
            (Cells::Sum(sum), None) => UpDownCounter::new(sum),
            (Cells::Sum(sum), Some(overflows)) => {
                UpDownCounter::new(Arc::new(Overflowing { sum, overflows }))
            }
            _ => UpDownCounter::new(Arc::new(Nowhere)),
        }
    }

    fn histogram(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Histogram {
        match self.open(metric, attributes) {
            (Cells::Distribution(all), None) => Histogram::new(all),
            (Cells::Distribution(sum), Some(overflows)) => {
                Histogram::new(Arc::new(Overflowing { sum, overflows }))
            }
            _ => Histogram::new(Arc::new(Nowhere)),
        }
    }

    fn gauge(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Gauge {
        match self.open(metric, attributes) {
            (Cells::Last(last), None) => Gauge::new(last),
            (Cells::Last(sum), Some(overflows)) => {
                Gauge::new(Arc::new(Overflowing { sum, overflows }))
            }
            _ => Gauge::new(Arc::new(Nowhere)),
        }
    }
}

/// The series of all that found no room: each measurement is counted as such.
struct Overflowing<S> {
    sum: Arc<S>,
    overflows: Counter,
}

impl<T, S: Count<T>> Count<T> for Overflowing<S> {
    fn add(&self, amount: T) {
        self.overflows.add(1);
        self.sum.add(amount);
    }
}

impl<S: Record> Record for Overflowing<S> {
    fn record_many(&self, value: f64, times: u64) {
        self.overflows.add(times);
        self.sum.record_many(value, times);
    }

    fn record_in(&self, value: f64, span: &SpanContext) {
        self.overflows.add(1);
        self.sum.record_in(value, span);
    }
}

/// What an instrument gives that is asked for by the wrong kind.
struct Nowhere;

impl<T> Count<T> for Nowhere {
    fn add(&self, _: T) {}
}

impl Record for Nowhere {
    fn record_many(&self, _: f64, _: u64) {}
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("temporality", &self.temporality)
            .field("cap", &self.cap)
            .finish_non_exhaustive()
    }
}
