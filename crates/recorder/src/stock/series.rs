//! The attribute sets of exchanges: each is made once, and there is a cap.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use campanile_semconv::{attribute, metric};
use opentelemetry::KeyValue;

use super::attributes;
use crate::End;

/// How many attribute sets an instrument may have. What is over goes to one overflow set
/// (OpenTelemetry metrics SDK, cardinality limits: `otel.metric.overflow`).
///
/// It stays below the SDK's own default of 2,000, so that ours speaks first.
pub(super) const MAX_SERIES: usize = 1900;

/// What exchanges counted in one series have in common: route (by its address, as routes are never
/// freed), status, error.
type Key = (usize, Option<u16>, Option<&'static str>);

/// All series there are.
pub(super) struct AllSeries {
    known: RwLock<HashMap<Key, Arc<[KeyValue]>>>,
    overflow: Arc<[KeyValue]>,
    warned: AtomicBool,
}

impl AllSeries {
    pub(super) fn new() -> Self {
        let overflow = Arc::from([KeyValue::new(attribute::OTEL_METRIC_OVERFLOW, true)]);
        Self {
            known: RwLock::default(),
            overflow,
            warned: AtomicBool::new(false),
        }
    }

    /// The attributes to count `end` under; `Err` is the overflow set.
    pub(super) fn find(&self, end: &End) -> Result<Arc<[KeyValue]>, Arc<[KeyValue]>> {
        let key = (
            std::ptr::from_ref(end.route).addr(),
            end.status,
            end.error_type(),
        );
        let known = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        known.map_or_else(|| self.add(key, end), Ok)
    }

    #[cold]
    fn add(&self, key: Key, end: &End) -> Result<Arc<[KeyValue]>, Arc<[KeyValue]>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_SERIES || known.contains_key(&key) {
            let make = || attributes::duration(end).into();
            return Ok(Arc::clone(known.entry(key).or_insert_with(make)));
        }
        drop(known);
        if !self.warned.swap(true, Ordering::Relaxed) {
            let (instrument, limit) = (metric::HTTP_SERVER_REQUEST_DURATION.name, MAX_SERIES);
            tracing::warn!(
                instrument,
                limit,
                "too many attribute sets: further ones are counted as one, marked as overflow"
            );
        }
        Err(Arc::clone(&self.overflow))
    }
}
