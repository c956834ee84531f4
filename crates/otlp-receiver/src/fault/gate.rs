//! A gate that requests wait at until the test lets them through.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

/// Holds requests until the test lets them through. Clones are the same gate.
///
/// It starts closed.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    permits: Semaphore,
    waiting: watch::Sender<usize>,
}

impl Gate {
    /// Makes a closed gate.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            permits: Semaphore::new(0),
            waiting: watch::Sender::new(0),
        }))
    }

    /// Lets `count` pass, now or when they come.
    pub fn let_through(&self, count: usize) {
        self.0.permits.add_permits(count);
    }

    /// Lets all pass, for good.
    pub fn open(&self) {
        self.0.permits.close();
    }

    /// Counts who waits.
    pub fn waiting(&self) -> usize {
        *self.0.waiting.borrow()
    }

    /// Waits until at least `count` wait at the gate.
    pub async fn wait_for_waiting(&self, count: usize) {
        let mut waiting = self.0.waiting.subscribe();
        // The sender lives as long as the gate, so this cannot fail.
        let _ = waiting.wait_for(|waiting| *waiting >= count).await;
    }

    pub(crate) async fn pass(&self) {
        let _waiting = Waiting::new(&self.0.waiting);
        if let Ok(permit) = self.0.permits.acquire().await {
            permit.forget();
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts one waiter, also when the sender gives up while it waits.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
