//! Last values.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use campanile_recorder::Record;

/// One series of a last value. It is not striped: the last one wins, whoever it came from.
#[derive(Debug, Default)]
pub(super) struct Last {
    bits: AtomicU64,
    touched: AtomicBool,
}

impl Last {
    /// The last value; none when there never was one.
    pub(super) fn value(&self) -> Option<f64> {
        let touched = self.touched.load(Ordering::Acquire);
        touched.then(|| f64::from_bits(self.bits.load(Ordering::Relaxed)))
    }

    /// The last value; none when there was none since the last time.
    pub(super) fn take(&self) -> Option<f64> {
        let touched = self.touched.swap(false, Ordering::AcqRel);
        touched.then(|| f64::from_bits(self.bits.load(Ordering::Relaxed)))
    }
}

impl Record for Last {
    fn record_many(&self, value: f64, _: u64) {
        if value.is_finite() {
            self.bits.store(value.to_bits(), Ordering::Relaxed);
            self.touched.store(true, Ordering::Release);
        }
    }
}
