//! The OpenTelemetry context of each `tracing` span, by the span's id.
//!
//! Beside the registry, not in its extensions: those box what they hold, and finding them costs
//! more. Room that a burst needed is given back when it is over.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry::Context;
use tracing::span::Id;

/// What a `tracing` span became.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Made {
    /// Nothing: its trace is not kept, and the context is the one around it.
    Nothing,
    /// A span that began a trace in this process, of the general kind.
    Entry,
    /// A span below another, of the quick kind.
    Child,
}

/// A span's context, and what is in it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) context: Context,
    pub(super) made: Made,
}

/// Few spans share a lock, whatever the threads.
const PARTS: usize = 16;

/// Spans that a part holds without a search, one in each place.
const NEAR: usize = 32;

/// A part without others keeps room for this many.
const KEPT: usize = 256;

/// Spans by their ids: each at its place, or among the others where that is taken.
#[derive(Debug, Default)]
struct Part {
    near: [Option<(u64, Held)>; NEAR],
    others: HashMap<u64, Held, BuildHasherDefault<Mix>>,
}

impl Part {
    /// Gives back what was there.
    fn insert(&mut self, id: u64, held: Held) -> Option<Held> {
        match &mut self.near[near(id)] {
            Some((other, _)) if *other != id => self.others.insert(id, held),
            place => place.replace((id, held)).map(|(_, old)| old),
        }
    }

    #[inline]
    fn get(&self, id: u64) -> Option<&Held> {
        match &self.near[near(id)] {
            Some((found, held)) if *found == id => Some(held),
            _ if self.others.is_empty() => None,
            _ => self.others.get(&id),
        }
    }

    fn remove(&mut self, id: u64) -> Option<Held> {
        let place = &mut self.near[near(id)];
        if place.as_ref().is_some_and(|(found, _)| *found == id) {
            return place.take().map(|(_, held)| held);
        }
        if self.others.is_empty() {
            return None;
        }
        let held = self.others.remove(&id);
        if self.others.is_empty() && self.others.capacity() > KEPT {
            self.others = HashMap::default();
        }
        held
    }
}

fn near(id: u64) -> usize {
    (mix(id) >> 40) as usize % NEAR
}

#[derive(Debug, Default)]
pub(super) struct Table([Mutex<Part>; PARTS]);

impl Table {
    fn part(&self, id: &Id) -> MutexGuard<'_, Part> {
        let number = (mix(id.into_u64()) >> 32) as usize % PARTS;
        self.0[number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, id: &Id, held: Held) {
        // What was there is dropped outside the lock: it may end a span.
        let old = self.part(id).insert(id.into_u64(), held);
        drop(old);
    }

    #[inline]
    pub(super) fn get(&self, id: &Id) -> Option<Held> {
        self.part(id).get(id.into_u64()).cloned()
    }

    /// The context alone.
    #[inline]
    pub(super) fn context(&self, id: &Id) -> Option<Context> {
        let part = self.part(id);
        part.get(id.into_u64()).map(|held| held.context.clone())
    }

    pub(super) fn remove(&self, id: &Id) -> Option<Held> {
        self.part(id).remove(id.into_u64())
    }
}

/// Ids are places in a slab: near each other, and never chosen by strangers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mix(u64);

fn mix(id: u64) -> u64 {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = mix(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = mix(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_found_by_its_id_until_it_is_removed_and_a_burst_leaves_no_room_behind() {
        let table = Table::default();
        let held = Held {
            context: Context::new(),
            made: Made::Nothing,
        };
        let ids = || (1..=20_000).map(Id::from_u64);
        for id in ids() {
            table.insert(&id, held.clone());
        }
        assert!(ids().all(|id| table.get(&id).is_some()));
        assert!(ids().all(|id| table.remove(&id).is_some()));
        assert!(ids().all(|id| table.context(&id).is_none()));
        for part in &table.0 {
            let part = part.lock().expect("a lock");
            let room = part.others.capacity();
            assert!(room <= KEPT, "{room}");
        }
    }
}
