//! The grammar of the `baggage` header (W3C Baggage, section 3.2.1).

use std::borrow::Cow;
use std::fmt::Write;

use super::{MAX_BYTES, MAX_MEMBERS};
use crate::bytes::{Plain, class, is_list, skip, trim, trim_start};

/// A legal member, taken apart; nothing is decoded.
pub(super) struct Parts<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
    pub(super) properties: Option<&'a str>,
}

/// The members of a text that is known to be legal, taken apart, and the text of each.
pub(super) fn legal_members(text: &str) -> impl Iterator<Item = (Parts<'_>, &str)> {
    let mut rest = Some(text);
    let split = std::iter::from_fn(move || {
        let text = rest?;
        let (member, behind) = cut(text, b',');
        rest = behind;
        Some(member.trim_ascii())
    });
    split
        .filter(|member| !member.is_empty())
        .filter_map(|member| {
            let (pair, properties) = cut(member, b';');
            let (key, value) = cut(pair, b'=');
            let parts = Parts {
                key: key.trim_ascii(),
                value: value?.trim_ascii(),
                properties,
            };
            Some((parts, member))
        })
}

/// What stands before and behind the first `at`.
fn cut(text: &str, at: u8) -> (&str, Option<&str>) {
    match text.bytes().position(|byte| byte == at) {
        Some(found) => (&text[..found], Some(&text[found + 1..])),
        None => (text, None),
    }
}

/// The members of a line, `None` for what is not legal; blank ones are passed over.
fn members(line: &[u8]) -> impl Iterator<Item = Option<&str>> {
    let members = line
        .split(|byte| *byte == b',')
        .map(trim)
        .filter(|member| !member.is_empty());
    members.map(|member| {
        let is_legal = legal_member(member).is_some_and(<[u8]>::is_empty);
        std::str::from_utf8(member).ok().filter(|_| is_legal)
    })
}

/// What follows the legal member at the start, which is `key=value` with any number of `;key` and
/// `;key=value` behind it: one pass.
fn legal_member(mut text: &[u8]) -> Option<&[u8]> {
    let mut is_property = false;
    loop {
        let key = trim_start(text);
        let behind = skip(key, &TOKEN);
        let has_key = behind.len() < key.len();
        let mut rest = trim_start(behind);
        match rest {
            [b'=', value @ ..] if has_key => rest = trim_start(skip(trim_start(value), &VALUE)),
            _ if has_key && is_property => {}
            _ => return None,
        }
        let [b';', more @ ..] = rest else {
            return Some(rest);
        };
        (text, is_property) = (more, true);
    }
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| TOKEN[usize::from(*byte)])
}

/// `tchar`.
const TOKEN: [bool; 256] = class!(
    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.'
        | b'^'..=b'`' | b'|' | b'~'
);

/// `baggage-octet`: visible ASCII but for `"`, `,`, `;` and `\`.
const VALUE: [bool; 256] = class!(b'!' | b'#'..=b'+' | b'-'..=b':' | b'<'..=b'[' | b']'..=b'~');

/// Members have at least three bytes here and a comma, so that a list shorter than four times their
/// number breaks no limit.
static PLAIN: Plain = Plain::new(&TOKEN, &TOKEN, &VALUE);

/// Whether a line can go on as it is: every member legal, within the limits, and not blank.
pub(super) fn is_legal(line: &[u8]) -> bool {
    PLAIN.has(line, 4 * MAX_MEMBERS)
        || line.len() <= MAX_BYTES && is_list(line, MAX_MEMBERS, legal_member)
}

/// The legal members of all lines, within the limits, and how many others there were.
pub(super) fn keep_legal<'a>(lines: impl Iterator<Item = &'a [u8]>) -> (String, u32) {
    let (mut kept, mut count, mut dropped) = (String::new(), 0, 0);
    for member in lines.flat_map(members) {
        match member {
            Some(text) if count < MAX_MEMBERS && kept.len() + text.len() < MAX_BYTES => {
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
    out.push_str(Some(key).filter(|key| is_token(key.as_bytes()))?);
    out.push('=');
    for byte in value.bytes() {
        if VALUE[usize::from(byte)] && byte != b'%' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_is_legal() {
        let mut plain = 0;
        for text in crate::bytes::all_texts(b"aA%=;, ", 7) {
            if PLAIN.has(&text, 4 * MAX_MEMBERS) {
                assert!(is_list(&text, MAX_MEMBERS, legal_member), "{text:?}");
                plain += 1;
            }
        }
        assert!(plain > 100, "{plain} plain texts");
        for members in [MAX_MEMBERS, MAX_MEMBERS + 1] {
            let text = vec!["a=1"; members].join(",");
            let is_plain = PLAIN.has(text.as_bytes(), 4 * MAX_MEMBERS);
            assert_eq!(is_plain, members == MAX_MEMBERS);
        }
    }
}
