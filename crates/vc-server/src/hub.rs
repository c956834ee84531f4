//! Everyone who listens: what happens is told to all of them, and who looks at a room is counted.
//!
//! A listener is a session, not a connection: what happens while its connection is lost waits for
//! its return. One that reads too slowly, or stays away for too long, misses events and is told how
//! many, so that it can ask for what it missed; nobody waits for it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws;
use campanile::ws::{Outbox, Outgoing, Pushed};
use serde::Serialize;

use crate::store::{Message, Room};

/// Something that happened, as live connections read it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    /// A message was stored.
    Message {
        /// The message.
        message: &'a Message,
        /// What its sender called it, so that the sender knows it again.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
    },
    /// A room was opened.
    Room {
        /// The room.
        room: &'a Room,
    },
    /// Somebody came to look at a room, or went.
    Here {
        /// The room's id.
        room: &'a str,
        /// How many look at it now.
        count: usize,
    },
    /// Somebody writes.
    Typing {
        /// The room's id.
        room: &'a str,
        /// Who it is.
        author: &'a str,
    },
}

impl Event<'_> {
    /// Events of which only the last is of interest share a key.
    fn key(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        match self {
            Self::Message { .. } | Self::Room { .. } => return None,
            Self::Here { room, .. } => room.hash(&mut hasher),
            Self::Typing { room, author } => (room, author).hash(&mut hasher),
        }
        Some(hasher.finish())
    }
}

/// A listener was too slow, or away for too long.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "missed")]
struct Missed {
    count: u64,
}

/// Everyone who listens. Clones are the same hub.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    listeners: Arc<Mutex<Listeners<Listener>>>,
    /// How many look at each room. Its keys are the rooms there are.
    here: Arc<Mutex<HashMap<String, usize>>>,
}

impl Hub {
    /// Creates a hub for these rooms.
    pub(crate) fn new<'a>(rooms: impl IntoIterator<Item = &'a Room>) -> Self {
        let here = rooms.into_iter().map(|room| (room.id.clone(), 0)).collect();
        Self {
            listeners: Arc::default(),
            here: Arc::new(Mutex::new(here)),
        }
    }

    /// Tells everyone, and returns how many that are.
    pub(crate) fn tell(&self, event: &Event<'_>) -> usize {
        let Ok(text) = serde_json::to_string(event) else {
            return 0;
        };
        let mut outgoing = Outgoing::new(ws::Message::Text(text.into()));
        if let Some(key) = event.key() {
            outgoing = outgoing.supersede(key);
        }
        let mut listeners = lock(&self.listeners);
        let mut told = 0;
        listeners.by_session.retain(|_, listener| {
            let Listener { outbox, missed } = listener;
            let pushed = tell(missed, &outgoing, |outgoing| outbox.push(outgoing));
            told += usize::from(pushed == Some(true));
            pushed.is_some()
        });
        told
    }

    /// Adds a room, and tells everyone.
    pub(crate) fn add_room(&self, room: &Room) {
        lock(&self.here).entry(room.id.clone()).or_default();
        self.tell(&Event::Room { room });
    }

    /// Returns how many look at the room now.
    pub(crate) fn here(&self, room: &str) -> usize {
        lock(&self.here).get(room).copied().unwrap_or(0)
    }

    /// A session listens, from now on until it ends.
    pub(crate) fn listen(&self, session: String, outbox: Outbox<ws::Message>) {
        let missed = 0;
        let listener = Listener { outbox, missed };
        lock(&self.listeners).enter(session, listener, |known| known.outbox.is_ended());
    }

    /// Somebody came, and looks at no room yet.
    pub(crate) fn enter(&self) -> Presence {
        Presence {
            hub: self.clone(),
            room: None,
        }
    }

    /// Counts one more or one less, and tells everyone. Returns whether there is such a room.
    fn count(&self, room: &str, change: isize) -> bool {
        // Told before the next one counts, so that the last that is told is how many there are.
        let mut here = lock(&self.here);
        let Some(count) = here.get_mut(room) else {
            return false;
        };
        *count = count.saturating_add_signed(change);
        let count = *count;
        self.tell(&Event::Here { room, count });
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever listens, by the id of their session.
#[derive(Debug)]
struct Listeners<T> {
    by_session: HashMap<String, T>,
    /// With so many it is time to look who has ended: while nothing happens, nobody else does.
    look_at: usize,
}

impl<T> Listeners<T> {
    fn enter(&mut self, session: String, listener: T, has_ended: impl Fn(&T) -> bool) {
        if self.by_session.len() >= self.look_at {
            self.by_session.retain(|_, known| !has_ended(known));
            self.look_at = Self::default().look_at.max(2 * self.by_session.len());
        }
        // A session that came back listens already; what it has missed is still to be told.
        self.by_session.entry(session).or_insert(listener);
    }
}

impl<T> Default for Listeners<T> {
    fn default() -> Self {
        Self {
            by_session: HashMap::new(),
            look_at: 64,
        }
    }
}

/// Who is told.
#[derive(Debug)]
struct Listener {
    outbox: Outbox<ws::Message>,
    missed: u64,
}

/// Tells one listener: first what it has missed, if there is room again. `None` when it has ended.
fn tell(
    missed: &mut u64,
    outgoing: &Outgoing<ws::Message>,
    push: impl Fn(Outgoing<ws::Message>) -> Pushed,
) -> Option<bool> {
    if *missed > 0 {
        let text = serde_json::to_string(&Missed { count: *missed }).ok()?;
        match push(ws::Message::Text(text.into()).into()) {
            Pushed::Queued | Pushed::Superseded => *missed = 0,
            Pushed::Ended => return None,
            _ => {}
        }
    }
    match push(outgoing.clone()) {
        Pushed::Queued | Pushed::Superseded => Some(true),
        Pushed::Ended => None,
        _ => {
            *missed += 1;
            Some(false)
        }
    }
}

/// One connection's place in the hub. Dropping it leaves.
#[derive(Debug)]
pub(crate) struct Presence {
    hub: Hub,
    room: Option<String>,
}

impl Presence {
    /// Looks at a room instead of the one before. Returns whether there is such a room.
    pub(crate) fn look_at(&mut self, room: &str) -> bool {
        if self.room.as_deref() == Some(room) {
            return true;
        }
        let exists = self.hub.count(room, 1);
        if exists && let Some(before) = self.room.replace(room.to_owned()) {
            self.hub.count(&before, -1);
        }
        exists
    }

    /// Returns the room that is looked at.
    pub(crate) fn room(&self) -> Option<&str> {
        self.room.as_deref()
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some(room) = self.room.take() {
            self.hub.count(&room, -1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn room(id: &str) -> Room {
        Room {
            id: id.to_owned(),
            name: id.to_owned(),
            created_at: 0,
        }
    }

    #[test]
    fn who_looks_at_a_room_is_counted_until_dropped() {
        let hub = Hub::new(&[room("a"), room("b")]);
        let mut presence = hub.enter();
        assert!(presence.look_at("a") && presence.look_at("a"));
        assert_eq!((hub.here("a"), hub.here("b")), (1, 0));
        assert!(presence.look_at("b"));
        assert_eq!((hub.here("a"), hub.here("b")), (0, 1));
        drop(presence);
        assert_eq!(hub.here("b"), 0);
    }

    #[test]
    fn a_room_that_does_not_exist_is_not_looked_at() {
        let hub = Hub::new(&[room("a")]);
        let mut presence = hub.enter();
        presence.look_at("a");
        assert!(!presence.look_at("nowhere"));
        assert_eq!((presence.room(), hub.here("a")), (Some("a"), 1));
    }

    #[test]
    fn who_has_ended_is_forgotten_though_nothing_happens() {
        let mut listeners = Listeners::default();
        for at in 0..10_000 {
            let has_ended = at >= 100;
            listeners.enter(at.to_string(), has_ended, |ended| *ended);
            assert!(listeners.by_session.len() <= 200);
        }
        let here = listeners.by_session.values().filter(|ended| !**ended);
        assert_eq!(here.count(), 100);
    }

    #[test]
    fn a_slow_listener_is_told_how_many_events_it_missed_when_there_is_room_again() {
        let event = Outgoing::new(ws::Message::text("event"));
        let mut missed = 0;
        for _ in 0..3 {
            assert_eq!(tell(&mut missed, &event, |_| Pushed::Dropped), Some(false));
        }
        assert_eq!(missed, 3);
        let pushes = Cell::new(0);
        let count = |_| {
            pushes.set(pushes.get() + 1);
            Pushed::Queued
        };
        assert_eq!(tell(&mut missed, &event, count), Some(true));
        assert_eq!((missed, pushes.get()), (0, 2), "the count goes first");
        assert_eq!(tell(&mut missed, &event, |_| Pushed::Ended), None);
    }
}
