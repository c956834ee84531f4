//! What is the same for everything from one place in the source, worked out once for each thread.

use std::rc::Rc;

use tracing::Metadata;

/// Places that a thread keeps. One whose slot another took is worked out again.
const SLOTS: usize = 128;

/// One place.
#[derive(Debug)]
struct Site<T> {
    layer: u64,
    metadata: &'static Metadata<'static>,
    known: Rc<T>,
}

/// What a thread knows of places, for whichever layers it works.
#[derive(Debug)]
pub(super) struct Sites<T>(Vec<Option<Site<T>>>);

impl<T> Sites<T> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// What `layer` knows about the place, worked out if need be.
    pub(super) fn find(
        &mut self,
        layer: u64,
        metadata: &'static Metadata<'static>,
        work_out: impl FnOnce() -> T,
    ) -> Rc<T> {
        if self.0.is_empty() {
            self.0.resize_with(SLOTS, || None);
        }
        let address = std::ptr::from_ref(metadata).addr();
        // What the lowest bits say is the same for all.
        let slot = ((address >> 4) ^ (address >> 11) ^ layer as usize) % SLOTS;
        match &self.0[slot] {
            Some(site) if site.layer == layer && std::ptr::eq(site.metadata, metadata) => {
                site.known.clone()
            }
            _ => {
                let known = Rc::new(work_out());
                self.0[slot] = Some(Site {
                    layer,
                    metadata,
                    known: known.clone(),
                });
                known
            }
        }
    }
}
