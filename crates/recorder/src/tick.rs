//! The monotonic clock as one number.
//!
//! `std::time::Instant` keeps seconds and nanoseconds apart, and to subtract two costs more than to
//! read the clock. A request is timed twice, so that is worth a number of our own.

/// A point of the monotonic clock, in nanoseconds from an origin that only this process knows.
///
/// ```
/// use campanile_recorder::Tick;
///
/// let start = Tick::now();
/// assert_eq!(start.nanos_since(start), 0);
/// assert!(Tick::now() >= start);
/// ```
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Tick(u64);

impl Tick {
    /// Reads the clock.
    #[inline]
    pub fn now() -> Self {
        Self(read())
    }

    /// Nanoseconds from `earlier` to this; 0 when `earlier` is later.
    #[inline]
    pub fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(unix)]
#[inline]
fn read() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // it counts up from a start that is not in the future, so neither is negative
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(not(unix))]
fn read() -> u64 {
    use std::sync::LazyLock;
    use std::time::Instant;

    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(ORIGIN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn it_passes_as_the_standard_clock_does() {
        let (before, start) = (Instant::now(), Tick::now());
        std::thread::sleep(Duration::from_millis(20));
        let inside = Tick::now().nanos_since(start);
        let outside = before.elapsed();
        assert!(inside >= 20_000_000, "{inside}");
        assert!(Duration::from_nanos(inside) <= outside, "{inside}");
    }

    #[test]
    fn what_is_later_is_not_before() {
        let (start, end) = (Tick(5), Tick(8));
        assert_eq!(end.nanos_since(start), 3);
        assert_eq!(start.nanos_since(end), 0);
    }
}
