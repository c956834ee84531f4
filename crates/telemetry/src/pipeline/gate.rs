//! When the next attempt may be made.
//!
//! A failure closes the gate of the whole signal: for a jittered, growing while, or for as long as
//! the server asked. Behind a closed gate one attempt at a time is made, until one succeeds.

use std::time::{Duration, Instant};

/// How fast attempts follow each other.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    /// After the first failure.
    pub(crate) first: Duration,
    /// At most, while a failure is fresh: a collector that restarts is found again quickly.
    pub(crate) fresh: Duration,
    /// At most, once it has lasted for [`FRESH`].
    pub(crate) stale: Duration,
}

/// How long a failure is fresh.
const FRESH: Duration = Duration::from_secs(60);

/// A server cannot make us wait longer than this in one go.
const LONGEST_HINT: Duration = Duration::from_secs(600);

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            fresh: Duration::from_secs(1),
            stale: Duration::from_secs(5),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Gate {
    backoff: Backoff,
    random: fastrand::Rng,
    failures: u32,
    /// The first failure since the last success.
    since: Option<Instant>,
    /// The last failure that counted.
    last: Option<Instant>,
    closed_until: Option<Instant>,
    hinted: bool,
}

impl Gate {
    pub(crate) fn new(backoff: Backoff, random: fastrand::Rng) -> Self {
        Self {
            backoff,
            random,
            failures: 0,
            since: None,
            last: None,
            closed_until: None,
            hinted: false,
        }
    }

    /// Whether the last attempts succeeded.
    pub(crate) fn is_healthy(&self) -> bool {
        self.failures == 0
    }

    /// Whether it failed more than once in a row.
    pub(crate) fn is_failing_again(&self) -> bool {
        self.failures > 1
    }

    /// When it opens, if it is closed.
    pub(crate) fn opens(&self, now: Instant) -> Option<Instant> {
        self.closed_until.filter(|until| *until > now)
    }

    /// When it opens, if a server asked us to wait.
    pub(crate) fn hinted(&self, now: Instant) -> Option<Instant> {
        self.opens(now).filter(|_| self.hinted)
    }

    /// Takes a success of an attempt that began at `began`. It does not open what a server closed
    /// meanwhile.
    pub(crate) fn succeeded(&mut self, began: Instant, now: Instant) {
        self.failures = 0;
        self.since = None;
        let overtaken = self.last.is_some_and(|last| began < last);
        if !(overtaken && self.hinted(now).is_some()) {
            self.closed_until = None;
            self.hinted = false;
        }
    }

    /// Takes a failure of an attempt that began at `began`, and says whether it counts. Attempts
    /// that were under way together fail together: the first one counts.
    pub(crate) fn failed(&mut self, began: Instant, now: Instant, hint: Option<Duration>) -> bool {
        let counts = self.last.is_none_or(|last| began >= last);
        if counts {
            self.failures = self.failures.saturating_add(1);
            self.last = Some(now);
        }
        let since = *self.since.get_or_insert(now);
        let wait = match hint {
            Some(hint) => hint.min(LONGEST_HINT),
            None => self.wait(now.duration_since(since)),
        };
        let until = now + wait;
        self.hinted = hint.is_some() || (self.hinted && self.closed_until > Some(now));
        self.closed_until = Some(self.closed_until.map_or(until, |old| old.max(until)));
        counts
    }

    /// Lets one attempt pass now, unless a server asked us to wait.
    pub(crate) fn open_early(&mut self, now: Instant) {
        if self.hinted(now).is_none() {
            self.closed_until = None;
        }
    }

    /// Doubles with each failure up to the limit, then takes between half and all of it.
    fn wait(&mut self, lasting: Duration) -> Duration {
        let limit = if lasting < FRESH {
            self.backoff.fresh
        } else {
            self.backoff.stale
        };
        let doubled = self.backoff.first * 2u32.pow(self.failures.saturating_sub(1).min(16));
        doubled.min(limit).mul_f64(0.5 + self.random.f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(Backoff::default(), fastrand::Rng::with_seed(7))
    }

    #[test]
    fn waits_grow_but_never_past_the_limit() {
        let (mut gate, start) = (gate(), Instant::now());
        let mut now = start;
        for _ in 0..20 {
            gate.failed(now, now, None);
            let opens = gate.opens(now).expect("closed");
            assert!(opens - now <= Duration::from_secs(1));
            now = opens;
        }
        assert!(now - start > Duration::from_secs(5));
        gate.succeeded(now, now);
        assert!(gate.is_healthy() && gate.opens(now).is_none());
    }

    #[test]
    fn attempts_that_fail_together_count_once() {
        let (mut gate, now) = (gate(), Instant::now());
        let later = now + Duration::from_millis(10);
        gate.failed(now, later, None);
        gate.failed(now, later, None);
        assert_eq!(gate.failures, 1);
    }

    #[test]
    fn a_server_s_wish_holds_for_all_and_cannot_be_skipped() {
        let (mut gate, now) = (gate(), Instant::now());
        let hint = Duration::from_secs(30);
        gate.failed(now, now, Some(hint));
        gate.failed(now, now, None);
        gate.open_early(now);
        assert_eq!(gate.opens(now), Some(now + hint));
        assert_eq!(gate.opens(now + hint), None);
    }

    #[test]
    fn a_success_from_before_does_not_open_what_a_server_closed() {
        let (mut gate, began) = (gate(), Instant::now());
        let now = began + Duration::from_millis(1);
        let hint = Duration::from_secs(30);
        gate.failed(began, now, Some(hint));
        gate.succeeded(began, now);
        assert_eq!(gate.opens(now), Some(now + hint));
        let later = now + hint;
        gate.succeeded(later, later);
        assert_eq!(gate.opens(now), None);
    }

    #[test]
    fn an_own_wait_can_be_skipped() {
        let (mut gate, now) = (gate(), Instant::now());
        gate.failed(now, now, None);
        gate.open_early(now);
        assert_eq!(gate.opens(now), None);
        assert!(!gate.is_healthy());
    }
}
