//! When to come back: full jitter, and what the server asks for.

use std::sync::Arc;
use std::time::Duration;

use crate::resume::wire::Retry;

/// No server makes a client wait longer than this at once: 15 min.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// No server makes a client come back faster than this: a first bound of 10 ms.
const SHORTEST: Duration = Duration::from_millis(10);

/// Full jitter: the wait before attempt `k` is drawn from 0 to `min(cap, base * 2^k)`, the first
/// from 0 to `base`. A server's welcome replaces both bounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    /// The first bound. Default: 500 ms.
    pub base: Duration,
    /// The highest bound. Default: 30 s.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        let Retry { base, cap, .. } = Retry::default();
        Self {
            base: millis(base),
            cap: millis(cap),
        }
    }
}

/// Numbers from 0 to 1.
pub(super) type Random = Arc<dyn Fn() -> f64 + Send + Sync>;

/// The rhythm of one client.
pub(super) struct Pace {
    backoff: Backoff,
    spread: Duration,
    /// The server said: not earlier.
    after: Option<Duration>,
    attempt: u32,
    random: Random,
}

impl Pace {
    pub(super) fn new(backoff: Backoff, random: Random) -> Self {
        Self {
            backoff,
            spread: Duration::ZERO,
            after: None,
            attempt: 0,
            random,
        }
    }

    /// What a welcome says holds from now on.
    pub(super) fn told(&mut self, retry: Retry) {
        let base = millis(retry.base).clamp(SHORTEST, LONGEST);
        self.backoff = Backoff {
            base,
            cap: millis(retry.cap).clamp(base, LONGEST),
        };
        self.spread = millis(retry.spread).min(LONGEST);
    }

    /// The next attempt must not come earlier.
    pub(super) fn not_before(&mut self, after: Duration) {
        self.after = Some(after.min(LONGEST));
    }

    /// There is a connection that holds.
    pub(super) fn reset(&mut self) {
        self.attempt = 0;
        self.after = None;
    }

    /// How long to wait now.
    pub(super) fn wait(&mut self) -> Duration {
        let random = (self.random)().clamp(0.0, 1.0);
        let attempt = self.attempt;
        self.attempt = attempt.saturating_add(1);
        if let Some(after) = self.after.take() {
            return after + (after / 10).mul_f64(random);
        }
        let Backoff { base, cap } = self.backoff;
        let bound = match attempt {
            0 => base.max(self.spread),
            _ => base.saturating_mul(1 << attempt.min(20)).min(cap),
        };
        bound.mul_f64(random)
    }
}

fn millis(millis: u32) -> Duration {
    Duration::from_millis(millis.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(random: f64) -> Pace {
        Pace::new(Backoff::default(), Arc::new(move || random))
    }

    #[test]
    fn the_wait_is_drawn_from_a_bound_that_doubles_up_to_the_cap() {
        let mut pace = pace(1.0);
        let waits: Vec<_> = (0..9).map(|_| pace.wait().as_millis()).collect();
        let bounds = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
        assert_eq!(waits, bounds);
        pace.reset();
        assert_eq!(pace.wait(), millis(500));
    }

    #[test]
    fn a_server_that_asks_for_time_gets_a_tenth_more_at_most() {
        for (random, expected) in [(0.0, 5000), (0.5, 5250), (1.0, 5500)] {
            let mut pace = pace(random);
            pace.not_before(millis(5000));
            assert_eq!(pace.wait(), millis(expected));
            assert_eq!(pace.wait(), millis(1000).mul_f64(random), "once");
        }
    }

    #[test]
    fn a_welcome_spreads_the_first_attempt_only() {
        let mut pace = pace(1.0);
        let (base, cap, spread) = (100, 200, 60_000);
        pace.told(Retry { base, cap, spread });
        let waits: Vec<_> = (0..4).map(|_| pace.wait().as_millis()).collect();
        assert_eq!(waits, [60_000, 200, 200, 200]);
    }

    #[test]
    fn no_server_makes_a_client_spin_or_wait_for_ever() {
        let mut pace = pace(1.0);
        let retry = |base, cap, spread| Retry { base, cap, spread };
        pace.told(retry(0, 0, 0));
        assert_eq!((pace.wait(), pace.wait()), (SHORTEST, SHORTEST));
        pace.told(retry(u32::MAX, u32::MAX, u32::MAX));
        pace.reset();
        assert_eq!(pace.wait(), LONGEST);
        pace.not_before(millis(u32::MAX));
        assert_eq!(pace.wait(), LONGEST + LONGEST / 10);
    }
}
