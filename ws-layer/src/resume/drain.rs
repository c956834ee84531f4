//! Which client is sent away when, and when it is to come back.
//!
//! The peers take a certain number of connections a second. Clients leave early enough for the
//! deadline, and each is given a slot of its own to come back in; slots lie evenly, below that
//! rate.
//!
//! Slots are given out as the close frames are written, never in the past: a process that falls
//! behind, as one that stops may well, moves what is still to come and does not send those it was
//! late for together with the next. Clients that hear late, all at once, are the other danger: so
//! only so many are told as may come together, until the first of them have left.

use std::time::Duration;

/// The part of what the peers take that a drain plans for. The rest is for newcomers, and for
/// clients that do not arrive as evenly as they are told to: each has a network of its own, and
/// jitter.
const PART: f64 = 0.8;

/// The part of a second's peers' rate that may be told and not be gone.
const AT_ONCE: f64 = (1.0 - PART) / 2.0;

/// The part of the deadline by which clients may leave later, for the sake of those that were told.
const PATIENCE: f64 = 0.1;

/// The part of the window in which every client is told to come back, whatever the rate: one that
/// is turned away can still return, one whose session is over cannot. The rest is for the silence
/// before the drain, which the window counts too.
const IN_WINDOW: f64 = 0.75;

/// The plan of a drain. Times count from its start.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Seconds between two slots.
    step: f64,
    /// Seconds between two that leave.
    leaving: f64,
    /// The first slot that is free.
    free: f64,
    /// How many may be told and not be gone.
    at_once: usize,
    /// By how much a client may leave later for their sake.
    patience: Duration,
}

impl Plan {
    /// For peers that take `rate` clients a second, where sessions wait for `window` if they can.
    pub(crate) fn new(
        rate: u32,
        clients: usize,
        deadline: Duration,
        window: Option<Duration>,
    ) -> Self {
        let clients = float(clients.max(1));
        let mut step = 1.0 / (f64::from(rate.max(1)) * PART);
        if let Some(window) = window {
            step = step.min(window.as_secs_f64() * IN_WINDOW / clients);
        }
        let deadline = deadline.as_secs_f64();
        Self {
            step,
            leaving: step.min(deadline * 0.8 / clients),
            free: 0.0,
            at_once: whole(f64::from(rate) * AT_ONCE).max(1),
            patience: seconds(deadline * PATIENCE),
        }
    }

    /// When the client with this number is told to leave, from 0.
    pub(crate) fn leaves(&self, client: usize) -> Duration {
        seconds(float(client) * self.leaving)
    }

    /// Whether a client is told to leave by this time, while so many were told and are still there.
    pub(crate) fn is_told(&self, client: usize, by: Duration, under_way: usize) -> bool {
        let leaves = self.leaves(client);
        let latest = leaves + self.patience;
        latest < by || leaves < by && under_way < self.at_once
    }

    /// How long a client that is told to leave now is to stay away. Its slot is taken.
    pub(crate) fn slot(&mut self, now: Duration) -> Duration {
        let now = now.as_secs_f64();
        let slot = self.free.max(now);
        self.free = slot + self.step;
        seconds(slot - now)
    }

    /// For how long slots are taken.
    pub(crate) fn ahead(&self, now: Duration) -> Duration {
        seconds(self.free - now.as_secs_f64())
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and capped by the cast"
)]
fn whole(count: f64) -> usize {
    count.round() as usize
}

#[expect(clippy::cast_precision_loss, reason = "far below the limit")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The most that arrive within any second.
    fn most(arrivals: &mut [Duration]) -> usize {
        arrivals.sort_unstable();
        let until = |from: Duration| arrivals.partition_point(|at| *at < from + SECOND);
        let counts = arrivals.iter().enumerate().map(|(i, at)| until(*at) - i);
        counts.max().unwrap_or_default()
    }

    #[test]
    fn everybody_leaves_in_time_and_nobody_arrives_faster_than_planned() {
        for (rate, clients, deadline) in [(500, 8000, 30), (500, 8000, 5), (1000, 100, 30)] {
            let deadline = Duration::from_secs(deadline);
            let mut plan = Plan::new(rate, clients, deadline, None);
            let arrivals = (0..clients).map(|i| {
                let leaves = plan.leaves(i);
                assert!(leaves <= deadline.mul_f64(0.8));
                leaves + plan.slot(leaves)
            });
            let most = most(&mut arrivals.collect::<Vec<_>>());
            assert!(most <= rate as usize * 4 / 5 + 1, "{most}, of {rate}");
        }
    }

    #[test]
    fn with_time_enough_clients_come_back_at_once() {
        let mut plan = Plan::new(100, 200, Duration::from_secs(30), None);
        for client in 0..200 {
            let leaves = plan.leaves(client);
            assert!(plan.slot(leaves) < Duration::from_micros(1));
        }
        assert_eq!(plan.leaves(160), 2 * SECOND);
    }

    #[test]
    fn a_process_that_falls_behind_does_not_send_the_late_ones_together() {
        let mut plan = Plan::new(100, 400, Duration::from_secs(30), None);
        // It stands still for a second, twice.
        let arrivals = (0..400).map(|i| {
            let told = match plan.leaves(i) {
                at if at < SECOND => SECOND,
                at if at > 2 * SECOND && at < 3 * SECOND => 3 * SECOND,
                at => at,
            };
            told + plan.slot(told)
        });
        let mut arrivals: Vec<_> = arrivals.collect();
        assert!(most(&mut arrivals) <= 81);
        assert_eq!(arrivals.last().map(Duration::as_secs), Some(5));
    }

    #[test]
    fn no_more_are_told_than_may_come_together_while_none_of_them_leaves() {
        let plan = Plan::new(100, 400, Duration::from_secs(30), None);
        assert!(!plan.is_told(80, SECOND, 0), "its time has not come");
        assert!(plan.is_told(40, SECOND, 9));
        assert!(!plan.is_told(40, SECOND, 10));
        assert!(!plan.is_told(40, 3 * SECOND, 10));
        assert!(plan.is_told(40, 4 * SECOND, 10), "no later than 3 s");
    }

    #[test]
    fn slow_clients_also_arrive_below_the_rate() {
        let mut chance = fastrand::Rng::with_seed(1);
        for (rate, clients, deadline) in [(50, 150, 3), (250, 4000, 15), (1000, 30_000, 30)] {
            let mut plan = Plan::new(rate, clients, Duration::from_secs(deadline), None);
            let arrivals = (0..clients).map(|i| {
                let leaves = plan.leaves(i);
                let after = plan.slot(leaves);
                // On the way for up to 300 ms each, and a tenth more as clients do.
                let late = SECOND.mul_f64(0.3 * chance.f64());
                leaves + after + after.mul_f64(0.1 * chance.f64()) + late
            });
            let most = most(&mut arrivals.collect::<Vec<_>>());
            assert!(most < rate as usize, "{most}, of {rate}");
        }
    }

    #[test]
    fn everybody_is_told_to_come_back_within_the_window() {
        let window = Duration::from_secs(120);
        let mut plan = Plan::new(200, 100_000, Duration::from_secs(30), Some(window));
        let last = (0..100_000).map(|i| plan.leaves(i) + plan.slot(plan.leaves(i)));
        assert!(last.max().unwrap_or_default() <= window.mul_f64(0.75));
        assert!(plan.ahead(Duration::from_secs(30)) <= 60 * SECOND);
        assert_eq!(plan.ahead(window), Duration::ZERO);
    }
}
