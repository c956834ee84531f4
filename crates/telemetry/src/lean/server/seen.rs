//! Texts that were searched for secrets before and held none.
//!
//! Host and user agent are the same for all requests of a connection, and few for most services.
//! Comparing a text with one that is known to be clean costs a twentieth of searching it. What is
//! kept is bounded by number and length, and by the thread's life.

use std::cell::RefCell;

use campanile_redaction::Redactor;

use crate::lean::values::Values;

/// How many texts a thread keeps.
const TEXTS: usize = 32;

/// Longer texts are searched each time.
const MAX_LENGTH: usize = 256;

/// A clean text, and by whose rules.
struct Seen {
    redactor: Redactor,
    text: String,
}

thread_local! {
    static SEEN: RefCell<[Option<Seen>; TEXTS]> = const { RefCell::new([const { None }; TEXTS]) };
}

/// Where a text is kept, in place of whatever else belongs there.
#[inline]
fn place(text: &[u8]) -> usize {
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let mixed = word(text.first_chunk()) ^ word(text.last_chunk()).rotate_left(21);
    let mixed = (mixed ^ text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 59) as usize % TEXTS
}

/// Whether this very text was found clean by these rules.
#[inline]
pub(super) fn is_clean(values: &Values, text: &str) -> bool {
    let known = SEEN.try_with(|seen| {
        let seen = seen.try_borrow().ok()?;
        let known = seen[place(text.as_bytes())].as_ref()?;
        Some(known.text == text && known.redactor.is_same(&values.redactor))
    });
    known.ok().flatten().unwrap_or(false)
}

/// Notes that a text is clean by these rules.
#[cold]
pub(super) fn keep(values: &Values, text: &str) {
    if text.len() > MAX_LENGTH {
        return;
    }
    let _ = SEEN.try_with(|seen| {
        if let Ok(mut seen) = seen.try_borrow_mut() {
            seen[place(text.as_bytes())] = Some(Seen {
                redactor: values.redactor.clone(),
                text: text.to_owned(),
            });
        }
    });
}
