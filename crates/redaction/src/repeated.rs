//! Places that say the same again and again.

/// Longer texts are not kept.
const LONGEST: usize = 128;

/// A place whose text differs so often is one that says something else each time.
const MOST_MISSES: u8 = 16;

/// What a place in the source said last, and what was made of it.
///
/// Most messages are the same text each time. One in which [`Redactor`](crate::Redactor) found
/// nothing need not be searched again by the same redactor, nor escaped or encoded again.
///
/// ```
/// use campanile_redaction::{Redactor, Repeated};
/// use std::borrow::Cow;
///
/// let redactor = Redactor::standard();
/// let mut last = Repeated::default();
/// let mut quoted = |text: &str| {
///     if let Some(made) = last.find(text) {
///         return made.to_vec();
///     }
///     let clean = redactor.text(text);
///     let made = format!("\"{clean}\"").into_bytes();
///     if matches!(clean, Cow::Borrowed(_)) {
///         last.keep(text, &made);
///     }
///     made
/// };
/// assert_eq!(quoted("stored"), quoted("stored"));
/// assert_eq!(quoted("password=hunter2"), b"\"password=REDACTED\"");
/// ```
#[derive(Debug, Default)]
pub struct Repeated {
    text: Vec<u8>,
    made: Vec<u8>,
    misses: u8,
}

impl Repeated {
    /// What was made of this text, if it was the last one.
    #[inline]
    pub fn find(&self, text: &str) -> Option<&[u8]> {
        // an empty text is never kept
        (self.text == text.as_bytes() && !text.is_empty()).then_some(&self.made)
    }

    /// Keeps what was made of this text, unless it is long or the texts are hardly ever the same.
    pub fn keep(&mut self, text: &str, made: &[u8]) {
        if text.len() > LONGEST || self.misses == MOST_MISSES {
            return;
        }
        self.misses += 1;
        self.text.clear();
        self.text.extend_from_slice(text.as_bytes());
        self.made.clear();
        self.made.extend_from_slice(made);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_text_is_found() {
        let mut last = Repeated::default();
        assert_eq!(last.find(""), None);
        last.keep("stored", b"made");
        assert_eq!(last.find("stored"), Some(&b"made"[..]));
        assert_eq!(last.find("store"), None);
        assert_eq!(last.find("stores"), None);
        assert_eq!(last.find(""), None);
        last.keep("", b"nothing");
        assert_eq!(last.find(""), None);
        last.keep(&"x".repeat(LONGEST + 1), b"long");
        assert_eq!(last.find(&"x".repeat(LONGEST + 1)), None);
    }

    #[test]
    fn a_place_that_never_repeats_itself_is_given_up() {
        let mut last = Repeated::default();
        for number in 0..100 {
            last.keep(&number.to_string(), b"made");
        }
        assert_eq!(last.find("99"), None);
        assert_eq!(last.find("15"), Some(&b"made"[..]));
    }
}
