//! Each thread's list of its buffers: one for each lane that it ever pushed to.

use std::cell::RefCell;

use super::shard::Shard;
use super::sync::Arc;

struct Local(Vec<(u64, Arc<Shard>)>);

thread_local! {
    static LOCAL: RefCell<Local> = const { RefCell::new(Local(Vec::new())) };
}

/// Calls `with` with this thread's buffer for the lane `id`, made by `register` when there is none
/// yet; none when the thread is ending.
#[inline]
pub(super) fn with<R>(
    id: u64,
    register: impl FnOnce() -> Arc<Shard>,
    with: impl FnOnce(&Arc<Shard>) -> R,
) -> Option<R> {
    let found = LOCAL.try_with(|local| {
        let mut local = local.try_borrow_mut().ok()?;
        let at = match local.0.iter().position(|(of, _)| *of == id) {
            Some(at) => at,
            None => local.add(id, register()),
        };
        let (_, shard) = local.0.get(at)?;
        Some(with(shard))
    });
    found.ok().flatten()
}

impl Local {
    #[cold]
    fn add(&mut self, id: u64, shard: Arc<Shard>) -> usize {
        // of lanes that are gone, nobody else has the buffer
        self.0.retain(|(_, shard)| Arc::strong_count(shard) > 1);
        self.0.push((id, shard));
        self.0.len() - 1
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        for (_, shard) in &self.0 {
            shard.leave();
        }
    }
}
