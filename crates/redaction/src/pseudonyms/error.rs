//! Why keys cannot be used. No message holds any of a key.

use std::fmt;
use std::io;

use super::{KEY, KEY_FILE};

/// Keys of pseudonyms that cannot be read. It names where they stand and how to mend them, and
/// never a key.
#[derive(Debug)]
pub struct PseudonymKeyError {
    message: String,
    unreadable: bool,
}

impl PseudonymKeyError {
    /// Whether the file could not be read, rather than what stands in it.
    pub fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    fn new(message: String) -> Self {
        Self {
            message,
            unreadable: false,
        }
    }

    pub(super) fn both() -> Self {
        Self::new(format!(
            "{KEY} and {KEY_FILE} are both set: unset one of them"
        ))
    }

    pub(super) fn unreadable(path: &str, error: &io::Error) -> Self {
        Self {
            message: format!("cannot read the file {path:?} that {KEY_FILE} names: {error}"),
            unreadable: true,
        }
    }

    pub(super) fn line(source: &str, line: usize, what: &str) -> Self {
        Self::new(format!(
            "invalid pseudonym key in line {line} of {source}: {what}"
        ))
    }

    pub(super) fn empty(source: &str) -> Self {
        Self::new(format!(
            "no pseudonym key in {source}: write `k1:` and what `openssl rand -base64 32` prints"
        ))
    }
}

impl fmt::Display for PseudonymKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PseudonymKeyError {}
