//! Rooms: who they are, and opening one.

use serde::{Deserialize, Serialize};

use super::query::Query;
use super::{Store, StoreError, now};
use crate::words::RoomName;

/// How many rooms a server keeps.
pub const MAX_ROOMS: i64 = 200;

/// A room.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Room {
    /// What stands in its address.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// When it was opened, in milliseconds of Unix time.
    pub created_at: i64,
}

type Row = (String, String, i64);

impl From<Row> for Room {
    fn from((id, name, created_at): Row) -> Self {
        Self {
            id,
            name,
            created_at,
        }
    }
}

/// Why a room was not opened, when the database is fine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotOpened {
    /// Another room has this name.
    NameTaken,
    /// There are as many rooms as a server keeps.
    TooMany,
}

impl Store {
    /// Returns every room, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rooms(&self) -> Result<Vec<Room>, StoreError> {
        const LIST: Query = Query {
            summary: "SELECT rooms",
            operation: "SELECT",
            collection: "rooms",
        };
        let mut connection = self.connection().await?;
        let query =
            sqlx::query_as("SELECT id, name, created_at FROM rooms ORDER BY created_at, id");
        let rows: Vec<Row> = LIST
            .run(&self.durations, query.fetch_all(&mut *connection))
            .await?;
        Ok(rows.into_iter().map(Room::from).collect())
    }

    /// Returns one room, if there is one of this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn room(&self, id: &str) -> Result<Option<Room>, StoreError> {
        const ONE: Query = Query {
            summary: "SELECT rooms",
            operation: "SELECT",
            collection: "rooms",
        };
        let mut connection = self.connection().await?;
        let query = sqlx::query_as("SELECT id, name, created_at FROM rooms WHERE id = $1").bind(id);
        let row: Option<Row> = ONE
            .run(&self.durations, query.fetch_optional(&mut *connection))
            .await?;
        Ok(row.map(Room::from))
    }

    /// Opens a room called `name`.
    ///
    /// # Errors
    /// When the database fails. A name that is taken, or one room too many, is the inner error.
    pub async fn open_room(&self, name: &RoomName) -> Result<Result<Room, NotOpened>, StoreError> {
        const COUNT: Query = Query {
            summary: "SELECT rooms",
            operation: "SELECT",
            collection: "rooms",
        };
        const INSERT: Query = Query {
            summary: "INSERT rooms",
            operation: "INSERT",
            collection: "rooms",
        };
        let mut connection = self.connection().await?;
        let query = sqlx::query_as("SELECT count(*) FROM rooms");
        let (count,): (i64,) = COUNT
            .run(&self.durations, query.fetch_one(&mut *connection))
            .await?;
        if count >= MAX_ROOMS {
            return Ok(Err(NotOpened::TooMany));
        }
        let query = sqlx::query_as(
            "INSERT INTO rooms (id, name, created_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO NOTHING RETURNING id, name, created_at",
        )
        .bind(format!("{:012x}", fastrand::u64(..1 << 48)))
        .bind(name.as_str())
        .bind(now());
        let row: Option<Row> = INSERT
            .run(&self.durations, query.fetch_optional(&mut *connection))
            .await?;
        Ok(row.map(Room::from).ok_or(NotOpened::NameTaken))
    }
}
