//! Secrets that are known by their looks.
//!
//! A text is first asked, in a few instructions for each sixteen bytes, whether anything in it can
//! begin a secret at all; nearly none can. Only then are the places looked at that can, each by a
//! matcher that reads forward a bounded way or up to the end of what it takes out. No part of a
//! text is read more often than a fixed number of times, whatever stands in it.

mod assignment;
mod card;
mod token;
mod url;

use std::borrow::Cow;
use std::ops::Range;

use crate::REDACTED;
use crate::kind::{Counts, Kind};

/// How often a result is looked at again before all of it is taken out.
const PASSES: usize = 4;

/// Nothing shorter holds anything of a form that is not told by `=`, `:`, a blank or digits.
const SHORTEST_TOKEN: usize = 20;

/// A place in a text that must not leave.
#[derive(Debug, Eq, PartialEq)]
struct Find {
    range: Range<usize>,
    kind: Kind,
}

/// What a text has in it. There are no more digits than this says.
#[derive(Clone, Copy, Debug)]
struct Signs {
    /// `=` or `:`
    assigns: bool,
    blank: bool,
    digits: usize,
}

impl Signs {
    #[inline]
    fn of(text: &[u8]) -> Self {
        let mut seen = Seen::default();
        let (pieces, rest) = text.as_chunks();
        for piece in pieces {
            seen.look(piece);
        }
        match text.last_chunk() {
            None => seen.look(&widened(text)),
            // what is left, with some of what was
            Some(last) if !rest.is_empty() => seen.look(last),
            Some(_) => {}
        }
        let digits = || seen.digits.iter().copied().map(usize::from).sum();
        Self {
            assigns: seen.assigns != [0; 16],
            blank: seen.blank != [0; 16],
            digits: if text.len() < card::FEWEST_DIGITS {
                text.len()
            } else {
                digits()
            },
        }
    }

    /// Whether nothing in a text so long can be a secret.
    #[inline]
    fn are_none(self, length: usize) -> bool {
        length < SHORTEST_TOKEN && !self.assigns && !self.blank && self.digits < card::FEWEST_DIGITS
    }
}

/// The signs by their place among sixteen, so that sixteen bytes are looked at as one.
#[derive(Default)]
struct Seen {
    assigns: [u8; 16],
    blank: [u8; 16],
    digits: [u8; 16],
}

impl Seen {
    /// Without branches and in single bytes: each line is a few instructions.
    #[inline]
    fn look(&mut self, piece: &[u8; 16]) {
        for (i, byte) in piece.iter().enumerate() {
            self.assigns[i] |= u8::from(*byte == b'=') | u8::from(*byte == b':');
            self.blank[i] |= u8::from(*byte == b' ');
            self.digits[i] = self.digits[i].saturating_add(u8::from(byte.wrapping_sub(b'0') < 10));
        }
    }
}

/// A text of less than sixteen bytes as sixteen: some of it twice, or with zeros.
#[inline]
fn widened(text: &[u8]) -> [u8; 16] {
    let mut wide = [0; 16];
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        wide[..8].copy_from_slice(first);
        wide[8..].copy_from_slice(last);
    } else {
        for (to, from) in wide.iter_mut().zip(text) {
            *to = *from;
        }
    }
    wide
}

/// The compiled rules.
#[derive(Debug)]
pub(crate) struct Shapes {
    tokens: token::Tokens,
}

impl Shapes {
    pub(crate) fn new() -> Self {
        Self {
            tokens: token::Tokens::new(),
        }
    }

    /// Takes out what looks like a secret; `is_secret` judges the names of assignments.
    #[inline]
    pub(crate) fn redact<'a>(
        &self,
        text: &'a str,
        is_secret: &dyn Fn(&str) -> bool,
        counts: &Counts,
    ) -> Cow<'a, str> {
        let signs = Signs::of(text.as_bytes());
        if signs.are_none(text.len()) {
            return Cow::Borrowed(text);
        }
        self.search(text, signs, is_secret, counts)
    }

    #[inline(never)]
    fn search<'a>(
        &self,
        text: &'a str,
        signs: Signs,
        is_secret: &dyn Fn(&str) -> bool,
        counts: &Counts,
    ) -> Cow<'a, str> {
        let Some(mut clean) = self.pass(text, signs, is_secret, counts) else {
            return Cow::Borrowed(text);
        };
        // What is left must stay as it is when it is redacted again, here or by someone else.
        for _ in 1..PASSES {
            let signs = Signs::of(clean.as_bytes());
            match self.pass(&clean, signs, is_secret, counts) {
                Some(cleaner) => clean = cleaner,
                None => return Cow::Owned(clean),
            }
        }
        Cow::Owned(REDACTED.to_owned())
    }

    /// One look at the text; none when there is nothing to take out.
    fn pass(
        &self,
        text: &str,
        signs: Signs,
        is_secret: &dyn Fn(&str) -> bool,
        counts: &Counts,
    ) -> Option<String> {
        let bytes = text.as_bytes();
        let mut finds = Vec::new();
        if bytes.len() >= SHORTEST_TOKEN || signs.blank {
            self.tokens.find(bytes, &mut finds);
        }
        if signs.assigns {
            assignment::find(text, is_secret, &mut finds);
            url::find(bytes, &mut finds);
        }
        if signs.digits >= card::FEWEST_DIGITS {
            card::find(bytes, &mut finds);
        }
        if finds.is_empty() {
            return None;
        }
        Some(without(text, finds, counts))
    }
}

/// `text` with each find replaced; finds that touch the same bytes are one.
fn without(text: &str, mut finds: Vec<Find>, counts: &Counts) -> String {
    finds.sort_by_key(|find| (find.range.start, usize::MAX - find.range.end));
    let mut out = String::with_capacity(text.len());
    let mut kept = 0;
    let mut finds = finds.into_iter().peekable();
    while let Some(Find { mut range, kind }) = finds.next() {
        while let Some(next) = finds.next_if(|next| next.range.start < range.end) {
            range.end = range.end.max(next.range.end);
        }
        counts.add(kind);
        // All ends are at ASCII bytes; `get` keeps even a mistake from being a panic.
        out.push_str(text.get(kept..range.start).unwrap_or_default());
        out.push_str(REDACTED);
        kept = range.end;
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    out
}

/// Where the bytes end that `belongs` takes, from `start` on.
fn end_of(text: &[u8], start: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let length = rest.iter().position(|byte| !belongs(*byte));
    start + length.unwrap_or(rest.len())
}

/// Whether a word may begin at `start`: at a boundary, after `%3D`, after an escaped `\n`.
fn begins_word(text: &[u8], start: usize) -> bool {
    let before = |back: usize| start.checked_sub(back).map(|index| text[index]);
    match before(1) {
        None => true,
        Some(byte) if byte.is_ascii_alphanumeric() => {
            let escaped = matches!(byte, b'n' | b'r' | b't') && before(2) == Some(b'\\');
            escaped || (byte.is_ascii_hexdigit() && before(3) == Some(b'%'))
        }
        Some(byte) => byte != b'_',
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
