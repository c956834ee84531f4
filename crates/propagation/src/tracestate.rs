//! `tracestate`, kept as its sender wrote it (W3C Trace Context Level 2, section 3.3).
//!
//! A list is legal as a whole or dropped as a whole; nothing in it is ever rewritten. The text
//! travels beside the OpenTelemetry API's own `TraceState`, which cannot hold every legal list.

use std::cell::RefCell;

use http::HeaderValue;
use opentelemetry::trace::TraceState;

use crate::bytes::{Plain, class, is_list, skip, trim_end, trim_start};

const MAX_MEMBERS: usize = 32;
const MAX_KEY: usize = 256;
const MAX_VALUE: usize = 256;

/// A legal, non-empty `tracestate`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TraceStateText(HeaderValue);

impl TraceStateText {
    /// Takes the lines of the header, in order.
    ///
    /// `None` when nothing is left, or when anything in it is not legal: more than 32 members, a
    /// key or value that is too long or has a wrong character.
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>) -> Option<Self> {
        let mut lines = lines.into_iter();
        let first = lines.next()?;
        match lines.next() {
            None => Self::from_line(first),
            Some(second) => {
                let all: Vec<_> = [first, second]
                    .into_iter()
                    .chain(lines)
                    .map(HeaderValue::as_bytes)
                    .collect();
                Self::new(HeaderValue::from_bytes(&all.join(&b","[..])).ok()?)
            }
        }
    }

    /// The same for a single line.
    #[inline]
    pub(crate) fn from_line(line: &HeaderValue) -> Option<Self> {
        Self::is_legal(line.as_bytes()).then(|| Self(line.clone()))
    }

    fn new(text: HeaderValue) -> Option<Self> {
        Self::is_legal(text.as_bytes()).then_some(Self(text))
    }

    #[inline]
    pub(crate) fn is_legal(text: &[u8]) -> bool {
        is_last_legal(text) || is_legal_list(text)
    }

    /// The header value to send on.
    pub fn as_header(&self) -> &HeaderValue {
        &self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The members, in order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        members(self.as_str()).filter_map(|member| cut(member, b'='))
    }

    /// The value of `key`.
    ///
    /// ```
    /// use campanile_propagation::TraceStateText;
    ///
    /// let line = http::HeaderValue::from_static("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
    /// let state = TraceStateText::from_lines([&line]).unwrap();
    /// assert_eq!(state.get("congo"), Some("t61rcWkgMzE"));
    /// ```
    pub fn get(&self, key: &str) -> Option<&str> {
        self.members()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The list with `key` set: at the left, as the specification asks of whoever changes an
    /// entry. Past 32 members the rightmost goes.
    ///
    /// `None` when key or value are not legal.
    pub fn with(state: Option<&Self>, key: &str, value: &str) -> Option<Self> {
        let own = format!("{key}={value}");
        let text = state.map_or("", Self::as_str);
        let rest = members(text)
            .filter(|member| member.split_once('=').is_none_or(|(name, _)| name != key));
        let all: Vec<_> = [own.as_str()]
            .into_iter()
            .chain(rest)
            .take(MAX_MEMBERS)
            .collect();
        let is_own_legal = legal_member(own.as_bytes()).is_some_and(<[u8]>::is_empty)
            && !own.ends_with([' ', '\t']);
        Self::new(
            HeaderValue::from_str(&all.join(","))
                .ok()
                .filter(|_| is_own_legal)?,
        )
    }

    /// As much of the list as the API's own type can hold, which is what foreign readers see.
    pub fn to_api(&self) -> TraceState {
        TraceState::from_key_value(self.members()).unwrap_or_default()
    }
}

/// No longer text is remembered.
const MAX_LAST: usize = 128;

thread_local! {
    /// The last legal text on this thread, and how long it is. A caller's vendors mostly tell the
    /// same of all its requests, and to compare is a quarter of the work of reading.
    static LAST: RefCell<(usize, [u8; MAX_LAST])> = const { RefCell::new((0, [0; MAX_LAST])) };
}

/// Whether it is the text that was found legal last.
#[inline]
fn is_last_legal(text: &[u8]) -> bool {
    LAST.with(|last| match last.try_borrow() {
        Ok(last) => text.len() == last.0 && !text.is_empty() && text == &last.1[..last.0],
        Err(_) => false,
    })
}

#[inline(never)]
fn is_legal_list(text: &[u8]) -> bool {
    let is_legal = PLAIN.has(text, 4 * MAX_MEMBERS) || is_list(text, MAX_MEMBERS, legal_member);
    if is_legal && text.len() <= MAX_LAST {
        LAST.with(|last| {
            if let Ok(mut last) = last.try_borrow_mut() {
                last.0 = text.len();
                last.1[..text.len()].copy_from_slice(text);
            }
        });
    }
    is_legal
}

/// The members of a list, without the blanks around them, and without blank ones.
fn members(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    let split = std::iter::from_fn(move || {
        let text = rest?;
        let (member, behind) = cut(text, b',').unzip();
        rest = behind;
        Some(member.unwrap_or(text))
    });
    split
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
}

/// Splits at the first `at`. For texts this short a plain loop beats the search of the standard
/// library, which is made for long ones.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let found = text.bytes().position(|byte| byte == at)?;
    Some((&text[..found], &text[found + 1..]))
}

/// What follows the legal member at the start, and the blanks behind it.
fn legal_member(text: &[u8]) -> Option<&[u8]> {
    let behind = skip(text, &KEY);
    let key = &text[..text.len() - behind.len()];
    let starts_well = key.first().is_some_and(|byte| FIRST[usize::from(*byte)]);
    let [b'=', value @ ..] = behind else {
        return None;
    };
    let behind = skip(value, &VALUE);
    let value = trim_end(&value[..value.len() - behind.len()]);
    let fits = key.len() <= MAX_KEY && (1..=MAX_VALUE).contains(&value.len());
    (starts_well && fits).then(|| trim_start(behind))
}

/// The bytes of a key.
const KEY: [bool; 256] = class!(b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');

/// The bytes of a value: visible ASCII and blanks, but for `,` and `=`.
const VALUE: [bool; 256] = class!(b' '..=b'+' | b'-'..=b'<' | b'>'..=b'~');

/// The first byte of a key.
const FIRST: [bool; 256] = class!(b'a'..=b'z' | b'0'..=b'9');

/// Members have at least three bytes and a comma, so that a list shorter than four times their
/// number breaks no limit.
static PLAIN: Plain = Plain::new(&FIRST, &KEY, &VALUE);

#[cfg(test)]
mod tests;
