//! Which client is sent away when, and when it is to come back.
//!
//! The peers take a certain number of connections a second. Clients leave early enough for the
//! deadline, and are told a time so that they do not arrive faster than that.

use std::time::Duration;

/// The pace of a drain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Clients a second that the peers take.
    rate: f64,
    clients: f64,
    /// Seconds in which everyone has to be told.
    within: f64,
}

/// When a client goes, from the start of the drain, and how long it stays away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Leave {
    pub(crate) at: Duration,
    /// Milliseconds.
    pub(crate) after: u32,
}

impl Pace {
    pub(crate) fn new(rate: u32, clients: usize, deadline: Duration) -> Self {
        Self {
            rate: f64::from(rate.max(1)),
            clients: float(clients.max(1)),
            within: deadline.as_secs_f64() * 0.8,
        }
    }

    /// Of the client with this number, from 0.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and capped by the cast"
    )]
    pub(crate) fn of(self, client: usize) -> Leave {
        let i = float(client);
        let arrives = i / self.rate;
        let leaves = arrives.min(i * self.within / self.clients);
        Leave {
            at: Duration::from_secs_f64(leaves),
            after: ((arrives - leaves) * 1000.0) as u32,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below the limit")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_arrives_faster_than_the_peers_take_them_and_all_leave_in_time() {
        for (rate, clients, deadline) in [(500, 8000, 30), (500, 8000, 5), (1000, 100, 30)] {
            let deadline = Duration::from_secs(deadline);
            let pace = Pace::new(rate, clients, deadline);
            let mut arrivals = vec![0; 100];
            for leave in (0..clients).map(|i| pace.of(i)) {
                assert!(leave.at <= deadline.mul_f64(0.8));
                let arrives = leave.at + Duration::from_millis(u64::from(leave.after) + 1);
                arrivals[usize::try_from(arrives.as_secs()).unwrap_or(99)] += 1;
            }
            let most = arrivals.iter().max().copied().unwrap_or_default();
            assert!(most <= rate + 1, "{most} a second, at {rate}");
        }
    }

    #[test]
    fn with_time_enough_clients_come_back_at_once() {
        let pace = Pace::new(100, 200, Duration::from_secs(30));
        let leave = pace.of(150);
        assert_eq!(leave.at, Duration::from_millis(1500));
        assert_eq!(leave.after, 0);
    }
}
