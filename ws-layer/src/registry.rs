//! Who is open, and when each is asked for a sign of life: 16 bytes a session.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use crate::clock::age;
use crate::line::Signal;
use crate::mark::Mark;

#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: Vec<Option<Arc<Signal>>>,
    free: Vec<u32>,
    beats: BinaryHeap<Beat>,
    /// The parents of sessions' spans, by place: most have none.
    parents: HashMap<u32, Mark>,
}

impl Registry {
    /// `parent` is that of the session's spans.
    pub(crate) fn enter(&mut self, signal: &Arc<Signal>, parent: Option<Mark>) {
        let place = self.free.pop().unwrap_or_else(|| {
            if self.slots.len() == self.slots.capacity() {
                self.slots.reserve_exact(room(self.slots.len()));
            }
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(slot) = self.slots.get_mut(place as usize) {
            signal.set_place(Some(place));
            *slot = Some(signal.clone());
            self.parents.extend(parent.map(|parent| (place, parent)));
        }
    }

    /// Whether the session was here.
    pub(crate) fn leave(&mut self, signal: &Signal) -> bool {
        let Some(place) = signal.place() else {
            return false;
        };
        signal.set_place(None);
        self.free.push(place);
        self.parents.remove(&place);
        self.slots[place as usize].take().is_some()
    }

    pub(crate) fn parent(&self, signal: &Signal) -> Option<Mark> {
        self.parents.get(&signal.place()?).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Signal>> {
        self.slots.iter().flatten()
    }

    /// The session's next heartbeat is due at `at`.
    pub(crate) fn schedule(&mut self, signal: &Signal, at: u32) {
        if let Some(place) = signal.place() {
            signal.set_next_beat(at);
            if self.beats.len() == self.beats.capacity() {
                self.beats.reserve_exact(room(self.beats.len()));
            }
            self.beats.push(Beat { at, place });
        }
    }

    /// When the next heartbeat is due, of a session that may be gone.
    pub(crate) fn next_beat(&self) -> Option<u32> {
        self.beats.peek().map(|beat| beat.at)
    }

    /// Tells every session whose heartbeat is due, and sets its next one.
    pub(crate) fn beat(&mut self, now: u32, interval: u32) {
        while let Some(Beat { at, place }) = self.beats.peek().copied() {
            if at != now && age(now, at) == 0 {
                return;
            }
            self.beats.pop();
            let held = self.slots[place as usize].clone();
            // The place may have been left, and taken by another since.
            if let Some(signal) = held.filter(|signal| signal.next_beat() == at) {
                signal.beat();
                let next = at.wrapping_add(interval);
                let is_ahead = next != now && age(now, next) == 0;
                let late = now.wrapping_add(interval);
                self.schedule(&signal, if is_ahead { next } else { late });
            }
        }
    }
}

/// For how many more there is made room: an eighth, as doubling would leave half of it empty.
fn room(len: usize) -> usize {
    (len / 8).max(16)
}

/// A heartbeat that is due. The earliest is the greatest, as a heap gives the greatest.
#[derive(Clone, Copy, Debug)]
struct Beat {
    at: u32,
    place: u32,
}

impl Ord for Beat {
    /// Times wrap; no two here are further apart than an interval, which is far below that.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.wrapping_sub(self.at).cast_signed().cmp(&0)
    }
}

impl PartialOrd for Beat {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Beat {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Beat {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Birth;
    use crate::probe::Probe;
    use crate::{Role, Sessions, Stage};

    fn signal() -> Arc<Signal> {
        let sessions = Sessions::new(&Probe::new().handle());
        let birth = Birth {
            id: 1,
            connect: Mark::default(),
            parent: None,
        };
        let series = sessions.series("live", Role::Server);
        Arc::new(Signal::new(series, Stage::Flush, birth))
    }

    #[test]
    fn a_place_is_used_again_and_its_old_heartbeat_is_not() {
        let (mut registry, first, second) = (Registry::default(), signal(), signal());
        registry.enter(&first, None);
        registry.schedule(&first, 10);
        assert!(registry.leave(&first) && !registry.leave(&first));
        registry.enter(&second, None);
        assert_eq!((registry.len(), second.place()), (1, Some(0)));
        registry.schedule(&second, 20);
        registry.beat(15, 100);
        assert!(!second.take_beat());
        registry.beat(20, 100);
        assert!(second.take_beat() && !first.take_beat());
        assert_eq!(registry.next_beat(), Some(120));
    }

    #[test]
    fn the_earliest_heartbeat_comes_first_across_the_wrap_of_time() {
        let (mut registry, signals) = (Registry::default(), [signal(), signal(), signal()]);
        for (signal, at) in signals.iter().zip([3, u32::MAX - 5, 40]) {
            registry.enter(signal, None);
            registry.schedule(signal, at);
        }
        assert_eq!(registry.next_beat(), Some(u32::MAX - 5));
        registry.beat(5, 1_000);
        assert!(signals[0].take_beat() && signals[1].take_beat() && !signals[2].take_beat());
        assert_eq!(registry.next_beat(), Some(40));
    }

    #[test]
    fn a_late_ticker_asks_once_for_each_session() {
        let (mut registry, signal) = (Registry::default(), signal());
        registry.enter(&signal, None);
        registry.schedule(&signal, 10);
        registry.beat(1_000, 100);
        assert!(signal.take_beat());
        assert_eq!(registry.next_beat(), Some(1_100));
    }
}
