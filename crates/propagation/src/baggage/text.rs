//! The grammar of the `baggage` header (W3C Baggage, section 3.2.1).

use std::borrow::Cow;
use std::fmt::Write;

use super::{MAX_BYTES, MAX_MEMBERS};
use crate::tracestate::trim;

/// A member as it stands in the header.
pub(super) enum Member<'a> {
    Legal(Parts<'a>, &'a str),
    Malformed,
}

/// A legal member, taken apart; nothing is decoded.
pub(super) struct Parts<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
    pub(super) properties: Option<&'a str>,
}

/// The members of a line; blank ones are passed over.
pub(super) fn members(line: &[u8]) -> impl Iterator<Item = Member<'_>> {
    let members = line
        .split(|byte| *byte == b',')
        .map(trim)
        .filter(|member| !member.is_empty());
    members.map(|member| parts(member).unwrap_or(Member::Malformed))
}

fn parts(member: &[u8]) -> Option<Member<'_>> {
    let text = std::str::from_utf8(member).ok()?;
    let (pair, properties) = match text.split_once(';') {
        Some((pair, properties)) => (pair, Some(properties)),
        None => (text, None),
    };
    let (key, value) = pair.split_once('=')?;
    let blank = [' ', '\t'];
    let (key, value) = (key.trim_matches(blank), value.trim_matches(blank));
    let is_legal = is_token(key) && is_value(value) && properties.is_none_or(are_properties);
    is_legal.then_some(Member::Legal(
        Parts {
            key,
            value,
            properties,
        },
        text,
    ))
}

fn are_properties(properties: &str) -> bool {
    let blank = [' ', '\t'];
    properties
        .split(';')
        .all(|property| match property.split_once('=') {
            Some((key, value)) => {
                is_token(key.trim_matches(blank)) && is_value(value.trim_matches(blank))
            }
            None => is_token(property.trim_matches(blank)),
        })
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_value(text: &str) -> bool {
    text.bytes().all(is_value_byte)
}

/// `baggage-octet`: visible ASCII but for `"`, `,`, `;` and `\`.
fn is_value_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// Whether a line can go on as it is: every member legal, within the limits, and not blank.
pub(super) fn is_legal(line: &[u8]) -> bool {
    let mut count = 0;
    line.len() <= MAX_BYTES
        && members(line).all(|member| {
            count += 1;
            matches!(member, Member::Legal(..)) && count <= MAX_MEMBERS
        })
        && count > 0
}

/// The legal members of all lines, within the limits, and how many others there were.
pub(super) fn keep_legal<'a>(lines: impl Iterator<Item = &'a [u8]>) -> (String, u32) {
    let (mut kept, mut count, mut dropped) = (String::new(), 0, 0);
    for member in lines.flat_map(members) {
        match member {
            Member::Legal(_, text)
                if count < MAX_MEMBERS && kept.len() + text.len() < MAX_BYTES =>
            {
                if count > 0 {
                    kept.push(',');
                }
                kept.push_str(text);
                count += 1;
            }
            _ => dropped += 1,
        }
    }
    (kept, dropped)
}

/// Percent-decodes; what is not an encoding stays, invalid UTF-8 becomes U+FFFD.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let digit = |at: usize| {
        text.as_bytes()
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            _ => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a member; `None` when the key is not a token.
pub(super) fn write(key: &str, value: &str) -> Option<String> {
    let mut out = String::with_capacity(key.len() + value.len() + 1);
    out.push_str(Some(key).filter(|key| is_token(key))?);
    out.push('=');
    for byte in value.bytes() {
        if is_value_byte(byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Some(out)
}
