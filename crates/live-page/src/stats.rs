//! Percentiles: exact ones from durations, estimated ones from histogram buckets.

use std::collections::BTreeMap;

use campanile_otlp_receiver::model::{ExponentialHistogram, Histogram};

/// Below this many samples a p99 is not told.
pub(crate) const ENOUGH_FOR_P99: u64 = 100;
/// Below this many samples a p95 is not told.
pub(crate) const ENOUGH_FOR_P95: u64 = 20;

/// The three percentiles of a row, where there were samples enough to tell them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) p50: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) p99: Option<f64>,
}

impl Percentiles {
    /// The highest one that is known.
    pub(crate) fn worst(&self) -> Option<(&'static str, f64)> {
        self.p99
            .map(|p99| ("p99", p99))
            .or(self.p95.map(|p95| ("p95", p95)))
    }

    fn told(samples: u64, at: impl Fn(f64) -> Option<f64>) -> Self {
        Self {
            p50: at(0.50),
            p95: at(0.95).filter(|_| samples >= ENOUGH_FOR_P95),
            p99: at(0.99).filter(|_| samples >= ENOUGH_FOR_P99),
        }
    }
}

/// Sorts durations and reads their percentiles by nearest rank.
pub(crate) fn exact(durations: &mut [f64]) -> Percentiles {
    durations.sort_unstable_by(f64::total_cmp);
    Percentiles::told(durations.len() as u64, |q| rank(durations, q))
}

/// Reads one percentile of sorted numbers by nearest rank.
pub(crate) fn rank(sorted: &[f64], q: f64) -> Option<f64> {
    let place = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(place.max(1) - 1).copied()
}

/// A distribution as buckets, merged from any number of histogram points.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buckets {
    /// Upper bound (as ordered bits) to lower bound and count. Only positive measurements: durations have no others.
    cells: BTreeMap<u64, (f64, u64)>,
    pub(crate) count: u64,
    pub(crate) max: Option<f64>,
}

impl Buckets {
    /// Adds what `now` counted beyond `before`.
    pub(crate) fn add(&mut self, now: &Histogram, before: Option<&Histogram>) {
        let before =
            before.filter(|before| before.count <= now.count && before.bounds == now.bounds);
        let mut lower = 0.0;
        for (at, &count) in now.bucket_counts.iter().enumerate() {
            let upper = now.bounds.get(at).copied().unwrap_or(f64::INFINITY);
            let old = before
                .and_then(|before| before.bucket_counts.get(at))
                .copied();
            self.cell(lower, upper, count.saturating_sub(old.unwrap_or(0)));
            lower = upper;
        }
        if now.bucket_counts.is_empty() {
            let new = now.count - before.map_or(0, |before| before.count);
            self.count = self.count.saturating_add(new);
        }
        self.seen(now.max);
    }

    /// Adds an exponential histogram's increments.
    pub(crate) fn add_exponential(
        &mut self,
        now: &ExponentialHistogram,
        before: Option<&ExponentialHistogram>,
    ) {
        let before = before.filter(|before| before.count <= now.count && before.scale == now.scale);
        let base = (-f64::from(now.scale)).exp2().exp2();
        let zero = now
            .zero_count
            .saturating_sub(before.map_or(0, |before| before.zero_count));
        self.cell(0.0, now.zero_threshold.max(f64::MIN_POSITIVE), zero);
        for (at, &count) in now.positive.counts.iter().enumerate() {
            let index = i64::from(now.positive.offset) + at as i64;
            let old = before.and_then(|before| {
                let place = index - i64::from(before.positive.offset);
                before
                    .positive
                    .counts
                    .get(usize::try_from(place).ok()?)
                    .copied()
            });
            let lower = base.powf(index as f64);
            self.cell(lower, lower * base, count.saturating_sub(old.unwrap_or(0)));
        }
        self.seen(now.max);
    }

    /// Adds another distribution.
    pub(crate) fn merge(&mut self, other: Self) {
        for (upper, (lower, count)) in other.cells {
            let cell = self.cells.entry(upper).or_insert((lower, 0));
            cell.1 = cell.1.saturating_add(count);
        }
        self.count = self.count.saturating_add(other.count);
        self.seen(other.max);
    }

    /// Estimates the percentiles, by straight lines within buckets.
    pub(crate) fn percentiles(&self, scale: f64) -> Percentiles {
        Percentiles::told(self.count, |q| self.quantile(q).map(|value| value * scale))
    }

    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        let counted: f64 = self.cells.values().map(|(_, count)| *count as f64).sum();
        if counted == 0.0 {
            return None;
        }
        let wanted = q * counted;
        let mut below = 0.0;
        for (upper, &(lower, count)) in &self.cells {
            let upper = f64::from_bits(*upper);
            if below + count as f64 >= wanted {
                // The last bucket has no end: its honest reading is the largest value seen, else where it begins.
                let end = if upper.is_finite() {
                    upper
                } else {
                    self.max.unwrap_or(lower).max(lower)
                };
                return Some(lower + (end - lower) * (wanted - below) / count as f64);
            }
            below += count as f64;
        }
        None
    }

    fn cell(&mut self, lower: f64, upper: f64, count: u64) {
        // The bits of positive doubles order as the doubles do.
        if count > 0 && upper > 0.0 {
            let cell = self.cells.entry(upper.to_bits()).or_insert((lower, 0));
            cell.1 = cell.1.saturating_add(count);
            self.count = self.count.saturating_add(count);
        }
    }

    fn seen(&mut self, max: Option<f64>) {
        self.max = match (self.max, max) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
    }
}

#[cfg(test)]
mod tests;
