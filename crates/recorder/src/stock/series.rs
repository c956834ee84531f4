//! The attribute sets of exchanges and calls: each is made once, and there is a cap.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use campanile_semconv::attribute;
use campanile_semconv::metric::{self, Metric};
use opentelemetry::KeyValue;

use super::meter::StockMeter;
use crate::{Counter, Meter};

/// How many attribute sets an instrument may have. What is over goes to one overflow set
/// (OpenTelemetry metrics SDK, cardinality limits: `otel.metric.overflow`).
///
/// It stays below the SDK's own default of 2,000, so that ours speaks first.
pub(super) const MAX_SERIES: usize = 1900;

/// Mixes what tells series apart: addresses, numbers and texts of closed sets. No caller chooses
/// them, so a hash that withstands chosen keys would be paid for nothing.
#[derive(Default)]
struct Mix(u64);

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

/// All series of a metric, by what tells them apart.
pub(super) struct AllSeries<K> {
    metric: &'static Metric,
    known: RwLock<HashMap<K, Arc<[KeyValue]>, BuildHasherDefault<Mix>>>,
    overflow: Arc<[KeyValue]>,
    overflows: OnceLock<Counter>,
}

impl<K: Eq + Hash> AllSeries<K> {
    pub(super) fn new(metric: &'static Metric) -> Self {
        Self {
            metric,
            known: RwLock::default(),
            overflow: Arc::from([KeyValue::new(attribute::OTEL_METRIC_OVERFLOW, true)]),
            overflows: OnceLock::new(),
        }
    }

    /// The attributes of the series, which `make` lists when it is new; those of the overflow set,
    /// once there are too many.
    pub(super) fn find(
        &self,
        meter: &StockMeter,
        key: K,
        make: impl FnOnce() -> Vec<KeyValue>,
    ) -> Arc<[KeyValue]> {
        let known = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        known
            .or_else(|| self.add(key, make))
            .unwrap_or_else(|| self.overflow(meter))
    }

    #[cold]
    fn add(&self, key: K, make: impl FnOnce() -> Vec<KeyValue>) -> Option<Arc<[KeyValue]>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let has_room = known.len() < MAX_SERIES || known.contains_key(&key);
        has_room.then(|| Arc::clone(known.entry(key).or_insert_with(|| make().into())))
    }

    #[cold]
    fn overflow(&self, meter: &StockMeter) -> Arc<[KeyValue]> {
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
        self.overflows.get_or_init(open).add(1);
        Arc::clone(&self.overflow)
    }
}
