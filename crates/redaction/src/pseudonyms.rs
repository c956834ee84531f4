//! Ids that can be compared but not read: a keyed hash in place of a user's id.
//!
//! The same value under the same key gives the same pseudonym, in every service that has the key;
//! without it nobody can tell whose it is, nor try all values there are. Each pseudonym names its
//! key, so that keys can be exchanged: old pseudonyms are still found while their key is kept.

mod error;
mod keys;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub use self::error::PseudonymKeyError;
use self::keys::Key;

/// The variable that holds keys.
pub(crate) const KEY: &str = "CAMPANILE_PSEUDONYM_KEY";
/// The variable that names a file with keys.
pub(crate) const KEY_FILE: &str = "CAMPANILE_PSEUDONYM_KEY_FILE";

/// Of the hash so much is kept: 128 bits, so that no two ids meet.
const BYTES: usize = 16;

/// RFC 4648, section 6, in small letters and without padding.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Makes pseudonyms: HMAC-SHA-256, cut to 128 bits, with the id of its key in front.
///
/// Keys are written `id:base64`, one a line, at least 16 bytes each; the first one is used, the
/// others are only compared with. Empty lines and those that begin with `#` count for nothing. To
/// exchange a key, put a new line on top, and remove the old one when nobody asks for it any more.
///
/// ```
/// use campanile_redaction::Pseudonyms;
///
/// # fn main() -> Result<(), campanile_redaction::PseudonymKeyError> {
/// let pseudonyms = Pseudonyms::from_keys("k1:MDEyMzQ1Njc4OWFiY2RlZg==")?;
/// let id = pseudonyms.of("user 42");
/// assert!(id.starts_with("k1:"));
/// assert!(pseudonyms.matches(&id, "user 42"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Pseudonyms(Arc<Inner>);

struct Inner {
    /// Never empty; the first one is current.
    keys: Vec<Key>,
    temporary: bool,
}

impl Pseudonyms {
    /// Reads `CAMPANILE_PSEUDONYM_KEY`, or the file that `CAMPANILE_PSEUDONYM_KEY_FILE` names.
    ///
    /// With neither of them the key is [temporary](Self::temporary).
    ///
    /// # Errors
    /// When both are set, the file cannot be read, or a key is not written as it must be.
    pub fn from_env() -> Result<Self, PseudonymKeyError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), reading variables with `get`.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, PseudonymKeyError> {
        let set = |name| get(name).filter(|value| !value.trim().is_empty());
        match (set(KEY), set(KEY_FILE)) {
            (Some(_), Some(_)) => Err(PseudonymKeyError::both()),
            (Some(keys), None) => Self::read(&keys, KEY),
            (None, Some(path)) => {
                let keys = std::fs::read_to_string(path.trim())
                    .map_err(|error| PseudonymKeyError::unreadable(&path, &error))?;
                Self::read(&keys, &format!("the file {path:?} of {KEY_FILE}"))
            }
            (None, None) => Ok(Self::temporary()),
        }
    }

    /// Reads keys from a text. See [the type](Self) for how they are written.
    ///
    /// # Errors
    /// When there is none, or one is not written as it must be.
    pub fn from_keys(keys: &str) -> Result<Self, PseudonymKeyError> {
        Self::read(keys, "the keys")
    }

    /// A random key that ends with this process: pseudonyms can be compared within it, and with
    /// nothing else.
    pub fn temporary() -> Self {
        Self(Arc::new(Inner {
            keys: vec![Key::random()],
            temporary: true,
        }))
    }

    fn read(text: &str, source: &str) -> Result<Self, PseudonymKeyError> {
        Ok(Self(Arc::new(Inner {
            keys: keys::read(text, source)?,
            temporary: false,
        })))
    }

    /// Whether no key was given, so that pseudonyms end with the process. Worth a warning.
    pub fn is_temporary(&self) -> bool {
        self.0.temporary
    }

    /// The pseudonym of `value`: `k1:` and 26 letters and digits.
    pub fn of(&self, value: &str) -> String {
        // `keys` is never empty: reading none is an error.
        self.0
            .keys
            .first()
            .map_or_else(String::new, |key| key.pseudonym(value))
    }

    /// Whether `pseudonym` is that of `value`, under the key that it names; false without that key.
    pub fn matches(&self, pseudonym: &str, value: &str) -> bool {
        let named = pseudonym.split_once(':').map(|(id, _)| id);
        let key = self.0.keys.iter().find(|key| Some(key.id()) == named);
        key.is_some_and(|key| key.pseudonym(value) == pseudonym)
    }
}

impl Key {
    fn pseudonym(&self, value: &str) -> String {
        let mut mac = self.mac().clone();
        mac.update(value.as_bytes());
        let hash = mac.finalize().into_bytes();
        let mut out = format!("{}:", self.id());
        base32(&hash[..BYTES], &mut out);
        out
    }
}

fn base32(bytes: &[u8], out: &mut String) {
    let (mut bits, mut held) = (0_u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            out.push(char::from(BASE32[(bits >> held & 31) as usize]));
        }
    }
    if held > 0 {
        out.push(char::from(BASE32[(bits << (5 - held) & 31) as usize]));
    }
}

/// A keyed hash, ready for a value.
type Prepared = Hmac<Sha256>;

/// HMAC takes keys of any length.
fn prepared(key: &[u8]) -> Option<Prepared> {
    Prepared::new_from_slice(key).ok()
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.0.keys.iter().map(Key::id).collect();
        f.debug_struct("Pseudonyms")
            .field("keys", &ids)
            .field("temporary", &self.0.temporary)
            .finish()
    }
}
