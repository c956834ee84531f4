//! Domains with a list: only the attributes on it leave.

use campanile_recorder::Route;
use campanile_redaction::Redactor;

use crate::lean::proto::tag;

/// What may leave of the spans of a route.
pub(super) struct Allowed<'a> {
    redactor: &'a Redactor,
    domain: Option<&'static str>,
}

impl<'a> Allowed<'a> {
    pub(super) fn of(redactor: &'a Redactor, route: &'static Route) -> Self {
        let domain = route.domain().filter(|domain| redactor.limits(domain));
        Self { redactor, domain }
    }

    /// Whether there is anything that may not.
    pub(super) fn is_limited(&self) -> bool {
        self.domain.is_some()
    }

    /// Whether an attribute of this name may leave.
    pub(super) fn has(&self, key: &str) -> bool {
        self.domain.is_none() || self.redactor.allows(self.domain, key)
    }

    /// Appends those of the written attributes that may leave.
    pub(super) fn copy(&self, out: &mut Vec<u8>, attributes: &[u8]) {
        if self.domain.is_none() {
            return out.extend_from_slice(attributes);
        }
        let mut rest = attributes;
        while let Some((attribute, key, behind)) = first(rest) {
            if std::str::from_utf8(key).is_ok_and(|key| self.has(key)) {
                out.extend_from_slice(attribute);
            }
            rest = behind;
        }
    }
}

/// The first of attributes that stand one behind the other: all of it, its name, and what follows.
fn first(attributes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let inner = attributes.strip_prefix(&[tag::SPAN_ATTRIBUTE])?;
    let (length, inner) = length(inner)?;
    let (message, behind) = inner.split_at_checked(length)?;
    let (key_length, key) = self::length(message.strip_prefix(&[0x0a])?)?;
    let whole = attributes.len() - behind.len();
    Some((&attributes[..whole], key.get(..key_length)?, behind))
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0;
    for (i, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((length, &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lean::proto;

    #[test]
    fn written_attributes_are_told_apart_whatever_their_length() {
        let mut written = Vec::new();
        let long = "x".repeat(40_000);
        for value in ["", "short", long.as_str()] {
            proto::string_attribute(&mut written, tag::SPAN_ATTRIBUTE, b"key", value.as_bytes());
        }
        proto::int_attribute(&mut written, tag::SPAN_ATTRIBUTE, b"number", -1);
        let (mut rest, mut keys, mut bytes) = (&written[..], Vec::new(), 0);
        while let Some((attribute, key, behind)) = first(rest) {
            keys.push(key);
            bytes += attribute.len();
            rest = behind;
        }
        assert_eq!(keys, [&b"key"[..], b"key", b"key", b"number"]);
        assert_eq!((bytes, rest.len()), (written.len(), 0));
    }
}
