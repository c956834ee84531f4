//! A secret's name with its value behind it: `password=hunter2`, `"token": "..."`,
//! `authorization: Bearer ...`, `Some("..")` and lists in what `Debug` prints.

use std::borrow::Cow;
use std::ops::Range;

use super::{Find, end_of};
use crate::REDACTED;
use crate::kind::Kind;

/// Of a longer name so much is read, from its end.
const LONGEST_NAME: usize = 64;
/// Blanks around a separator, and backslashes before a quote.
const MOST_BLANKS: usize = 8;

/// Values that give nothing away.
const HARMLESS: &[&[u8]] = &[
    b"",
    b"null",
    b"None",
    b"true",
    b"false",
    b"undefined",
    b"nil",
];

pub(super) fn find(text: &str, is_secret: &dyn Fn(&str) -> bool, finds: &mut Vec<Find>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for at in memchr::memchr2_iter(b'=', b':', bytes) {
        if at < done {
            continue;
        }
        let Some(name) = name_before(text, at, done) else {
            continue;
        };
        let in_query = matches!(
            name.start.checked_sub(1).map(|before| bytes[before]),
            Some(b'?' | b'&')
        );
        let name = decoded(&text[name]);
        let is_code = in_query && name == "code" && bytes[at] == b'=';
        if !is_code && !is_secret(&name) {
            continue;
        }
        let Some(value) = value_after(bytes, at, takes_line(&name)) else {
            continue;
        };
        done = value.end;
        finds.push(Find {
            range: value,
            kind: Kind::Key,
        });
    }
}

/// A header of several parts, all of them secret.
fn takes_line(name: &str) -> bool {
    let last = name.rsplit(['.', '-', '_']).next().unwrap_or(name);
    ["authorization", "cookie", "cookies", "credentials"]
        .iter()
        .any(|line| last.eq_ignore_ascii_case(line))
}

/// The name that stands before the separator at `at`, without quotes and blanks; what was taken out
/// already, before `done`, is not looked at.
fn name_before(text: &str, at: usize, done: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let back_over = |from: usize, most: usize, belongs: fn(u8) -> bool| {
        let least = from.saturating_sub(most).max(done);
        let over = bytes[least..from]
            .iter()
            .rev()
            .take_while(|byte| belongs(**byte));
        from - over.count()
    };
    let end = back_over(at, MOST_BLANKS, |byte| byte == b' ');
    let end = back_over(end, MOST_BLANKS, |byte| {
        matches!(byte, b'"' | b'\'' | b'`' | b'\\')
    });
    let start = back_over(end, LONGEST_NAME, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%')
    });
    (start < end).then_some(start..end)
}

/// The name as a server would read it: `tok%65n` is `token`.
fn decoded(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    percent_encoding::percent_decode_str(name).decode_utf8_lossy()
}

/// The value behind the separator at `at`; none when there is nothing to hide.
fn value_after(text: &[u8], at: usize, takes_line: bool) -> Option<Range<usize>> {
    let separator = text[at];
    let next = text.get(at + 1).copied();
    let mut start = at + 1;
    match (separator, next) {
        // `a == b`, `a::b`, `a://b`
        (b'=', Some(b'=')) | (b':', Some(b':')) => return None,
        (b':', Some(b'/')) if text.get(at + 2) == Some(&b'/') => return None,
        _ if at > 0 && separator == b':' && text[at - 1] == b':' => return None,
        _ if at > 0 && separator == b'=' && matches!(text[at - 1], b'=' | b'!' | b'<' | b'>') => {
            return None;
        }
        (b'=', Some(b'>')) => start += 1,
        _ => {}
    }
    let blanks = end_of(text, start, |byte| matches!(byte, b' ' | b'\t')) - start;
    if blanks > MOST_BLANKS {
        return None;
    }
    start += blanks;
    let value = enclosed(text, start).or_else(|| {
        let is_prose = separator == b':' && blanks > 0 && is_prose(text, start, takes_line);
        (!is_prose).then(|| start..bare_end(text, start, takes_line))
    })?;
    let inside = &text[value.clone()];
    let is_harmless = HARMLESS.contains(&inside)
        || inside == REDACTED.as_bytes()
        || inside.iter().all(|byte| *byte == b'*')
        || takes_line && is_framed(inside);
    (!is_harmless).then_some(value)
}

/// The inside of quotes, brackets or `Some(..)`.
fn enclosed(text: &[u8], start: usize) -> Option<Range<usize>> {
    let word = end_of(text, start, |byte| byte.is_ascii_alphabetic());
    if word - start <= 16 && text.get(word) == Some(&b'(') {
        return Some(word + 1..end_of(text, word + 1, |byte| byte != b')'));
    }
    if text.get(start) == Some(&b'[') {
        return Some(start + 1..end_of(text, start + 1, |byte| byte != b']'));
    }
    // `b".."`, and quotes that were escaped once or more often
    let start = start + usize::from(text[start..].starts_with(b"b\""));
    let quote = end_of(text, start, |byte| byte == b'\\');
    let (slashes, mark) = (quote - start, *text.get(quote)?);
    if !matches!(mark, b'"' | b'\'' | b'`') || slashes > MOST_BLANKS {
        return None;
    }
    let inside = quote + 1;
    let mut run = 0;
    for (offset, byte) in text[inside..].iter().enumerate() {
        match *byte {
            b'\\' => run += 1,
            byte if byte == mark && run <= slashes => {
                return Some(inside..inside + offset - run);
            }
            _ => run = 0,
        }
    }
    Some(inside..text.len())
}

/// Where a value ends that nothing encloses.
fn bare_end(text: &[u8], start: usize, takes_line: bool) -> usize {
    if takes_line {
        let end = end_of(text, start, |byte| !matches!(byte, b'\n' | b'\r' | b'"'));
        let blanks = text[start..end]
            .iter()
            .rev()
            .take_while(|byte| **byte == b' ');
        return end - blanks.count();
    }
    end_of(text, start, |byte| {
        !byte.is_ascii_whitespace()
            && !matches!(
                byte,
                b'&' | b','
                    | b';'
                    | b'"'
                    | b'\''
                    | b'`'
                    | b')'
                    | b'}'
                    | b']'
                    | b'<'
                    | b'>'
                    | b'#'
                    | b'\\'
            )
    })
}

/// "invalid token: expected a digit": a word in small letters with another word behind it. What
/// follows the name of an authentication scheme is none.
fn is_prose(text: &[u8], start: usize, takes_line: bool) -> bool {
    let end = end_of(text, start, |byte| byte.is_ascii_lowercase());
    let word = &text[start..end];
    let is_scheme = takes_line
        && matches!(
            word,
            b"basic" | b"bearer" | b"digest" | b"negotiate" | b"token"
        );
    !word.is_empty()
        && !is_scheme
        && text.get(end) == Some(&b' ')
        && text.get(end + 1).is_some_and(u8::is_ascii_alphabetic)
}

/// `Bearer REDACTED` and `a=REDACTED; b=REDACTED`: only what a matcher left.
fn is_framed(value: &[u8]) -> bool {
    let Some(head) = value.strip_suffix(REDACTED.as_bytes()) else {
        return false;
    };
    matches!(head, b"Bearer " | b"Basic " | b"bearer " | b"basic ")
}
