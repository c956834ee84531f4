//! Wall time from the clock that the layers read anyway.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use campanile_recorder::Tick;

/// How long a comparison of both clocks holds: the wall clock is set now and then.
const HOLDS_NS: u64 = 1_000_000_000;

/// Turns ticks into wall time. Both clocks are compared once a second, so that a request reads one
/// of them only.
#[derive(Debug)]
pub(super) struct Clock {
    base: Tick,
    /// Wall time of the base, as it was last found.
    wall_ns: AtomicU64,
    /// When to compare again, from the base on.
    until_ns: AtomicU64,
}

impl Clock {
    pub(super) fn new() -> Self {
        let clock = Self {
            base: Tick::now(),
            wall_ns: AtomicU64::new(0),
            until_ns: AtomicU64::new(0),
        };
        clock.compare();
        clock
    }

    /// Nanoseconds since 1970.
    #[inline]
    pub(super) fn wall_ns(&self, tick: Tick) -> u64 {
        let since = tick.nanos_since(self.base);
        if since >= self.until_ns.load(Ordering::Relaxed) {
            self.compare();
        }
        self.wall_ns.load(Ordering::Relaxed) + since
    }

    #[cold]
    fn compare(&self) {
        let since = Tick::now().nanos_since(self.base);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall = u64::try_from(wall.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
        self.wall_ns
            .store(wall.saturating_sub(since), Ordering::Relaxed);
        self.until_ns.store(since + HOLDS_NS, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MINUTE_NS: u128 = 60_000_000_000;

    #[test]
    fn the_time_it_tells_is_that_of_the_wall_clock_even_when_that_was_set() {
        let clock = Clock::new();
        let is_right = |told: u64| {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u128::from(told).abs_diff(wall.as_nanos()) < MINUTE_NS
        };
        assert!(is_right(clock.wall_ns(Tick::now())));
        // as if the wall clock had been an hour behind when both were compared
        clock
            .wall_ns
            .fetch_sub(3_600_000_000_000, Ordering::Relaxed);
        clock.until_ns.store(0, Ordering::Relaxed);
        assert!(is_right(clock.wall_ns(Tick::now())));
    }
}
