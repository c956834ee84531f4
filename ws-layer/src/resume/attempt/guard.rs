//! Each attempt is counted once.

use super::Arrival;
use crate::resume::ladder::Rung;
use crate::{Role, Sessions};

/// Counts what became of an attempt, exactly once; an attempt that is dropped has failed.
#[derive(Debug)]
pub(crate) struct Attempt {
    sessions: Sessions,
    endpoint: &'static str,
    expected: Option<Rung>,
}

impl Attempt {
    pub(crate) fn begin(sessions: &Sessions, endpoint: &'static str) -> Self {
        Self {
            sessions: sessions.clone(),
            endpoint,
            expected: Some(Rung::HandshakeFailed),
        }
    }

    pub(crate) fn set_endpoint(&mut self, endpoint: &'static str) {
        self.endpoint = endpoint;
    }

    /// What a drop from now on means; `None`: that there was no attempt.
    pub(crate) fn expect(&mut self, rung: Option<Rung>) {
        self.expected = rung;
    }

    /// It ended like this.
    pub(crate) fn end(mut self, arrival: &Arrival) {
        self.expected = None;
        let Some(rung) = arrival.rung else { return };
        let series = self.sessions.series(self.endpoint, Role::Server);
        series.resume_attempt(rung, arrival.cause);
        if let Some(gap) = arrival.gap {
            series.resume_gap(rung, gap);
        }
        if rung.goes_on() {
            series.resume_replayed(rung, arrival.plan.replayed);
        }
        if arrival.uncounted {
            series.detachment();
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(rung) = self.expected {
            let series = self.sessions.series(self.endpoint, Role::Server);
            series.resume_attempt(rung, None);
        }
    }
}
