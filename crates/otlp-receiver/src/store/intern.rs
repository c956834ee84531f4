//! Holds equal values once, and counts who uses each.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Values by content, with the number of items that name each.
#[derive(Debug)]
pub(super) struct Interner<T> {
    ids: HashMap<Arc<T>, u64>,
    used: HashMap<u64, Used<T>>,
    /// The value that came last, as the sender's decoder shares one allocation among the items of a request.
    last: Option<(Arc<T>, u64)>,
    next_id: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Used<T> {
    value: Arc<T>,
    bytes: usize,
    users: usize,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            ids: HashMap::new(),
            used: HashMap::new(),
            last: None,
            next_id: 0,
            bytes: 0,
        }
    }
}

impl<T: Eq + Hash> Interner<T> {
    /// Counts one more user of `value`, and replaces it by the one allocation that all users share.
    pub(super) fn hold(&mut self, value: &mut Arc<T>, size: impl Fn(&T) -> usize) -> u64 {
        let known = match &self.last {
            Some((last, id)) if Arc::ptr_eq(last, value) => Some(*id),
            _ => None,
        };
        let id = known.unwrap_or_else(|| {
            let id = self.id_of(value, size);
            self.last = Some((Arc::clone(value), id));
            id
        });
        if let Some(used) = self.used.get_mut(&id) {
            used.users += 1;
            *value = Arc::clone(&used.value);
        }
        id
    }

    fn id_of(&mut self, value: &Arc<T>, size: impl Fn(&T) -> usize) -> u64 {
        if let Some(id) = self.ids.get(value) {
            return *id;
        }
        let (id, bytes) = (self.next_id, size(value) + super::ENTRY_BYTES);
        self.next_id += 1;
        self.bytes += bytes;
        self.ids.insert(Arc::clone(value), id);
        let value = Arc::clone(value);
        self.used.insert(
            id,
            Used {
                value,
                bytes,
                users: 0,
            },
        );
        id
    }

    /// Counts one user less, and forgets the value after its last.
    pub(super) fn release(&mut self, id: u64) {
        let Some(used) = self.used.get_mut(&id) else {
            return;
        };
        used.users -= 1;
        if used.users == 0 {
            if let Some(used) = self.used.remove(&id) {
                self.bytes -= used.bytes;
                self.ids.remove(&used.value);
            }
            self.last.take_if(|(_, last)| *last == id);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
