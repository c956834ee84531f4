//! How many connections are let in: a token bucket, with a reserve for those that return.
//!
//! Pure: time is told.

use super::settings::Admission;

/// The bucket.
#[derive(Debug)]
pub(crate) struct Gate {
    rate: f64,
    burst: f64,
    tokens: f64,
    /// Milliseconds of the last word.
    at: u64,
}

impl Gate {
    pub(crate) fn new(admission: Admission) -> Self {
        let burst = f64::from(admission.burst.max(1));
        Self {
            rate: f64::from(admission.rate),
            burst,
            tokens: burst,
            at: 0,
        }
    }

    /// Lets a connection in, if there is room. One that brings no valid token leaves a quarter of
    /// the burst to those that do.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds between two words")]
    pub(crate) fn enter(&mut self, now: u64, returns: bool) -> bool {
        let gained = now.saturating_sub(self.at) as f64 / 1000.0 * self.rate;
        self.at = self.at.max(now);
        self.tokens = (self.tokens + gained).min(self.burst);
        let reserve = if returns { 0.0 } else { self.burst / 4.0 };
        let enters = self.tokens - reserve >= 1.0;
        if enters {
            self.tokens -= 1.0;
        }
        enters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(gate: &mut Gate, now: u64, returns: bool) -> usize {
        (0..1000).filter(|_| gate.enter(now, returns)).count()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut gate = Gate::new(Admission::new(10).burst(20));
        assert_eq!(entered(&mut gate, 1_000, true), 20);
        assert_eq!(entered(&mut gate, 1_500, true), 5);
        assert_eq!(entered(&mut gate, 1_500, true), 0);
        assert_eq!(
            entered(&mut gate, 60_000, true),
            20,
            "no more than the burst"
        );
    }

    #[test]
    fn newcomers_leave_a_quarter_to_those_that_return() {
        let mut gate = Gate::new(Admission::new(10).burst(20));
        assert_eq!(entered(&mut gate, 0, false), 15);
        assert_eq!(entered(&mut gate, 0, true), 5);
        assert_eq!(entered(&mut gate, 400, false), 0, "the reserve fills first");
        assert_eq!(entered(&mut gate, 400, true), 4);
    }
}
