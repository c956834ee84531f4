//! What the store is to be told, and what it was told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Hub;
use crate::resume::logical::Logical;
use crate::resume::store::{Record, Save};

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

    pub(crate) fn opened(&self, sid: u128, generation: u32) {
        self.with(sid, |logical| {
            logical.is_open |= logical.generation == generation;
        });
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

    /// The store has it now.
    pub(crate) fn is_saved(&self, save: &Save) {
        self.with(save.sid, |logical| {
            let last = save.entries.last().map(|last| last.seq);
            if let Some(last) = last.filter(|_| logical.generation == save.generation) {
                logical.saved = last;
            }
        });
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
