//! Series that are opened once and found again, up to a cap.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use campanile_semconv::attribute;
use campanile_semconv::metric::{self, Metric};
use opentelemetry::KeyValue;

use crate::{Counter, Meter};

/// How many attribute sets an instrument may have. What is over goes to one overflow set
/// (OpenTelemetry metrics SDK, cardinality limits: `otel.metric.overflow`).
///
/// It stays below the SDK's own default of 2,000, so that ours speaks first.
pub(crate) const MAX_SERIES: usize = 1900;

/// Mixes what tells series apart: addresses, numbers and texts of closed sets. No caller chooses
/// them, so a hash that withstands chosen keys would be paid for nothing.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(u64::from(value));
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A map by keys that nobody else chooses.
pub(crate) type Found<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// The series of what found no room of its own.
pub(crate) struct Overflow<V> {
    metric: &'static Metric,
    series: OnceLock<Arc<V>>,
    counter: OnceLock<Counter>,
}

impl<V> Overflow<V> {
    pub(crate) fn new(metric: &'static Metric) -> Self {
        Self {
            metric,
            series: OnceLock::new(),
            counter: OnceLock::new(),
        }
    }

    /// The series, which `make` opens with its attributes at the first time; one more measurement
    /// is counted as folded into it.
    #[cold]
    pub(crate) fn get(&self, meter: &dyn Meter, make: impl FnOnce(Vec<KeyValue>) -> V) -> Arc<V> {
        let open = || {
            let (instrument, limit) = (self.metric.name, MAX_SERIES);
            tracing::warn!(
                instrument,
                limit,
                "too many attribute sets: further ones are counted as one, marked as overflow"
            );
            let attributes = [KeyValue::new(
                attribute::CAMPANILE_INSTRUMENT_NAME,
                instrument,
            )];
            meter.counter(&metric::CAMPANILE_CARDINALITY_OVERFLOWS, &attributes)
        };
        self.counter.get_or_init(open).add(1);
        let attributes = || vec![KeyValue::new(attribute::OTEL_METRIC_OVERFLOW, true)];
        let series = self.series.get_or_init(|| Arc::new(make(attributes())));
        Arc::clone(series)
    }
}

/// All series of a metric, by what tells them apart.
pub(crate) struct AllSeries<K, V> {
    known: RwLock<Found<K, Arc<V>>>,
    overflow: Overflow<V>,
}

impl<K: Eq + Hash, V> AllSeries<K, V> {
    pub(crate) fn new(metric: &'static Metric) -> Self {
        Self {
            known: RwLock::default(),
            overflow: Overflow::new(metric),
        }
    }

    /// The series of `key`, which `open` makes from the attributes that `list` lists when it is
    /// new; the one of the overflow set, once there are too many.
    pub(crate) fn find(
        &self,
        meter: &dyn Meter,
        key: K,
        list: impl FnOnce() -> Vec<KeyValue>,
        open: impl Fn(Vec<KeyValue>) -> V,
    ) -> Arc<V> {
        let known = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        known
            .or_else(|| self.add(key, || open(list())))
            .unwrap_or_else(|| self.overflow.get(meter, &open))
    }

    #[cold]
    fn add(&self, key: K, make: impl FnOnce() -> V) -> Option<Arc<V>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let has_room = known.len() < MAX_SERIES || known.contains_key(&key);
        has_room.then(|| Arc::clone(known.entry(key).or_insert_with(|| Arc::new(make()))))
    }
}
