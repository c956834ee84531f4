//! The store of a single node, and the measure of every other.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Adopted, Answer, Beat, Before, Claim, Claimed, Detached, End, NodeId, Note, Opened, Record,
    Save, Saved, SessionStore, Taken,
};
use crate::Cause;
use crate::resume::replay::{Logged, Seq};

/// Sessions in the memory of this process. Cheap to clone; clones are the same store, so that tests
/// can give it to several nodes.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    sessions: HashMap<u128, Kept>,
    nodes: HashMap<NodeId, Node>,
    /// Sessions that have ended lately, with their last generation, and until when that is known.
    ended: HashMap<u128, (u32, u64)>,
    endings: VecDeque<(u64, u128)>,
    /// The latest time that was told.
    now: u64,
}

struct Kept {
    record: Record,
    entries: VecDeque<Logged>,
}

#[derive(Default)]
struct Node {
    lease_until: u64,
    notes: Vec<Note>,
}

/// For how long it is known that a session has ended, in milliseconds.
const REMEMBERED: u64 = 5 * 60_000;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many sessions it has.
    pub fn sessions(&self) -> usize {
        self.lock().sessions.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn claimed(sid: u128, generation: u32, yours: bool) -> Note {
    Note::Claimed {
        sid,
        generation,
        yours,
    }
}

fn ready<'a, T: Send + 'a>(answer: T) -> Answer<'a, T> {
    Box::pin(std::future::ready(Ok(answer)))
}

impl Inner {
    fn lives(&self, node: NodeId, now: u64) -> bool {
        let known = self.nodes.get(&node);
        known.is_some_and(|node| node.lease_until >= now)
    }

    fn tell(&mut self, node: NodeId, note: Note) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.notes.push(note);
        }
    }

    /// Forgets which sessions have ended long ago.
    fn pass(&mut self, now: u64) {
        self.now = self.now.max(now);
        while let Some((until, sid)) = self.endings.front().copied() {
            if until >= self.now {
                return;
            }
            self.endings.pop_front();
            // It may have gone on, and ended again.
            if self.ended.get(&sid).is_some_and(|(_, last)| *last <= until) {
                self.ended.remove(&sid);
            }
        }
    }

    fn open(&mut self, record: &Record) -> Opened {
        let (sid, generation) = (record.sid, record.generation);
        let is_at_or_after = |other: u32| Seq(other).since(Seq(generation)).is_some();
        let ended = self.ended.get(&sid).map(|(last, _)| *last);
        if ended.is_some_and(is_at_or_after) {
            return Opened::Elsewhere;
        }
        let mut was = ended.map_or(Before::Nothing, |_| Before::Ended);
        if let Some(old) = self.sessions.get(&sid).map(|kept| &kept.record) {
            let (before, holder) = (old.generation, old.node);
            let is_same = before == generation;
            if !is_same && is_at_or_after(before) {
                return Opened::Later;
            }
            was = Before::Own;
            if holder != record.node {
                if is_same && old.detached.is_none_or(|detached| detached.counted) {
                    return Opened::Elsewhere;
                }
                let counted = old.is_counted();
                self.tell(holder, claimed(sid, generation, counted));
                was = Before::Others { counted };
            }
        }
        let kept = Kept {
            record: record.clone(),
            entries: VecDeque::new(),
        };
        self.sessions.insert(sid, kept);
        Opened::Kept(was)
    }

    fn save(&mut self, save: &Save) -> Saved {
        let kept = self.sessions.get_mut(&save.sid);
        let holds = |kept: &&mut Kept| {
            kept.record.generation == save.generation && kept.record.node == save.node
        };
        let Some(kept) = kept.filter(holds) else {
            return Saved::Fenced;
        };
        let record = &mut kept.record;
        if save.confirmed {
            record.good = record.generation;
        }
        record.heard = save.heard;
        record.sent = save.sent;
        record.acked = save.acked;
        record.mark = save.mark.unwrap_or(record.mark);
        record.complete = save.complete;
        record.detached = save.detached;
        // A batch whose answer was lost comes again.
        let last = kept.entries.back().map(|last| last.seq);
        let is_new = |entry: &&Logged| last.is_none_or(|last| last.since(entry.seq).is_none());
        let fresh = save.entries.iter().filter(is_new);
        kept.entries.extend(fresh.cloned());
        let is_over = |first: &Logged| {
            save.acked.since(first.seq).is_some() || save.base.since(first.seq).is_some()
        };
        while kept.entries.front().is_some_and(is_over) {
            kept.entries.pop_front();
        }
        Saved::Kept
    }

    fn claim(&mut self, claim: Claim) -> Claimed {
        let Some(kept) = self.sessions.get(&claim.sid) else {
            return Claimed::Unknown;
        };
        let record = &kept.record;
        if record.is_over(claim.now) {
            return Claimed::Expired;
        }
        match record.takes(claim.generation) {
            Some(true) => {}
            Some(false) => return Claimed::Replayed(Box::new(record.clone())),
            None => return Claimed::Unknown,
        }
        let holder = record.node;
        let elsewhere = holder != claim.node;
        let open = record.detached.is_none() && elsewhere && self.lives(holder, claim.now);
        if open && !claim.force {
            self.tell(holder, Note::Release(claim.sid));
            return Claimed::Open(holder);
        }
        let Some(kept) = self.sessions.get_mut(&claim.sid) else {
            return Claimed::Unknown;
        };
        let before = kept.record.clone();
        let record = &mut kept.record;
        record.generation = record.generation.wrapping_add(1);
        // The client has this token; the welcome with the next one may never arrive.
        record.good = claim.generation;
        record.node = claim.node;
        record.complete = false;
        record.detached = None;
        record.heard = claim.now;
        let generation = record.generation;
        let entries = kept.entries.iter().cloned().collect();
        if elsewhere {
            self.tell(holder, claimed(claim.sid, generation, before.is_counted()));
        }
        Claimed::Taken(Box::new(Taken {
            before,
            generation,
            entries,
        }))
    }

    fn end(&mut self, end: End) -> Option<Before> {
        let End {
            sid, generation, ..
        } = end;
        let is_later = |other: u32| Seq(generation).since(Seq(other)).is_none();
        let ended = self.ended.get(&sid).map(|(last, _)| *last);
        let kept = self.sessions.get(&sid).map(|kept| &kept.record);
        let last = kept.map(|old| old.generation).or(ended);
        if last.is_some_and(is_later) {
            return None;
        }
        let mut was = ended.map_or(Before::Nothing, |_| Before::Ended);
        if let Some(old) = kept {
            let holder = old.node;
            was = Before::Own;
            if holder != end.node {
                let closes = end.closes || old.generation != generation;
                let counted = old.is_counted() && closes;
                let note = Note::Ended {
                    sid,
                    generation,
                    yours: counted,
                };
                self.tell(holder, note);
                was = Before::Others { counted };
            }
        }
        self.sessions.remove(&sid);
        let until = self.now.saturating_add(REMEMBERED);
        self.ended.insert(sid, (generation, until));
        self.endings.push_back((until, sid));
        Some(was)
    }

    fn adopt(&mut self, node: NodeId, now: u64, max: usize) -> Vec<Adopted> {
        let nodes = &self.nodes;
        let gone = |holder: NodeId| {
            let known = nodes.get(&holder);
            holder != node && known.is_none_or(|holder| holder.lease_until < now)
        };
        let orphans = self.sessions.values_mut();
        let orphans = orphans.filter(|kept| gone(kept.record.node)).take(max);
        let adopt = |kept: &mut Kept| {
            let record = &mut kept.record;
            let was_attached = record.detached.is_none();
            record.node = node;
            record.detached.get_or_insert(Detached {
                at: record.heard,
                cause: Cause::Network,
                counted: false,
            });
            Adopted {
                record: record.clone(),
                was_attached,
            }
        };
        orphans.map(adopt).collect()
    }
}

impl SessionStore for MemoryStore {
    fn open<'a>(&'a self, record: &'a Record) -> Answer<'a, Opened> {
        ready(self.lock().open(record))
    }

    fn save<'a>(&'a self, batch: &'a [Save]) -> Answer<'a, Vec<Saved>> {
        let mut inner = self.lock();
        ready(batch.iter().map(|save| inner.save(save)).collect())
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        ready(self.lock().claim(claim))
    }

    fn end(&self, end: End) -> Answer<'_, Option<Before>> {
        ready(self.lock().end(end))
    }

    fn beat(&self, node: NodeId, now: u64, lease: u64) -> Answer<'_, Beat> {
        let mut inner = self.lock();
        inner.pass(now);
        let lapsed = !inner.lives(node, now);
        let node = inner.nodes.entry(node).or_default();
        node.lease_until = now.saturating_add(lease);
        let notes = std::mem::take(&mut node.notes);
        ready(Beat { notes, lapsed })
    }

    fn adopt(&self, node: NodeId, now: u64, max: usize) -> Answer<'_, Vec<Adopted>> {
        ready(self.lock().adopt(node, now, max))
    }

    fn leave(&self, node: NodeId) -> Answer<'_, ()> {
        self.lock().nodes.remove(&node);
        ready(())
    }

    fn outlives(&self, node: NodeId) -> bool {
        self.lock().nodes.keys().any(|other| *other != node)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions = self.sessions();
        f.debug_struct("MemoryStore")
            .field("sessions", &sessions)
            .finish()
    }
}
