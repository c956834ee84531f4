//! Attribute keys, each held once: a sender uses the same few thousands of times.

use std::collections::HashSet;
use std::sync::Arc;

/// Keys beyond these, and longer ones, are held by each attribute for itself. So the table stays under 1 MiB.
const MOST: usize = 4096;
const LONGEST: usize = 128;

/// The keys seen so far.
#[derive(Debug, Default)]
pub(crate) struct Keys(HashSet<Arc<str>>);

impl Keys {
    /// Returns the one allocation of a key.
    pub(super) fn get(&mut self, key: &str) -> Arc<str> {
        if let Some(known) = self.0.get(key) {
            return Arc::clone(known);
        }
        let new: Arc<str> = key.into();
        if self.0.len() < MOST && key.len() <= LONGEST {
            self.0.insert(Arc::clone(&new));
        }
        new
    }
}
