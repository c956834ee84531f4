//! Exemplars: for each bucket, the first measurement of an interval that has a span to show.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use opentelemetry::trace::{SpanContext, SpanId, TraceId};

/// Which measurements may become exemplars (`OTEL_METRICS_EXEMPLAR_FILTER`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Filter {
    /// Those inside a sampled span.
    #[default]
    TraceBased,
    /// Those inside any span.
    AlwaysOn,
    /// None.
    AlwaysOff,
}

impl Filter {
    /// Whether a span with these flags may be shown.
    #[inline]
    fn takes(self, span: &SpanContext) -> bool {
        match self {
            Self::TraceBased => span.is_sampled(),
            Self::AlwaysOn => true,
            Self::AlwaysOff => false,
        }
    }
}

/// One measurement, and where it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exemplar {
    pub(super) value: f64,
    pub(super) at: SystemTime,
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
}

/// One bucket's.
#[derive(Debug, Default)]
struct Slot {
    full: AtomicBool,
    held: Mutex<Option<Exemplar>>,
}

/// Those of one series; nothing is allocated until there is a first.
#[derive(Debug)]
pub(super) struct Exemplars {
    filter: Filter,
    buckets: usize,
    slots: OnceLock<Box<[Slot]>>,
}

impl Exemplars {
    pub(super) fn new(buckets: usize, filter: Filter) -> Self {
        Self {
            filter,
            buckets,
            slots: OnceLock::new(),
        }
    }

    /// Offers a measurement. It costs one load while the bucket has its own.
    #[inline]
    pub(super) fn offer(&self, bucket: usize, value: f64, span: &SpanContext) {
        if !self.filter.takes(span) {
            return;
        }
        let slot = self.slots.get().and_then(|slots| slots.get(bucket));
        if slot.is_none_or(|slot| !slot.full.load(Ordering::Relaxed)) {
            self.keep(bucket, value, span);
        }
    }

    #[cold]
    fn keep(&self, bucket: usize, value: f64, span: &SpanContext) {
        if !span.is_valid() {
            return;
        }
        let empty = || (0..self.buckets).map(|_| Slot::default()).collect();
        let Some(slot) = self.slots.get_or_init(empty).get(bucket) else {
            return;
        };
        // Somebody else writes or reads it: theirs is as good.
        let Ok(mut held) = slot.held.try_lock() else {
            return;
        };
        if held.is_none() {
            *held = Some(Exemplar {
                value,
                at: SystemTime::now(),
                trace: span.trace_id(),
                span: span.span_id(),
            });
            slot.full.store(true, Ordering::Relaxed);
        }
    }

    /// Those of this interval; the next one begins.
    pub(super) fn take(&self) -> Vec<Exemplar> {
        let slots = self.slots.get().map(AsRef::as_ref).unwrap_or_default();
        let full = slots
            .iter()
            .filter(|slot| slot.full.load(Ordering::Relaxed));
        let take = |slot: &Slot| {
            let mut held = slot.held.lock().unwrap_or_else(PoisonError::into_inner);
            slot.full.store(false, Ordering::Relaxed);
            held.take()
        };
        full.filter_map(take).collect()
    }
}
