//! Sums, monotonic or not.

use std::sync::atomic::Ordering;

use campanile_recorder::Count;

use crate::stripe::Stripes;

/// Cells of a stripe: the amount, and whether there was any.
const AMOUNT: usize = 0;
const TOUCHED: usize = 1;
const CELLS: usize = 2;

/// One series of a sum. Amounts below zero are kept as two's complement.
#[derive(Debug)]
pub(super) struct Sum(Stripes<CELLS>);

impl Sum {
    pub(super) fn new() -> Self {
        Self(Stripes::new(|_| 0))
    }

    #[inline]
    fn put(&self, amount: u64) {
        let stripe = self.0.mine();
        stripe[AMOUNT].fetch_add(amount, Ordering::Relaxed);
        let touched = &stripe[TOUCHED];
        // Only read when it is set, as it nearly always is.
        if touched.load(Ordering::Relaxed) == 0 {
            touched.store(1, Ordering::Release);
        }
    }

    /// Everything ever added; none when nothing ever was.
    pub(super) fn total(&self) -> Option<u64> {
        let mut total = None;
        for stripe in self.0.all() {
            if stripe[TOUCHED].load(Ordering::Acquire) != 0 {
                let amount = stripe[AMOUNT].load(Ordering::Relaxed);
                total = Some(amount.wrapping_add(total.unwrap_or(0)));
            }
        }
        total
    }

    /// What was added since the last time; none when nothing was.
    pub(super) fn take(&self) -> Option<u64> {
        let mut total = None;
        for stripe in self.0.all() {
            // Whoever adds from here on sets it again.
            let touched = stripe[TOUCHED].swap(0, Ordering::AcqRel) != 0;
            let amount = stripe[AMOUNT].swap(0, Ordering::Relaxed);
            if touched || amount != 0 {
                total = Some(amount.wrapping_add(total.unwrap_or(0)));
            }
        }
        total
    }
}

impl Count<u64> for Sum {
    fn add(&self, amount: u64) {
        self.put(amount);
    }
}

impl Count<i64> for Sum {
    fn add(&self, amount: i64) {
        self.put(amount.cast_unsigned());
    }
}
