//! Distributions over fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};

use campanile_recorder::Record;
use opentelemetry::trace::SpanContext;

use super::bounds::Bounds;
use super::exemplar::{Exemplar, Exemplars, Filter};
use crate::stripe::Stripes;

/// Cells of a stripe: numbers as bits, then a count for each bucket.
const SUM: usize = 0;
const MIN: usize = 1;
const MAX: usize = 2;
const BUCKETS: usize = 3;

/// Cells of a stripe, which is room for 29 buckets.
const CELLS: usize = 32;

/// How many bounds a distribution has at most; what is above the last one is one bucket.
pub(super) const MAX_BOUNDS: usize = CELLS - BUCKETS - 1;

/// One series of a distribution.
#[derive(Debug)]
pub(super) struct Distribution {
    bounds: Bounds,
    stripes: Stripes<CELLS>,
    exemplars: Exemplars,
}

/// What was recorded.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) buckets: Vec<u64>,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Distribution {
    /// Nothing yet, in buckets whose upper bounds are `bounds`, each inclusive.
    pub(super) fn new(bounds: &'static [f64], filter: Filter) -> Self {
        let bounds = &bounds[..bounds.len().min(MAX_BOUNDS)];
        Self {
            bounds: Bounds::new(bounds),
            stripes: Stripes::new(first),
            exemplars: Exemplars::new(bounds.len() + 1, filter),
        }
    }

    pub(super) fn bounds(&self) -> &'static [f64] {
        self.bounds.all()
    }

    /// Everything ever recorded; none when nothing was.
    pub(super) fn total(&self) -> Option<Recorded> {
        self.read(|cell, _| cell.load(Ordering::Acquire))
    }

    /// What was recorded since the last time; none when nothing was.
    pub(super) fn take(&self) -> Option<Recorded> {
        self.read(|cell, first| cell.swap(first, Ordering::AcqRel))
    }

    /// The exemplars of this interval.
    pub(super) fn exemplars(&self) -> Vec<Exemplar> {
        self.exemplars.take()
    }

    /// Counts are read before what belongs to them, as they are written after it.
    fn read(&self, read: impl Fn(&AtomicU64, u64) -> u64) -> Option<Recorded> {
        let mut all = Recorded {
            buckets: vec![0; self.bounds().len() + 1],
            sum: 0.0,
            min: f64::MAX,
            max: f64::MIN,
        };
        let mut count = 0;
        for stripe in self.stripes.all() {
            let mut counted = 0;
            for (i, bucket) in all.buckets.iter_mut().enumerate() {
                let more = read(&stripe[BUCKETS + i], 0);
                *bucket += more;
                counted += more;
            }
            // What is under way there is left together for the next interval.
            if counted > 0 {
                let number = |i| f64::from_bits(read(&stripe[i], first(i)));
                all.sum += number(SUM);
                all.min = all.min.min(number(MIN));
                all.max = all.max.max(number(MAX));
            }
            count += counted;
        }
        (count > 0).then_some(all)
    }

    #[inline(always)]
    fn put(&self, value: f64, times: u64) -> Option<usize> {
        // As the SDK does: what is no number would spoil the sum for ever.
        if times == 0 || !value.is_finite() {
            return None;
        }
        let bucket = self.bounds.bucket(value);
        let stripe = self.stripes.mine();
        #[expect(
            clippy::cast_precision_loss,
            reason = "nobody records 2^53 samples at once"
        )]
        let more = if times == 1 {
            value
        } else {
            value * times as f64
        };
        add(&stripe[SUM], more);
        lead(&stripe[MIN], value, |value, min| value < min);
        lead(&stripe[MAX], value, |value, max| value > max);
        stripe[BUCKETS + bucket].fetch_add(times, Ordering::Release);
        Some(bucket)
    }
}

impl Record for Distribution {
    fn record_many(&self, value: f64, times: u64) {
        self.put(value, times);
    }

    fn record_in(&self, value: f64, span: &SpanContext) {
        if let Some(bucket) = self.put(value, 1) {
            self.exemplars.offer(bucket, value, span);
        }
    }
}

/// What a cell begins as.
const fn first(cell: usize) -> u64 {
    match cell {
        MIN => f64::MAX.to_bits(),
        MAX => f64::MIN.to_bits(),
        _ => 0,
    }
}

/// Adds to a number that is kept as bits.
#[inline]
fn add(cell: &AtomicU64, more: f64) {
    let mut old = cell.load(Ordering::Relaxed);
    loop {
        let new = (f64::from_bits(old) + more).to_bits();
        match cell.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(other) => old = other,
        }
    }
}

/// Puts `value` into a cell that it leads.
#[inline]
fn lead(cell: &AtomicU64, value: f64, leads: impl Fn(f64, f64) -> bool) {
    let mut old = cell.load(Ordering::Relaxed);
    while leads(value, f64::from_bits(old)) {
        let new = value.to_bits();
        match cell.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(other) => old = other,
        }
    }
}

#[cfg(test)]
mod tests {
    use campanile_semconv::metric;

    use super::*;

    #[test]
    fn every_declared_metric_has_room_for_its_buckets() {
        for metric in metric::ALL {
            assert!(metric.buckets.len() <= MAX_BOUNDS, "{}", metric.name);
        }
    }
}
