//! Wall time from the clock that the layers read anyway.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How long a comparison of both clocks holds: the wall clock is set now and then.
const HOLDS_NS: u64 = 1_000_000_000;

/// Turns instants into wall time. Both clocks are compared once a second, so that a request reads
/// one of them only.
#[derive(Debug)]
pub(super) struct Clock {
    base: Instant,
    /// Wall time of the base, as it was last found.
    wall_ns: AtomicU64,
    /// When to compare again, from the base on.
    until_ns: AtomicU64,
}

impl Clock {
    pub(super) fn new() -> Self {
        let clock = Self {
            base: Instant::now(),
            wall_ns: AtomicU64::new(0),
            until_ns: AtomicU64::new(0),
        };
        clock.compare();
        clock
    }

    /// Nanoseconds since 1970.
    #[inline]
    pub(super) fn wall_ns(&self, instant: Instant) -> u64 {
        let since = nanos(instant.saturating_duration_since(self.base));
        if since >= self.until_ns.load(Ordering::Relaxed) {
            self.compare();
        }
        self.wall_ns.load(Ordering::Relaxed) + since
    }

    #[cold]
    fn compare(&self) {
        let since = nanos(self.base.elapsed());
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall = nanos(wall.unwrap_or_default());
        self.wall_ns
            .store(wall.saturating_sub(since), Ordering::Relaxed);
        self.until_ns.store(since + HOLDS_NS, Ordering::Relaxed);
    }
}

#[inline]
fn nanos(duration: std::time::Duration) -> u64 {
    duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_time_it_tells_is_that_of_the_wall_clock() {
        let clock = Clock::new();
        let before = nanos(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        );
        let now = Instant::now();
        let told = clock.wall_ns(now);
        assert!(
            told.abs_diff(before) < 60_000_000_000,
            "{told}, not {before}"
        );
        let later = now + Duration::from_millis(1500);
        let passed = clock.wall_ns(later).abs_diff(told);
        assert!(passed.abs_diff(1_500_000_000) < 60_000_000_000, "{passed}");
    }
}
