//! The end of a node: its sessions are handed over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Held, Hub};
use crate::ledger::Outcome;
use crate::line::Order;
use crate::resume::keeper::flush;
use crate::resume::ladder::SessionEnd;
use crate::resume::logical::Logical;
use crate::sessions::Sessions;

/// For how long the store is asked at least, though the drain's time be over: sessions come to wait
/// until its last moment, and one late answer must not lose what the store may even have.
const HAND_OVER: Duration = Duration::from_secs(3);

impl Hub {
    /// Hands every session that waits to the store, with all that is queued for it, and leaves the
    /// other nodes to watch them. Returns how many could not be handed over.
    pub(crate) async fn leave(self: &Arc<Self>, sessions: &Sessions, until: Instant) -> usize {
        for (sid, _) in self.waiting() {
            self.park(sid);
        }
        let until = until.max(Instant::now() + HAND_OVER);
        loop {
            self.retry();
            let is_told = flush(sessions, self).await && self.is_all_told();
            if is_told || Instant::now() >= until {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.has_left.store(true, Ordering::Release);
        let store = &self.settings.store;
        let outlives = store.outlives(self.node);
        let mut lost = 0;
        for at in self.waiting() {
            if outlives && self.is_handed_over(at.0) {
                self.moved(at, Order::Elsewhere);
            } else {
                lost += usize::from(self.finish(sessions, at, SessionEnd::DrainLost, None));
            }
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), store.leave(self.node)).await;
        lost
    }

    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Acquire)
    }

    /// Nobody can come back any more: what waits here refers to the hub, and would keep it.
    pub(crate) fn clear(&self) {
        let held = std::mem::take(&mut *self.lock()).held;
        for signal in held.values().filter_map(Held::signal) {
            signal.end_held(Outcome::Lost);
        }
    }

    pub(super) fn park(&self, sid: u128) {
        let table = self.lock();
        let outbox = table.held.get(&sid).and_then(Held::signal);
        if let Some(outbox) = outbox.and_then(|signal| signal.outbox()) {
            outbox.park();
        }
    }

    /// Whether the store has all there is of a session.
    pub(super) fn is_handed_over(&self, sid: u128) -> bool {
        let whole = |logical: &mut Logical| {
            logical.is_open && !logical.is_dirty && logical.saved == logical.log.sent()
        };
        self.with(sid, whole).unwrap_or(true)
    }

    /// Every session that waits.
    pub(super) fn waiting(&self) -> Vec<(u128, u32)> {
        let table = self.lock();
        let all = table.waiting.iter();
        all.filter_map(|(_, sid)| Some((*sid, table.held.get(sid)?.generation()?)))
            .collect()
    }
}
