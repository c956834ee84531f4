//! What can go wrong with the database, as its callers need to know it.

use std::fmt;

use sqlx::migrate::MigrateError;

/// A query or the opening of the database failed.
#[derive(Debug)]
pub struct StoreError(Kind);

#[derive(Debug)]
enum Kind {
    Query(sqlx::Error),
    Migration(Box<MigrateError>),
    Io(std::io::Error),
}

/// SQLite's primary result codes (`SQLITE_BUSY`, `SQLITE_LOCKED`).
const BUSY: [i32; 2] = [5, 6];

impl StoreError {
    /// Whether it would probably work a moment later: the database was locked, or every
    /// connection was in use.
    pub fn is_busy(&self) -> bool {
        matches!(self.class(), "busy" | "pool_timeout")
    }

    /// The class of the error, from a closed set: the value of `error.type`.
    pub fn class(&self) -> &'static str {
        match &self.0 {
            Kind::Query(error) => class(error),
            Kind::Migration(_) => "migration",
            Kind::Io(_) => "io",
        }
    }
}

/// The class of a query's error.
pub(super) fn class(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::PoolTimedOut => "pool_timeout",
        sqlx::Error::PoolClosed => "pool_closed",
        sqlx::Error::Io(_) => "io",
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok());
            // The low byte of an extended result code is the primary one.
            match code.map(|code| code & 0xff) {
                Some(code) if BUSY.contains(&code) => "busy",
                _ => "database",
            }
        }
        _ => campanile::semconv::value::OTHER,
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self(Kind::Query(error))
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        Self(Kind::Migration(Box::new(error)))
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self(Kind::Io(error))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Query(sqlx::Error::Database(error)) => f.write_str(error.message()),
            Kind::Query(sqlx::Error::PoolTimedOut) => {
                f.write_str("every database connection was in use")
            }
            Kind::Query(error) => error.fmt(f),
            Kind::Migration(error) => error.fmt(f),
            Kind::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {}
