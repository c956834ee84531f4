//! Items that are OTLP already, and whose they are.

use std::fmt;
use std::sync::Arc;

use super::wire;

/// An instrumentation scope as it stands in a request. Clones are equal, two of the same name are
/// not: whoever hands them out keeps one of each.
#[derive(Clone)]
pub(crate) struct Scope(Arc<Vec<u8>>);

impl Scope {
    /// Takes the fields of a `ScopeSpans` or `ScopeLogs` but for its items.
    pub(crate) fn new(head: Vec<u8>) -> Self {
        Self(Arc::new(head))
    }

    /// Whether anybody but the one who asks has it.
    pub(crate) fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// What it weighs in a request, with tag and length.
    pub(super) fn weight(&self) -> usize {
        self.0.len() + 11
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}

/// Items of one scope, one after the other, each a whole field of the scope's message.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) scope: Scope,
    pub(crate) bytes: Vec<u8>,
    pub(crate) items: u64,
}

impl Written {
    pub(super) fn new(scope: Scope) -> Self {
        Self::over(scope, Vec::new())
    }

    /// Empty, with the room of `bytes`.
    pub(super) fn over(scope: Scope, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        let items = 0;
        Self {
            scope,
            bytes,
            items,
        }
    }

    /// The first items that fit, at most `items` of them in at most `bytes`: how many, and where
    /// they end.
    pub(super) fn fitting(&self, items: u64, bytes: usize) -> (u64, usize) {
        let (mut count, mut end) = (0, 0);
        while count < items {
            let next = self.end_of(end, 1);
            if next == end || next > bytes {
                break;
            }
            count += 1;
            end = next;
        }
        (count, end)
    }

    /// Where the next `items` end that begin at `start`.
    pub(super) fn end_of(&self, start: usize, items: u64) -> usize {
        let mut end = start;
        for _ in 0..items {
            match wire::first_field(&self.bytes[end..]) {
                Some(length) => end += length,
                None => break,
            }
        }
        end
    }
}
