//! Whether clients return in a storm, and what they are told then.

use std::sync::{MutexGuard, PoisonError};

use campanile_semconv::{event, metric};

use super::Hub;
use crate::resume::storm::{Storm, Turn, spread};
use crate::sessions::Sessions;

impl Hub {
    pub(super) fn storm(&self) -> MutexGuard<'_, Storm> {
        self.storm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client has come with a token.
    pub(crate) fn came(&self, sessions: &Sessions) {
        self.storm().claim(sessions.clock().millis());
    }

    /// Judges whether clients return in a storm.
    pub(crate) fn judge(&self, sessions: &Sessions) {
        let (detached, attached) = self.population();
        let turn = self
            .storm()
            .judge(sessions.clock().millis(), detached, attached);
        let Some(turn) = turn else { return };
        let (active, event) = match turn {
            Turn::Started => (1.0, event::WEBSOCKET_STORM_STARTED),
            Turn::Ended => (0.0, event::WEBSOCKET_STORM_ENDED),
        };
        let meter = sessions.recorder().meter();
        meter
            .gauge(&metric::WEBSOCKET_STORM_ACTIVE, &[])
            .set(active);
        tracing::info!(
            target: "campanile",
            event,
            detached,
            attached,
            "websocket clients return {}",
            if active > 0.0 { "in a storm" } else { "as usual" },
        );
    }

    /// Over how many milliseconds clients are to return: none unless there is a storm.
    pub(crate) fn spread(&self, sessions: &Sessions) -> u32 {
        if !self.storm().is_active() {
            return 0;
        }
        let rate = sessions.settings().admit_rate();
        spread(self.population().0, rate)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::logged::Logged;
    use crate::probe::Probe;
    use crate::resume::{Key, Keys, Resume};

    #[tokio::test(start_paused = true)]
    async fn a_storm_is_told_of_when_it_begins_and_when_it_ends() {
        let (logged, _guard) = Logged::listen();
        let keys = Keys::new(Key::new(1, [7; 32]).unwrap());
        let builder = Sessions::builder(&Probe::new().handle()).resume(Resume::new(keys));
        let sessions = builder.build();
        let hub = sessions.hub().unwrap();
        let mut told = Vec::new();
        for second in 0..60 {
            for _ in 0..if second < 10 { 100 } else { 0 } {
                hub.came(&sessions);
            }
            hub.judge(&sessions);
            let count = |event| logged.of(event).len();
            let counts = (
                count(event::WEBSOCKET_STORM_STARTED),
                count(event::WEBSOCKET_STORM_ENDED),
            );
            if told.last() != Some(&counts) {
                told.push(counts);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(told, [(1, 0), (1, 1)]);
    }
}
