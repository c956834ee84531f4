//! Who is let in.

use std::sync::PoisonError;

use super::Sessions;
use crate::endpoint::Reject;

/// The place of an upgrade that is not a session yet.
pub(crate) struct Admitted(Sessions);

/// An upgrade that is not let in now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turned {
    pub(crate) reason: Reject,
    /// The client is to come back after so many milliseconds.
    pub(crate) after: u32,
}

impl Turned {
    /// The seconds of a `Retry-After` header.
    pub(crate) fn seconds(self) -> u32 {
        self.after.div_ceil(1000)
    }
}

impl Sessions {
    /// Lets an upgrade in, unless there are enough sessions.
    pub(crate) fn admit(&self) -> Option<Admitted> {
        let mut open = self.lock();
        let there = open.registry.len().saturating_add(open.upcoming);
        if there >= self.settings().max_connections {
            return None;
        }
        open.upcoming += 1;
        Some(Admitted(self.clone()))
    }

    /// Turns an upgrade away while the process drains, or when too many come; `returns` says that
    /// it brought a valid token.
    pub(crate) fn turn_away(&self, returns: bool) -> Option<Turned> {
        let reason = if self.is_draining() {
            Reject::Drain
        } else {
            let gate = self.0.gate.as_ref()?;
            let mut gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
            if gate.enter(self.clock().millis(), returns) {
                return None;
            }
            Reject::Rate
        };
        // While the process drains, newcomers come back among those that it sends away.
        let spread = self.hub().map_or(0, |hub| hub.spread(self));
        let spread = spread.max(self.slots_ahead());
        let after = fastrand::u32(1_000..=spread.max(1_000));
        Some(Turned { reason, after })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.lock().upcoming -= 1;
    }
}
