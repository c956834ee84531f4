//! Everyone who is connected now: what happens is told to all of them, and counted by room.
//!
//! One channel serves the whole server. A socket that reads too slowly misses the oldest events and
//! is told how many, so that it can ask for what it missed; nobody waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::store::{Message, Room};

/// How many events a slow socket may fall behind before it misses the oldest.
const BACKLOG: usize = 1024;

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

/// Everyone who is connected now. Clones are the same hub.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    events: broadcast::Sender<Utf8Bytes>,
    /// How many look at each room. Its keys are the rooms there are.
    here: Arc<Mutex<HashMap<String, usize>>>,
}

impl Hub {
    /// Creates a hub for these rooms.
    pub(crate) fn new<'a>(rooms: impl IntoIterator<Item = &'a Room>) -> Self {
        let here = rooms.into_iter().map(|room| (room.id.clone(), 0)).collect();
        Self {
            events: broadcast::Sender::new(BACKLOG),
            here: Arc::new(Mutex::new(here)),
        }
    }

    /// Tells everyone, and returns how many that are.
    pub(crate) fn tell(&self, event: &Event<'_>) -> usize {
        let Ok(text) = serde_json::to_string(event) else {
            return 0;
        };
        self.events.send(text.into()).unwrap_or(0)
    }

    /// Adds a room, and tells everyone.
    pub(crate) fn add_room(&self, room: &Room) {
        self.rooms().entry(room.id.clone()).or_default();
        self.tell(&Event::Room { room });
    }

    /// Returns how many look at the room now.
    pub(crate) fn here(&self, room: &str) -> usize {
        self.rooms().get(room).copied().unwrap_or(0)
    }

    /// Joins: from now on everything told can be read.
    pub(crate) fn join(&self) -> Presence {
        Presence {
            events: self.events.subscribe(),
            hub: self.clone(),
            room: None,
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more or one less, and tells everyone. Returns whether there is such a room.
    fn count(&self, room: &str, change: isize) -> bool {
        let count = self.rooms().get_mut(room).map(|count| {
            *count = count.saturating_add_signed(change);
            *count
        });
        if let Some(count) = count {
            self.tell(&Event::Here { room, count });
        }
        count.is_some()
    }
}

/// One connection's place in the hub. Dropping it leaves.
#[derive(Debug)]
pub(crate) struct Presence {
    events: broadcast::Receiver<Utf8Bytes>,
    hub: Hub,
    room: Option<String>,
}

/// What a connection reads next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// An event, as JSON.
    Event(Utf8Bytes),
    /// So many events were missed: the connection was too slow.
    Missed(u64),
}

impl Presence {
    /// Waits for the next event. May be cancelled without losing one.
    pub(crate) async fn next(&mut self) -> Option<Next> {
        match self.events.recv().await {
            Ok(event) => Some(Next::Event(event)),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Next::Missed(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

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
    use super::*;

    fn room(id: &str) -> Room {
        Room {
            id: id.to_owned(),
            name: id.to_owned(),
            created_at: 0,
        }
    }

    #[tokio::test]
    async fn who_looks_at_a_room_is_counted_until_dropped() {
        let hub = Hub::new(&[room("a"), room("b")]);
        let mut presence = hub.join();
        assert!(presence.look_at("a") && presence.look_at("a"));
        assert_eq!((hub.here("a"), hub.here("b")), (1, 0));
        assert!(presence.look_at("b"));
        assert_eq!((hub.here("a"), hub.here("b")), (0, 1));
        drop(presence);
        assert_eq!(hub.here("b"), 0);
    }

    #[tokio::test]
    async fn a_room_that_does_not_exist_is_not_looked_at() {
        let hub = Hub::new(&[room("a")]);
        let mut presence = hub.join();
        presence.look_at("a");
        assert!(!presence.look_at("nowhere"));
        assert_eq!((presence.room(), hub.here("a")), (Some("a"), 1));
    }

    #[tokio::test]
    async fn a_slow_connection_is_told_how_many_events_it_missed() {
        let hub = Hub::new(&[room("a")]);
        let mut presence = hub.join();
        for _ in 0..BACKLOG + 3 {
            hub.tell(&Event::Typing {
                room: "a",
                author: "Ines",
            });
        }
        assert_eq!(presence.next().await, Some(Next::Missed(3)));
        assert!(matches!(presence.next().await, Some(Next::Event(_))));
    }
}
