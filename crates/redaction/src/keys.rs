//! Which names say that their value is a secret.
//!
//! A name is read as words: `http.request.header.x-api-key`, `apiKey` and `API_KEY` are the same to
//! us. The last part of a dotted name decides, and its last word may take the verdict back:
//! `token_count` and `password.policy` are harmless.

#[cfg(test)]
mod tests;

use crate::CONVENTIONAL_KEYS;

/// Words longer than this have no meaning to us, and are none of ours.
const LONGEST_WORD: usize = 16;

/// Of a longer name only so much is read, from its end.
const LONGEST_NAME: usize = 128;

/// What a word says about a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Word {
    /// A secret by itself: `password`.
    Secret,
    /// A secret after this word: `api` before `key`.
    BeforeKey,
    /// A secret after that: `key`.
    Key,
    /// `card`, `credit`.
    Card,
    /// `number` of a card.
    Number,
    /// A secret only at the end: `pass`.
    SecretAtEnd,
    /// At the end, says that the value is about a secret: `count`.
    Harmless,
    /// Says nothing, so that the part before it counts: `value`.
    Empty,
    /// Anything else.
    Other,
}

impl Word {
    fn of(word: &[u8]) -> Self {
        match without_number(word) {
            b"password" | b"passwords" | b"passwd" | b"pwd" | b"passphrase" | b"passcode"
            | b"secret" | b"secrets" | b"token" | b"authorization" | b"cookie" | b"cookies"
            | b"setcookie" | b"credential" | b"credentials" | b"jwt" | b"otp" | b"totp"
            | b"cvv" | b"cvc" | b"ssn" | b"apikey" | b"apitoken" | b"accesstoken"
            | b"authtoken" | b"sessiontoken" | b"refreshtoken" | b"idtoken" | b"bearertoken"
            | b"clientsecret" | b"privatekey" | b"secretkey" | b"accesskey" | b"signingkey"
            | b"cardnumber" | b"creditcard" | b"csrftoken" | b"xsrftoken" => Self::Secret,
            b"pass" | b"signature" | b"sig" => Self::SecretAtEnd,
            b"api" | b"private" | b"access" | b"account" | b"signing" | b"encryption"
            | b"master" | b"session" | b"auth" | b"shared" | b"service" | b"hmac"
            | b"subscription" => Self::BeforeKey,
            b"key" | b"keys" => Self::Key,
            b"card" | b"credit" => Self::Card,
            b"number" | b"no" | b"num" | b"pan" => Self::Number,
            b"count" | b"counts" | b"length" | b"len" | b"size" | b"bytes" | b"type" | b"kind"
            | b"id" | b"ids" | b"name" | b"names" | b"at" | b"ttl" | b"age" | b"expiry"
            | b"expires" | b"expired" | b"expiration" | b"in" | b"policy" | b"valid"
            | b"present" | b"set" | b"status" | b"state" | b"result" | b"outcome" | b"reason"
            | b"error" | b"version" | b"limit" | b"max" | b"min" | b"total" | b"used"
            | b"bucket" | b"index" | b"position" | b"required" | b"enabled" | b"scheme"
            | b"method" | b"url" | b"uri" | b"endpoint" | b"path" | b"file" | b"issuer"
            | b"algorithm" | b"alg" | b"format" | b"class" | b"generation" | b"scope"
            | b"scopes" | b"audience" | b"source" | b"strength" | b"attempts" => Self::Harmless,
            b"value" | b"values" | b"raw" | b"text" | b"string" | b"hash" | b"digest" | b"old"
            | b"new" | b"current" | b"previous" | b"plain" | b"plaintext" => Self::Empty,
            _ => Self::Other,
        }
    }
}

/// Whether the value of a field of this name is a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.as_bytes();
    let name = &name[name.len().saturating_sub(LONGEST_NAME)..];
    for part in name.rsplit(|byte| *byte == b'.') {
        match verdict(part) {
            Some(verdict) => return verdict,
            None => continue,
        }
    }
    false
}

/// What one part of a dotted name says; none when it says nothing and the one before it decides.
fn verdict(part: &[u8]) -> Option<bool> {
    if is_conventional(part) {
        return Some(true);
    }
    let (mut secret, mut empty, mut before, mut last) = (false, true, Word::Other, Word::Empty);
    each_word(part, |word| {
        last = Word::of(word);
        empty &= last == Word::Empty;
        secret |= matches!(
            (before, last),
            (_, Word::Secret)
                | (Word::BeforeKey, Word::Key)
                | (Word::Card, Word::Number | Word::Card)
        );
        before = last;
    });
    match last {
        _ if empty => None,
        Word::Harmless => Some(false),
        Word::SecretAtEnd => Some(true),
        _ => Some(secret),
    }
}

/// Whether the semantic conventions name this key themselves, however it is written.
fn is_conventional(part: &[u8]) -> bool {
    let plain = |text: &'static [u8]| text.iter().filter(|byte| **byte != b'-');
    // Most names end here.
    matches!(part.first(), Some(b'x' | b'X' | b'a' | b'A' | b's' | b'S'))
        && CONVENTIONAL_KEYS.iter().any(|key| {
            let ours = plain(key.as_bytes()).map(u8::to_ascii_lowercase);
            let separators = [b'-', b'_'];
            let theirs = part.iter().filter(|byte| !separators.contains(byte));
            theirs.map(u8::to_ascii_lowercase).eq(ours)
        })
}

/// `password2` is a password too.
fn without_number(word: &[u8]) -> &[u8] {
    let letters = word.iter().rposition(|byte| !byte.is_ascii_digit());
    &word[..letters.map_or(word.len(), |last| last + 1)]
}

/// Calls `see` with each word of a name, in lower case.
fn each_word(part: &[u8], mut see: impl FnMut(&[u8])) {
    let mut word = [0; LONGEST_WORD];
    let mut length = 0;
    for (index, byte) in part.iter().copied().enumerate() {
        if !byte.is_ascii_alphanumeric() {
            if length > 0 {
                see(&word[..length.min(LONGEST_WORD)]);
            }
            length = 0;
            continue;
        }
        if byte.is_ascii_uppercase() && length > 0 {
            let after_capital = part[index - 1].is_ascii_uppercase();
            let before_small = part.get(index + 1).is_some_and(u8::is_ascii_lowercase);
            if !after_capital || before_small {
                see(&word[..length.min(LONGEST_WORD)]);
                length = 0;
            }
        }
        if let Some(place) = word.get_mut(length) {
            *place = byte.to_ascii_lowercase();
        }
        length += 1;
    }
    if length > 0 {
        see(&word[..length.min(LONGEST_WORD)]);
    }
}
