//! Time in four bytes: tenths of a millisecond since the sessions were set up, wrapping.
//!
//! An age is a wrapping difference, so it is right up to 59 hours; what waits longer has long been
//! charged.

use std::time::Duration;

use tokio::time::Instant;

/// A monotonic clock with an origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

/// A time in five bytes: good for three years, and then three years off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Long([u8; 5]);

/// Conversions of the unit.
pub(crate) struct Units;

/// Units of a second, and nanoseconds of a unit.
const A_SECOND: u64 = 10_000;
const NANOS: u32 = 100_000;

impl Units {
    /// A duration, capped at half of the range.
    pub(crate) fn of(duration: Duration) -> u32 {
        let units = u32::try_from(Self::long(duration));
        units.map_or(u32::MAX / 2, |units| units.min(u32::MAX / 2))
    }

    fn long(duration: Duration) -> u64 {
        let units = duration.as_secs().saturating_mul(A_SECOND);
        units.saturating_add(u64::from(duration.subsec_nanos() / NANOS))
    }

    /// A duration, wrapping.
    #[expect(clippy::cast_possible_truncation, reason = "it wraps by design")]
    fn wrapping(duration: Duration) -> u32 {
        Self::long(duration) as u32
    }

    pub(crate) fn seconds(units: u32) -> f64 {
        f64::from(units) / 10_000.0
    }

    pub(crate) fn duration(units: u32) -> Duration {
        Duration::from_micros(u64::from(units) * 100)
    }
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> u32 {
        self.at(Instant::now())
    }

    /// An instant in units; one before the origin wraps, so that its age stays right.
    pub(crate) fn at(self, instant: Instant) -> u32 {
        match instant.checked_duration_since(self.0) {
            Some(since) => Units::wrapping(since),
            None => 0_u32.wrapping_sub(Units::wrapping(self.0 - instant)),
        }
    }

    /// Milliseconds since the origin.
    pub(crate) fn millis(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time for what may take longer than the 59 hours of an age.
    pub(crate) fn long(self) -> Long {
        let [_, _, _, rest @ ..] = Units::long(self.0.elapsed()).to_be_bytes();
        Long(rest)
    }

    /// Seconds since then.
    pub(crate) fn seconds_since(self, then: Long) -> f64 {
        let Long([a, b, c, d, e]) = then;
        let then = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        let units = Units::long(self.0.elapsed()).saturating_sub(then);
        Duration::from_micros(units.saturating_mul(100)).as_secs_f64()
    }
}

/// The age of `then` at `now`; a stamp from the future is of age zero.
pub(crate) fn age(now: u32, then: u32) -> u32 {
    let age = now.wrapping_sub(then);
    if age > u32::MAX / 2 { 0 } else { age }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_survives_the_wrap_and_is_never_negative() {
        assert_eq!(age(5, u32::MAX - 4), 10);
        assert_eq!(age(5, 6), 0);
        assert_eq!(age(7, 7), 0);
    }

    #[test]
    fn an_instant_before_the_origin_is_old() {
        let clock = Clock::new();
        let before = clock.0 - Duration::from_millis(3);
        assert_eq!(age(clock.at(clock.0), clock.at(before)), 30);
    }

    #[test]
    fn a_long_duration_is_capped() {
        assert_eq!(Units::of(Duration::from_secs(1)), 10_000);
        assert_eq!(Units::of(Duration::MAX), u32::MAX / 2);
        assert_eq!(Units::duration(25), Duration::from_micros(2_500));
    }
}
