//! Room in which values become text.

use std::cell::RefCell;
use std::fmt::{self, Write};

thread_local! {
    static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A thread keeps this much.
const KEPT: usize = 4 << 10;

/// Formats a value, and shows it to `use_it`. Whatever the value's own code does meanwhile, such as
/// logging, finds room of its own.
pub(super) fn with(value: fmt::Arguments<'_>, use_it: impl FnOnce(&str)) {
    if let Some(text) = value.as_str() {
        return use_it(text);
    }
    let mut text = TEXT.try_with(RefCell::take).unwrap_or_default();
    text.clear();
    // A `Display` that fails half-way leaves what it had written.
    let _ = text.write_fmt(value);
    use_it(&text);
    if text.capacity() <= KEPT {
        let _ = TEXT.try_with(|kept| kept.replace(text));
    }
}
