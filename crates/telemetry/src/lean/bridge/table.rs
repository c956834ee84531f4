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

/// A part that is empty keeps room for this many.
const KEPT: usize = 256;

type Part = HashMap<u64, Held, BuildHasherDefault<Mix>>;

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
        self.part(id).get(&id.into_u64()).cloned()
    }

    /// The context alone.
    #[inline]
    pub(super) fn context(&self, id: &Id) -> Option<Context> {
        let part = self.part(id);
        part.get(&id.into_u64()).map(|held| held.context.clone())
    }

    pub(super) fn remove(&self, id: &Id) -> Option<Held> {
        let mut part = self.part(id);
        let held = part.remove(&id.into_u64());
        if part.is_empty() && part.capacity() > KEPT {
            *part = Part::default();
        }
        held
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
            assert!(part.capacity() <= KEPT, "{}", part.capacity());
        }
    }
}
