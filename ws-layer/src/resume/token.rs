//! The resume token: what a client brings to show that it is the same as before.
//!
//! 81 bytes, as 108 characters of base64url. Verified without any lookup, so that junk costs a
//! microsecond; whatever a client sends, the answer is a reason from a closed set.
//!
//! | bytes | content |
//! | --- | --- |
//! | 0 | version: 1 |
//! | 1 | key id |
//! | 2 to 17 | session id |
//! | 18 to 21 | generation, big-endian like every number |
//! | 22 to 25 | issued, in seconds since the Unix epoch |
//! | 26 to 29 | expires, likewise |
//! | 30 to 31 | low bits of the node that issued it |
//! | 32 to 39 | keyed hash of the principal |
//! | 40 to 64 | the session's last span: trace id, span id, flags |
//! | 65 to 80 | first half of HMAC-SHA-256 over the bytes before, then the endpoint's name |

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::store::SpanBytes;

const VERSION: u8 = 1;
const BODY: usize = 65;
const SIZE: usize = BODY + 16;

/// How far clocks may be apart, in seconds.
const SKEW: u32 = 5;

/// How long a token is, in characters.
pub const LENGTH: usize = 108;

/// A secret with an id.
#[derive(Clone)]
pub struct Key {
    id: u8,
    secret: Vec<u8>,
}

impl Key {
    /// A key of at least 32 bytes, the same on every node.
    ///
    /// # Errors
    /// The secret is shorter.
    pub fn new(id: u8, secret: impl Into<Vec<u8>>) -> Result<Self, KeyError> {
        let secret = secret.into();
        if secret.len() < 32 {
            return Err(KeyError(secret.len()));
        }
        Ok(Self { id, secret })
    }

    fn mac(&self) -> Option<Hmac<Sha256>> {
        Hmac::new_from_slice(&self.secret).ok()
    }
}

/// A secret that is too short.
#[derive(Clone, Copy, Debug)]
pub struct KeyError(usize);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "resume key has {} bytes: use at least 32, from a random source",
            self.0
        )
    }
}

impl std::error::Error for KeyError {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The key that signs, and those that are still accepted.
///
/// To rotate: add the new key as accepted on every node, then let it sign, then drop the old one
/// when its last token has expired.
#[derive(Clone, Debug)]
pub struct Keys {
    signing: Key,
    accepted: Vec<Key>,
}

impl Keys {
    /// Signs and verifies with `key`.
    pub fn new(key: Key) -> Self {
        Self {
            signing: key,
            accepted: Vec::new(),
        }
    }

    /// Verifies with `key`, too.
    pub fn accept(mut self, key: Key) -> Self {
        self.accepted.push(key);
        self
    }

    fn find(&self, id: u8) -> Option<&Key> {
        let mut all = std::iter::once(&self.signing).chain(&self.accepted);
        all.find(|key| key.id == id)
    }

    /// The keyed hash of a principal, as records of sessions carry it.
    pub(crate) fn owner(&self, principal: &[u8]) -> [u8; 8] {
        Self::principal(&self.signing, principal).unwrap_or_default()
    }

    /// What [`owner`](Self::owner) says, and said or says of the principal where another of these
    /// keys signs.
    pub(crate) fn owners(&self, principal: &[u8]) -> Vec<[u8; 8]> {
        let all = std::iter::once(&self.signing).chain(&self.accepted);
        all.filter_map(|key| Self::principal(key, principal))
            .collect()
    }

    /// The keyed hash of a principal, as tokens of this key id carry it.
    fn principal(key: &Key, principal: &[u8]) -> Option<[u8; 8]> {
        let hash = Self::hashing(key, principal)?.finalize().into_bytes();
        hash.first_chunk::<8>().copied()
    }

    /// Compares in constant time, as MACs are.
    fn is_principal(key: &Key, principal: &[u8], hash: &[u8; 8]) -> bool {
        let mac = Self::hashing(key, principal);
        mac.is_some_and(|mac| mac.verify_truncated_left(hash).is_ok())
    }

    fn hashing(key: &Key, principal: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = key.mac()?;
        mac.update(b"principal\0");
        mac.update(principal);
        Some(mac)
    }
}

/// What a token says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Token {
    /// The session.
    pub sid: u128,
    /// Its generation.
    pub generation: u32,
    /// When it was issued, in seconds since the Unix epoch.
    pub issued: u32,
    /// When it expires.
    pub expires: u32,
    /// Low bits of the node that issued it: a hint.
    pub node: u16,
    /// The session's last span.
    pub mark: SpanBytes,
}

/// Why a token does not do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// Not a token of ours for this endpoint, or changed on its way.
    Invalid,
    /// It belongs to another principal.
    OtherPrincipal,
    /// Its time is over.
    Expired,
}

impl Token {
    /// Writes the token for a principal of an endpoint.
    pub fn seal(&self, keys: &Keys, principal: &[u8], endpoint: &str) -> Option<String> {
        let key = &keys.signing;
        let mut bytes = [0; SIZE];
        let (body, tag) = bytes.split_at_mut(BODY);
        body[0] = VERSION;
        body[1] = key.id;
        body[2..18].copy_from_slice(&self.sid.to_be_bytes());
        body[18..22].copy_from_slice(&self.generation.to_be_bytes());
        body[22..26].copy_from_slice(&self.issued.to_be_bytes());
        body[26..30].copy_from_slice(&self.expires.to_be_bytes());
        body[30..32].copy_from_slice(&self.node.to_be_bytes());
        body[32..40].copy_from_slice(&Keys::principal(key, principal)?);
        body[40..].copy_from_slice(&self.mark);
        let mut mac = key.mac()?;
        mac.update(body);
        mac.update(endpoint.as_bytes());
        tag.copy_from_slice(mac.finalize().into_bytes().first_chunk::<16>()?);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads and verifies a token at `now`, in seconds since the Unix epoch. Clocks may be 5 s
    /// apart.
    ///
    /// # Errors
    /// Why it does not do. A token that is expired says so only to its own principal.
    pub fn open(
        text: &str,
        keys: &Keys,
        principal: &[u8],
        endpoint: &str,
        now: u32,
    ) -> Result<Self, Refused> {
        let invalid = Refused::Invalid;
        if text.len() != LENGTH {
            return Err(invalid);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid)?;
        let bytes: [u8; SIZE] = bytes.try_into().map_err(|_| invalid)?;
        let (body, tag) = bytes.split_at(BODY);
        let [VERSION, id, ..] = *body else {
            return Err(invalid);
        };
        let key = keys.find(id).ok_or(invalid)?;
        let mut mac = key.mac().ok_or(invalid)?;
        mac.update(body);
        mac.update(endpoint.as_bytes());
        mac.verify_truncated_left(tag).map_err(|_| invalid)?;
        let mut fields = Fields(body.get(2..).unwrap_or_default());
        let token = (|| {
            let sid = u128::from_be_bytes(fields.take()?);
            let generation = u32::from_be_bytes(fields.take()?);
            let issued = u32::from_be_bytes(fields.take()?);
            let expires = u32::from_be_bytes(fields.take()?);
            let node = u16::from_be_bytes(fields.take()?);
            let owner: [u8; 8] = fields.take()?;
            let mark = fields.take()?;
            let token = Self {
                sid,
                generation,
                issued,
                expires,
                node,
                mark,
            };
            Some((token, owner))
        })();
        let (token, owner) = token.ok_or(invalid)?;
        if !Keys::is_principal(key, principal, &owner) {
            return Err(Refused::OtherPrincipal);
        }
        if token.issued > now.saturating_add(SKEW) {
            return Err(invalid);
        }
        if now > token.expires.saturating_add(SKEW) {
            return Err(Refused::Expired);
        }
        Ok(token)
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests;
