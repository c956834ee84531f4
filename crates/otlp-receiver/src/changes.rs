//! Wakes whoever waits for something new.

use tokio::sync::watch;

/// A subscription to what a [`Receiver`](crate::Receiver) stores.
///
/// It remembers what it has seen: items that arrive between two calls of [`changed`](Self::changed) make the second
/// return at once. Many items may wake it once.
#[derive(Clone, Debug)]
pub struct Changes {
    seen: watch::Receiver<u64>,
}

impl Changes {
    pub(crate) fn new(seen: watch::Receiver<u64>) -> Self {
        Self { seen }
    }

    /// Waits until something was stored since the last call (since the subscription, for the first).
    ///
    /// Returns the sequence number of the newest item, or none once the receiver was shut down and its last handle
    /// dropped. Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Option<u64> {
        self.seen.changed().await.ok()?;
        Some(*self.seen.borrow_and_update())
    }
}
