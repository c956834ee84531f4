//! The books of delivery: every accepted message ends in exactly one outcome.
//!
//! accepted = on_time + late + expired + dropped + lost + superseded + moved + pending, at any moment
//! and in everything that is exported: what is told to the instruments is told as one consistent
//! batch.

use crate::endpoint::Series;
use crate::settings::ClassId;

/// What became of a message (`websocket.delivery.outcome`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It reached the deciding stage within its threshold.
    OnTime,
    /// It did not; charged the moment it crosses the threshold, wherever it is then.
    Late,
    /// It outlived its time to live in the outbox.
    Expired,
    /// The outbox was full.
    Dropped,
    /// The connection ended first.
    Lost,
    /// A newer message took its place in the outbox.
    Superseded,
    /// Its session went on at another node, which accepts it anew.
    Moved,
}

impl Outcome {
    pub(crate) const ALL: [Self; 7] = [
        Self::OnTime,
        Self::Late,
        Self::Expired,
        Self::Dropped,
        Self::Lost,
        Self::Superseded,
        Self::Moved,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OnTime => "on_time",
            Self::Late => "late",
            Self::Expired => "expired",
            Self::Dropped => "dropped",
            Self::Lost => "lost",
            Self::Superseded => "superseded",
            Self::Moved => "moved",
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Page {
    accepted: u32,
    outcomes: [u32; 7],
}

/// The books of one connection, by message class.
#[derive(Debug)]
pub(crate) struct Ledger {
    pages: Box<[Page]>,
    pending: u32,
    untold: bool,
}

impl Ledger {
    pub(crate) fn new(classes: usize) -> Self {
        Self {
            pages: vec![Page::default(); classes].into(),
            pending: 0,
            untold: false,
        }
    }

    pub(crate) fn accept(&mut self, class: ClassId) {
        self.page(class).accepted += 1;
        self.pending += 1;
        self.untold = true;
    }

    pub(crate) fn decide(&mut self, class: ClassId, outcome: Outcome) {
        self.decide_many(class, outcome, 1);
    }

    pub(crate) fn decide_many(&mut self, class: ClassId, outcome: Outcome, times: u32) {
        self.page(class).outcomes[outcome as usize] += times;
        self.pending -= times;
        self.untold = true;
    }

    /// Messages that are not decided yet.
    pub(crate) fn pending(&self) -> u32 {
        self.pending
    }

    fn page(&mut self, class: ClassId) -> &mut Page {
        &mut self.pages[usize::from(class.0)]
    }

    /// Tells the instruments what is new, as one batch.
    pub(crate) fn tell(&mut self, series: &Series) {
        if !std::mem::take(&mut self.untold) {
            return;
        }
        for (page, series) in self.pages.iter_mut().zip(&series.classes) {
            let Page { accepted, outcomes } = std::mem::take(page);
            let decided: u32 = outcomes.iter().sum();
            if accepted > 0 {
                series.accepted.add(u64::from(accepted));
            }
            for (count, counter) in outcomes.into_iter().zip(&series.outcomes) {
                if count > 0 {
                    counter.add(u64::from(count));
                }
            }
            if accepted != decided {
                series.pending.add(i64::from(accepted) - i64::from(decided));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_the_declared_set() {
        let declared = campanile_semconv::value::WEBSOCKET_DELIVERY_OUTCOMES;
        assert_eq!(Outcome::ALL.map(Outcome::as_str), declared);
    }
}
