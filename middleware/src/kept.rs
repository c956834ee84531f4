//! Where an exchange under way is kept: in a box that is used again and again.
//!
//! The exchange moves from a future into a body, and both are moved by whoever wraps them. A
//! pointer is cheaper to move than what it leads to, and a used box cheaper to get than a new one.

use std::cell::RefCell;

use crate::observe::Watched;

/// How many empty boxes a thread keeps.
const SPARE: usize = 64;

thread_local! {
    #[expect(clippy::vec_box, reason = "it is the boxes that are wanted")]
    static BOXES: RefCell<Vec<Box<Option<Watched>>>> = const { RefCell::new(Vec::new()) };
}

/// An exchange under way, or none. Dropping it ends the exchange.
#[derive(Debug, Default)]
pub(crate) struct Kept(Option<Box<Option<Watched>>>);

impl Kept {
    /// Keeps what `watch` begins. The box comes first, so that what comes after goes right into it.
    #[inline]
    pub(crate) fn new(watch: impl FnOnce() -> Watched) -> Self {
        let spare = BOXES.try_with(|boxes| boxes.try_borrow_mut().ok()?.pop());
        let mut kept = spare.ok().flatten().unwrap_or_default();
        *kept = Some(watch());
        Self(Some(kept))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self) -> Option<&mut Watched> {
        self.0.as_mut()?.as_mut().as_mut()
    }
}

impl Drop for Kept {
    #[inline]
    fn drop(&mut self) {
        let Some(mut kept) = self.0.take() else {
            return;
        };
        // nothing of this exchange stays behind, and its end may begin and end another
        *kept = None;
        let _ = BOXES.try_with(|boxes| {
            if let Ok(mut boxes) = boxes.try_borrow_mut()
                && boxes.len() < SPARE
            {
                boxes.push(kept);
            }
        });
    }
}
