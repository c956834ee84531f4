//! What the store is to be told, and what it was told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Held, Hub, Standing};
use crate::resume::logical::Logical;
use crate::resume::store::{End, Record, Save};

impl Hub {
    /// A session has news for the store.
    pub(crate) fn touched(&self, sid: u128) {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        dirty.push(sid);
        drop(dirty);
        self.work.notify_one();
    }

    pub(crate) fn take_dirty(&self) -> Vec<u128> {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *dirty)
    }

    /// Sessions whose save failed: they are tried again at the next beat.
    pub(crate) fn unsaved(&self, sids: impl IntoIterator<Item = u128>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.extend(sids);
    }

    pub(crate) fn retry(&self) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = std::mem::take(&mut *failed);
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        dirty.extend(failed);
    }

    /// Whether nothing waits to be told.
    pub(super) fn is_all_told(&self) -> bool {
        let is_empty = |sids: &Mutex<Vec<u128>>| {
            let sids = sids.lock().unwrap_or_else(PoisonError::into_inner);
            sids.is_empty()
        };
        is_empty(&self.dirty) && is_empty(&self.failed)
    }

    /// Whether the store has the session, as far as is known.
    pub(crate) fn is_open(&self, sid: u128) -> bool {
        self.with(sid, |logical| logical.is_open).unwrap_or(true)
    }

    /// The record of a session that the store does not have yet.
    pub(crate) fn unopened(&self, sid: u128) -> Option<Record> {
        let record = |logical: &mut Logical| (!logical.is_open).then(|| logical.record());
        self.with(sid, record).flatten()
    }

    /// The store has the session. If it was ours before, nobody else has counted that it lost its
    /// connection when the store could not be asked.
    pub(crate) fn opened(&self, (sid, generation): (u128, u32), was_ours: bool) {
        let table = self.lock();
        let Some(signal) = table.held.get(&sid).and_then(Held::signal) else {
            return;
        };
        let is_it = signal.generation() == Some(generation);
        if is_it && was_ours {
            signal.settle_debt();
        }
        signal.logical(|logical| {
            logical.is_open |= is_it;
            logical.is_known |= is_it;
            logical.is_owed &= !is_it;
        });
    }

    /// A session is over that was held here.
    pub(crate) fn end_of(&self, (sid, generation): (u128, u32)) -> End {
        End {
            sid,
            generation,
            node: self.node,
            counted: true,
        }
    }

    /// The store has lost the session, or has it at a later generation: the record to find out.
    pub(crate) fn reopened(&self, sid: u128, generation: u32) -> Option<Record> {
        let record = |logical: &mut Logical| {
            if logical.generation != generation {
                return None;
            }
            logical.is_open = false;
            logical.saved = logical.log.base();
            Some(logical.record())
        };
        self.with(sid, record).flatten()
    }

    /// What the store is to be told of a session.
    pub(crate) fn news(&self, sid: u128) -> Option<Save> {
        let save = |logical: &mut Logical| logical.is_open.then(|| logical.save());
        self.with(sid, save).flatten()
    }

    /// The store has it now. If it says that the session waits for its client, it has been given to
    /// nobody else before, so that is ours to count.
    pub(crate) fn is_saved(&self, save: &Save) {
        let mut table = self.lock();
        let Some(held) = table.held.get_mut(&save.sid) else {
            return;
        };
        let saved = held.signal().and_then(|signal| {
            signal.logical(|logical| {
                let is_it = logical.generation == save.generation;
                if let Some(last) = save.entries.last().filter(|_| is_it) {
                    logical.saved = last.seq;
                }
                is_it
            })
        });
        let counts = save.detached.is_some_and(|detached| detached.counted);
        if let Held::Detached(away) = held
            && away.standing != Standing::Counted
            && saved == Some(true)
            && counts
        {
            away.count();
        }
    }

    pub(super) fn gone(&self) -> MutexGuard<'_, HashMap<u128, u32>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sessions that are over, and of which the store is to know.
    pub(crate) fn to_forget(&self) -> Vec<(u128, u32)> {
        self.gone().iter().map(|(sid, at)| (*sid, *at)).collect()
    }

    /// The store knows that a session is over.
    pub(crate) fn forgotten(&self, sid: u128) {
        self.gone().remove(&sid);
    }

    /// Whether a session is over of which the store does not know that yet.
    pub(crate) fn is_gone(&self, sid: u128) -> bool {
        self.gone().contains_key(&sid)
    }

    /// A session is over.
    pub(crate) fn forget(&self, sid: u128, generation: u32) {
        let mut gone = self.gone();
        // While the store fails they gather; its own clock ends them.
        if gone.len() < self.settings.detached {
            gone.insert(sid, generation);
        }
        drop(gone);
        self.work.notify_one();
    }
}
