//! Whether clients return in a storm, and over what time they are to spread.
//!
//! Pure: time is told. The rate of claims over ten seconds is held against that over ten minutes,
//! as what is usual differs from service to service; a large share of sessions that wait is a storm
//! that is about to come.

/// A rate that forgets: what lies `span` seconds back counts for a third.
#[derive(Clone, Copy, Debug)]
struct Rate {
    span: f64,
    rate: f64,
}

impl Rate {
    const fn over(span: f64) -> Self {
        Self { span, rate: 0.0 }
    }

    fn pass(&mut self, seconds: f64) {
        self.rate *= (-seconds / self.span).exp();
    }

    fn add(&mut self) {
        self.rate += 1.0 / self.span;
    }
}

/// The detector.
#[derive(Debug)]
pub(crate) struct Storm {
    fast: Rate,
    slow: Rate,
    /// Milliseconds of the last word.
    at: u64,
    active: bool,
    /// Since when it has been calm.
    calm: Option<u64>,
}

/// The least rate that is a storm, in claims a second.
const FLOOR: f64 = 5.0;
const FACTOR: f64 = 4.0;
/// The share of sessions that wait, and how many there must be at least.
const SHARE: f64 = 0.05;
const CROWD: usize = 50;
/// How long it has to be calm, in milliseconds.
const CALM: u64 = 10_000;
/// The longest spread, in seconds.
const LONGEST: f64 = 300.0;

/// What has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    Started,
    Ended,
}

impl Storm {
    pub(crate) const fn new() -> Self {
        Self {
            fast: Rate::over(10.0),
            slow: Rate::over(600.0),
            at: 0,
            active: false,
            calm: None,
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds between two words")]
    fn pass(&mut self, now: u64) {
        let seconds = now.saturating_sub(self.at) as f64 / 1000.0;
        self.at = self.at.max(now);
        self.fast.pass(seconds);
        self.slow.pass(seconds);
    }

    /// A client came with a token.
    pub(crate) fn claim(&mut self, now: u64) {
        self.pass(now);
        self.fast.add();
        self.slow.add();
    }

    /// Judges, given how many sessions wait and how many are attached.
    pub(crate) fn judge(&mut self, now: u64, detached: usize, attached: usize) -> Option<Turn> {
        self.pass(now);
        let rate = (FACTOR * self.slow.rate).max(FLOOR);
        let share = SHARE * count(detached.saturating_add(attached));
        let above = |part: f64| {
            let waits = detached >= CROWD && count(detached) > share * part;
            self.fast.rate > rate * part || waits
        };
        if !self.active {
            self.active = above(1.0);
            self.calm = None;
            return self.active.then_some(Turn::Started);
        }
        if above(0.5) {
            self.calm = None;
            return None;
        }
        let since = *self.calm.get_or_insert(now);
        if now.saturating_sub(since) < CALM {
            return None;
        }
        self.active = false;
        Some(Turn::Ended)
    }
}

/// Over how many milliseconds so many sessions are to return, at this rate.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 300,000"
)]
pub(crate) fn spread(detached: usize, rate: u32) -> u32 {
    let seconds = count(detached) / f64::from(rate.max(1));
    (seconds.min(LONGEST) * 1000.0) as u32
}

#[expect(clippy::cast_precision_loss, reason = "far below the limit")]
fn count(sessions: usize) -> f64 {
    sessions as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Claims at a steady rate for so many seconds; the turns on the way.
    fn claims(storm: &mut Storm, from: u64, rate: u64, seconds: u64) -> Vec<Turn> {
        let mut turns = Vec::new();
        for tenth in 0..seconds * 10 {
            let now = from + tenth * 100;
            for _ in 0..(tenth + 1) * rate / 10 - tenth * rate / 10 {
                storm.claim(now);
            }
            turns.extend(storm.judge(now, 0, 1000));
        }
        turns
    }

    #[test]
    fn what_is_usual_is_no_storm_and_four_times_as_much_is() {
        let mut storm = Storm::new();
        assert_eq!(claims(&mut storm, 0, 4, 1200), [], "below the floor");
        let mut busy = Storm::new();
        claims(&mut busy, 0, 40, 3600);
        assert!(!busy.is_active(), "40 a second are usual by now");
        assert_eq!(
            claims(&mut busy, 3_600_000, 80, 30),
            [],
            "twice is no storm"
        );
        let turns = claims(&mut busy, 3_630_000, 600, 30);
        assert_eq!(turns, [Turn::Started]);
    }

    #[test]
    fn a_storm_ends_once_it_has_been_calm_for_ten_seconds() {
        let mut storm = Storm::new();
        assert_eq!(claims(&mut storm, 0, 200, 10), [Turn::Started]);
        let turns = claims(&mut storm, 10_000, 0, 120);
        assert_eq!(turns, [Turn::Ended]);
        assert!(!storm.is_active());
    }

    #[test]
    fn many_that_wait_are_a_storm_to_come() {
        let mut storm = Storm::new();
        assert_eq!(storm.judge(0, 49, 10), None, "too few");
        assert_eq!(storm.judge(0, 50, 1000), None, "4.8 %");
        assert_eq!(storm.judge(0, 60, 1000), Some(Turn::Started));
        assert_eq!(storm.judge(20_000, 40, 1000), None, "calm, for now");
        assert_eq!(storm.judge(30_000, 40, 1000), Some(Turn::Ended));
    }

    #[test]
    fn the_spread_is_the_time_that_their_return_takes() {
        assert_eq!(spread(0, 500), 0);
        assert_eq!(spread(4000, 500), 8_000);
        assert_eq!(spread(1_000_000, 500), 300_000);
        assert_eq!(spread(10, 0), 10_000);
    }
}
