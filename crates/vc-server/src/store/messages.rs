//! Messages: writing one, and reading them a window at a time.

use serde::{Deserialize, Serialize};

use super::query::Query;
use super::{Store, StoreError, now};
use crate::words::{PersonName, Text};

/// A message as it was stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Message {
    /// Grows with each message of the server.
    pub id: i64,
    /// The id of its room.
    pub room: String,
    /// The name its author gave.
    pub author: String,
    /// What was said, as it was said: hostile text until proven otherwise.
    pub text: String,
    /// When it was stored, in milliseconds of Unix time.
    pub sent_at: i64,
}

type Row = (i64, String, String, String, i64);

impl From<Row> for Message {
    fn from((id, room, author, text, sent_at): Row) -> Self {
        Self {
            id,
            room,
            author,
            text,
            sent_at,
        }
    }
}

/// Which messages of a room to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Window {
    /// The newest ones.
    Newest,
    /// The newest ones that are older than this id.
    Before(i64),
    /// The oldest ones that are newer than this id.
    After(i64),
}

const SELECT: Query = Query {
    summary: "SELECT messages",
    operation: "SELECT",
    collection: "messages",
};

impl Store {
    /// Stores a message, and returns it; `None` when there is no such room.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_message(
        &self,
        room: &str,
        author: &PersonName,
        text: &Text,
    ) -> Result<Option<Message>, StoreError> {
        const INSERT: Query = Query {
            summary: "INSERT messages",
            operation: "INSERT",
            collection: "messages",
        };
        let mut connection = self.connection().await?;
        let query = sqlx::query_as(
            "INSERT INTO messages (room_id, author, text, sent_at) \
             SELECT id, $2, $3, $4 FROM rooms WHERE id = $1 \
             RETURNING id, room_id, author, text, sent_at",
        )
        .bind(room)
        .bind(author.as_str())
        .bind(text.as_str())
        .bind(now());
        let row: Option<Row> = INSERT
            .run(&self.durations, query.fetch_optional(&mut *connection))
            .await?;
        Ok(row.map(Message::from))
    }

    /// Returns one message of a room, if there is one of this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn message(&self, room: &str, id: i64) -> Result<Option<Message>, StoreError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_as(
            "SELECT id, room_id, author, text, sent_at FROM messages WHERE room_id = $1 AND id = $2",
        )
        .bind(room)
        .bind(id);
        let row: Option<Row> = SELECT
            .run(&self.durations, query.fetch_optional(&mut *connection))
            .await?;
        Ok(row.map(Message::from))
    }

    /// Returns at most `limit` messages of a room, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn messages(
        &self,
        room: &str,
        window: Window,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let (text, edge) = match window {
            Window::Newest => (BEFORE, i64::MAX),
            Window::Before(id) => (BEFORE, id),
            Window::After(id) => (AFTER, id),
        };
        let mut connection = self.connection().await?;
        let query = sqlx::query_as(text).bind(room).bind(edge).bind(limit);
        let mut rows: Vec<Row> = SELECT
            .run(&self.durations, query.fetch_all(&mut *connection))
            .await?;
        rows.sort_unstable_by_key(|row| row.0);
        Ok(rows.into_iter().map(Message::from).collect())
    }
}

const BEFORE: &str = "SELECT id, room_id, author, text, sent_at FROM messages \
     WHERE room_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";

const AFTER: &str = "SELECT id, room_id, author, text, sent_at FROM messages \
     WHERE room_id = $1 AND id > $2 ORDER BY id LIMIT $3";
