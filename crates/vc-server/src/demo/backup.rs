//! A careless backup: now and then it holds the database's write lock for too long.
//!
//! Whoever sends a message meanwhile waits for it; when it outlasts the patience of the store, the
//! message is refused. Readers notice nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::watch;

use super::{pause, until_stopped};
use crate::store::PATIENCE;

pub(super) async fn run(path: PathBuf, mut stop: watch::Receiver<bool>) {
    until_stopped(&mut stop, async {
        // A backup that cannot open the database has nothing to hold up.
        let _ = keep_backing_up(&path).await;
    })
    .await;
}

async fn keep_backing_up(path: &Path) -> sqlx::Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(PATIENCE)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    pause(6.0, 10.0).await;
    loop {
        for _ in 0..3 {
            hold(
                &mut connection,
                Duration::from_millis(fastrand::u64(600..1_400)),
            )
            .await?;
            pause(12.0, 24.0).await;
        }
        hold(&mut connection, PATIENCE + Duration::from_millis(600)).await?;
        pause(20.0, 30.0).await;
    }
}

async fn hold(connection: &mut SqliteConnection, time: Duration) -> sqlx::Result<()> {
    let lock = connection.begin_with("BEGIN IMMEDIATE").await?;
    tokio::time::sleep(time).await;
    lock.rollback().await
}
