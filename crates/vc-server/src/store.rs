//! Rooms and messages in embedded SQLite.
//!
//! Readers and one writer work side by side (write-ahead log). Whoever waits longer than
//! [`PATIENCE`], for a connection or for the writer's lock, is told so instead of waiting on: a
//! database in trouble must not hold every request.

mod error;
mod messages;
mod query;
mod rooms;
mod scratch;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::Meter;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlSafeStr, Sqlite, SqlitePool};

pub use self::error::StoreError;
pub use self::messages::{Message, Window};
pub use self::rooms::{MAX_ROOMS, NotOpened, Room};
use self::scratch::Scratch;

/// How long a query waits for a connection, and for another writer: 2 s.
pub const PATIENCE: Duration = Duration::from_secs(2);

const CONNECTIONS: u32 = 4;

/// Rooms and messages. Clones share one pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    path: PathBuf,
    durations: query::Durations,
    /// Keeps the temporary directory until the last clone goes.
    scratch: Option<Arc<Scratch>>,
}

impl Store {
    /// Opens the database at `path`, and makes it when it is missing.
    ///
    /// # Errors
    /// When the file cannot be opened or written, or is no database of this server.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::connect(path.to_owned(), None).await
    }

    /// Opens an empty database in a temporary directory, which goes with the last clone.
    ///
    /// # Errors
    /// When the temporary directory cannot be written.
    pub async fn temporary() -> Result<Self, StoreError> {
        let scratch = Scratch::new()?;
        Self::connect(scratch.path().join("chat.sqlite"), Some(Arc::new(scratch))).await
    }

    /// Measures from now on how long each query takes (`db.client.operation.duration`).
    #[must_use]
    pub fn with_meter(mut self, meter: &Meter) -> Self {
        self.durations = query::Durations::of(meter);
        self
    }

    /// Returns where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the database goes when the server does.
    pub fn is_temporary(&self) -> bool {
        self.scratch.is_some()
    }

    /// Closes every connection, and writes the log back into the database.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn connect(path: PathBuf, scratch: Option<Arc<Scratch>>) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await?;
        migrations().run(&pool).await?;
        Ok(Self {
            pool,
            path,
            durations: query::Durations::default(),
            scratch,
        })
    }

    async fn connection(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        match self.pool.try_acquire() {
            Some(connection) => Ok(connection),
            None => query::wait_for(self.pool.acquire()).await,
        }
    }
}

fn migrations() -> Migrator {
    Migrator::with_migrations(vec![Migration::new(
        1,
        "rooms and messages".into(),
        MigrationType::Simple,
        include_str!("../migrations/0001_rooms_and_messages.sql").into_sql_str(),
        false,
    )])
}

/// Now, as milliseconds of Unix time.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
