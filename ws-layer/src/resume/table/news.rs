//! What the store is to be told, and what it was told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Held, Hub, Standing};
use crate::endpoint::Series;
use crate::resume::logical::{Debt, Logical};
use crate::resume::store::{Before, Detached, End, Record, Save};

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

    /// The store has the session by this record, and had this of it before.
    pub(crate) fn opened(&self, record: &Record, before: Before) {
        let mut table = self.lock();
        let Some(held) = table.held.get_mut(&record.sid) else {
            return;
        };
        if held.generation() != Some(record.generation) {
            return;
        }
        if let Some(signal) = held.signal() {
            signal.settle(before);
            signal.logical(|logical| {
                logical.is_open = true;
                logical.is_known = true;
            });
        }
        held.told(record.detached);
    }

    /// A session is over.
    pub(crate) fn end_of(&self, (sid, generation): (u128, u32)) -> End {
        let table = self.lock();
        let held = table.held.get(&sid);
        let held = held.filter(|held| held.generation() == Some(generation));
        End {
            sid,
            generation,
            node: self.node,
            closes: held.is_none_or(Held::is_counted),
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

    /// The store has it now.
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
        if saved == Some(true) {
            held.told(save.detached);
        }
    }

    pub(super) fn gone(&self) -> MutexGuard<'_, HashMap<u128, Gone>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sessions that are over, and of which the store is to know.
    pub(crate) fn to_forget(&self) -> Vec<End> {
        let end = |(sid, gone): (&u128, &Gone)| End {
            sid: *sid,
            generation: gone.generation,
            node: self.node,
            closes: gone.debt == Debt::End,
        };
        self.gone().iter().map(end).collect()
    }

    /// The store knows that a session is over, and had this of it.
    pub(crate) fn forgotten(&self, sid: u128, before: Option<Before>) {
        let gone = self.gone().remove(&sid);
        if let Some(gone) = gone {
            gone.debt.settle(before, &gone.series);
        }
    }

    /// Whether a session is over of which the store does not know that yet.
    pub(crate) fn is_gone(&self, sid: u128) -> bool {
        self.gone().contains_key(&sid)
    }

    /// A session is over.
    pub(crate) fn forget(&self, series: &Arc<Series>, (sid, generation): (u128, u32), debt: Debt) {
        let new = Gone {
            generation,
            debt,
            series: series.clone(),
        };
        let mut gone = self.gone();
        // While the store fails they gather; its own clock ends them.
        if gone.len() < self.settings.detached && !self.has_left() {
            gone.insert(sid, new);
        } else {
            debt.settle(Some(Before::Own), series);
        }
        drop(gone);
        self.work.notify_one();
    }
}

impl Held {
    /// The store knows what became of the connection. If that is that the session waits for its
    /// client, it has been given to nobody else before, so it is ours to count.
    fn told(&mut self, detached: Option<Detached>) {
        if let Self::Detached(away) = self
            && away.standing != Standing::Counted
            && detached.is_some_and(|detached| detached.counted)
        {
            away.count();
        }
    }
}

/// A session that is over, of which the store does not know that.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) generation: u32,
    pub(super) debt: Debt,
    pub(super) series: Arc<Series>,
}
