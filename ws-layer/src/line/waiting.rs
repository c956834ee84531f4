//! A session between two connections: it waits, goes on with another one, or is over.

use std::sync::Arc;

use super::{Birth, Signal};
use crate::Cause;
use crate::ledger::Outcome;
use crate::mark::Mark;
use crate::resume::logical::Debt;
use crate::resume::store::{Before, Detached};

impl Signal {
    /// A signal without a connection, for a session that is to wait.
    pub(crate) fn parked(of: &Self) -> Self {
        let (id, connect) = (of.id(), of.connect);
        let parent = None;
        let birth = Birth {
            id,
            connect,
            parent,
        };
        Self::new(of.series.clone(), of.decide, birth)
    }

    /// Counts the loss of a connection that was left open when the store could not be asked, if
    /// that is ours by what the store had.
    pub(crate) fn settle(&self, before: Before) {
        self.take_debt().settle(Some(before), &self.series);
    }

    pub(crate) fn take_debt(&self) -> Debt {
        let debt = self.logical(|logical| std::mem::take(&mut logical.debt));
        debt.unwrap_or_default()
    }

    /// The connection is gone and the session waits. Says since when, and how many messages are
    /// not decided.
    pub(crate) fn detach(&self, cause: Cause, counted: bool) -> Option<(u64, u32)> {
        let mut slot = self.lock();
        slot.waker = None;
        let flow = slot.flow.as_mut()?;
        flow.writer = None;
        let pending = flow.ledger.pending();
        let logical = flow.logical.as_mut()?;
        let at = logical.heard;
        logical.detached = Some(Detached { at, cause, counted });
        logical.touch();
        drop(slot);
        if let Some(outbox) = self.outbox() {
            outbox.park();
        }
        Some((at, pending))
    }

    /// The session is over. Says its last span, and how many messages this decided.
    pub(crate) fn end_held(&self, outcome: Outcome) -> (Mark, u32) {
        if let Some(outbox) = self.outbox() {
            outbox.end();
        }
        let mut slot = self.lock();
        let Some(flow) = slot.flow.as_mut() else {
            return (Mark::default(), 0);
        };
        let pending = flow.ledger.pending();
        let logical = flow.logical.take();
        flow.end_as(outcome);
        flow.ledger.tell(&self.series);
        drop(slot);
        (
            logical.map_or(Mark::default(), |logical| logical.mark),
            pending,
        )
    }

    /// The session goes on at another node, with what the store was given.
    pub(crate) fn end_moved(&self) {
        self.end_held(Outcome::Moved);
    }
}

/// Moves a session from one connection to the next.
pub(crate) fn hand_over(from: &Signal, to: &Arc<Signal>) {
    match from.outbox() {
        Some(outbox) => outbox.rebind(from, to),
        None => swap(from, to),
    }
}

/// The same where nobody can push meanwhile.
pub(crate) fn swap(from: &Signal, to: &Signal) {
    let flow = from.lock().flow.take();
    if let Some(mut flow) = flow {
        flow.writer = None;
        to.lock().flow = Some(flow);
    }
}
