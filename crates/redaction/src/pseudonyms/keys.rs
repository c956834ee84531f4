//! Keys: as they are written, and random ones.

use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::{Prepared, PseudonymKeyError, base32, prepared};

const SHORTEST: usize = 16;
const LONGEST_ID: usize = 16;

/// A key with its name; the key itself is already inside the hash, and is not kept.
pub(super) struct Key {
    id: String,
    mac: Prepared,
}

impl Key {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn mac(&self) -> &Prepared {
        &self.mac
    }

    /// A key that nobody else has; its id differs from process to process too.
    pub(super) fn random() -> Self {
        let mut bytes = [0; 36];
        if getrandom::fill(&mut bytes).is_err() {
            // Never seen on a running system; the hasher's keys come from the same source, earlier.
            for (index, chunk) in bytes.chunks_mut(8).enumerate() {
                let number = RandomState::new().hash_one(index).to_le_bytes();
                chunk.copy_from_slice(&number[..chunk.len()]);
            }
        }
        let (key, id) = bytes.split_at(32);
        let mut name = "tmp-".to_owned();
        base32(id, &mut name);
        Self {
            id: name,
            mac: prepared(key).unwrap_or_else(|| unreachable!("HMAC takes keys of any length")),
        }
    }
}

/// Reads `id:base64` lines; `source` says in errors where they come from.
pub(super) fn read(text: &str, source: &str) -> Result<Vec<Key>, PseudonymKeyError> {
    let mut keys: Vec<Key> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| PseudonymKeyError::line(source, index + 1, what);
        let (id, key) = line
            .split_once(':')
            .ok_or_else(|| wrong("expected `id:base64`"))?;
        if !is_id(id) {
            return Err(wrong(
                "expected before the colon an id of 1 to 16 letters, digits, `-` or `_`",
            ));
        }
        if keys.iter().any(|other| other.id == id) {
            return Err(wrong("its id is there twice: give each key its own"));
        }
        let bytes = STANDARD
            .decode(key.trim())
            .or_else(|_| STANDARD_NO_PAD.decode(key.trim()))
            .map_err(|_| {
                wrong("expected base64 behind the colon, as `openssl rand -base64 32` prints it")
            })?;
        if bytes.len() < SHORTEST {
            return Err(wrong(
                "the key has less than 16 bytes: make one with `openssl rand -base64 32`",
            ));
        }
        let mac = prepared(&bytes).ok_or_else(|| wrong("the key cannot be used"))?;
        keys.push(Key {
            id: id.to_owned(),
            mac,
        });
    }
    match keys.is_empty() {
        true => Err(PseudonymKeyError::empty(source)),
        false => Ok(keys),
    }
}

fn is_id(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
