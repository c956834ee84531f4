//! Waiting for what nothing announces: look, wait a moment, look again. The one place where a test
//! may sleep until something happens; where there is an event to wait for, that is better.

#![allow(unreachable_pub, reason = "tests of other crates include this file")]

use std::fmt::Display;
use std::time::Duration;

/// Far above what anything takes, as only a failure waits that long.
pub const HANG: Duration = Duration::from_secs(60);

/// What `look` finds, as soon as it finds something.
///
/// # Panics
///
/// After `most`, with `what` it waited for.
pub async fn until<F, T>(most: Duration, what: impl Display, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let looking = async {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    };
    let found = tokio::time::timeout(most, looking).await;
    found.unwrap_or_else(|_| panic!("not within {most:?}: {what}"))
}
