//! Tokens that say what they are by how they begin.

use aho_corasick::packed::{self, Searcher};
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

use super::{Find, begins_word, end_of, is_base64url};
use crate::REDACTED;
use crate::kind::Kind;

/// What stands behind a beginning.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `Bearer <token>`; the literal lacks its first letter, whose case may differ.
    Bearer,
    /// `Basic <base64>`
    Basic,
    /// Three parts of base64url with dots between.
    Jwt,
    /// `-----BEGIN ... PRIVATE KEY`
    Pem,
    /// Exactly so many capitals and digits.
    Exactly(usize),
    /// At least so many letters, digits, `-` and `_`.
    AtLeast(usize),
    /// As [`Self::AtLeast`], with a digit among them, so that words with hyphens are none.
    WithDigit(usize),
}

/// Who may find nothing in what follows a beginning looks no further than this, as the next one may
/// begin in the midst of it.
const FAR: usize = 512;

/// Longest beginnings first where one is the beginning of another.
const BEGINNINGS: &[(&str, Form)] = &[
    ("earer", Form::Bearer),
    ("EARER", Form::Bearer),
    ("asic", Form::Basic),
    ("ASIC", Form::Basic),
    ("eyJ", Form::Jwt),
    ("-----BEGIN ", Form::Pem),
    ("AKIA", Form::Exactly(16)),
    ("ASIA", Form::Exactly(16)),
    ("AIza", Form::AtLeast(30)),
    ("ya29.", Form::AtLeast(16)),
    ("ghp_", Form::AtLeast(20)),
    ("gho_", Form::AtLeast(20)),
    ("ghu_", Form::AtLeast(20)),
    ("ghs_", Form::AtLeast(20)),
    ("ghr_", Form::AtLeast(20)),
    ("github_pat_", Form::AtLeast(20)),
    ("glpat-", Form::AtLeast(16)),
    ("xoxa-", Form::AtLeast(10)),
    ("xoxb-", Form::AtLeast(10)),
    ("xoxe-", Form::AtLeast(10)),
    ("xoxp-", Form::AtLeast(10)),
    ("xoxr-", Form::AtLeast(10)),
    ("xoxs-", Form::AtLeast(10)),
    ("xapp-", Form::AtLeast(16)),
    ("sk_live_", Form::AtLeast(10)),
    ("sk_test_", Form::AtLeast(10)),
    ("rk_live_", Form::AtLeast(10)),
    ("whsec_", Form::AtLeast(16)),
    ("sk-", Form::WithDigit(16)),
    ("hvs.", Form::AtLeast(20)),
    ("npm_", Form::AtLeast(30)),
    ("pypi-", Form::AtLeast(30)),
    ("dop_v1_", Form::AtLeast(32)),
    ("shpat_", Form::AtLeast(20)),
    ("AGE-SECRET-KEY-", Form::AtLeast(20)),
];

/// Fewer bytes are not searched many at once, but slowly one by one.
const LEAST: usize = 18;

/// Finds all of them in one pass.
#[derive(Debug)]
pub(super) struct Tokens {
    search: Search,
}

#[derive(Debug)]
enum Search {
    /// Many bytes at once, where the machine can.
    Packed(Box<Searcher>),
    /// Byte by byte elsewhere; none only if the table above were wrong, which a test excludes.
    Automaton(Option<AhoCorasick>),
}

impl Tokens {
    pub(super) fn new() -> Self {
        let literals = || BEGINNINGS.iter().map(|(literal, _)| literal);
        let packed = packed::Config::new()
            .match_kind(packed::MatchKind::LeftmostFirst)
            .builder()
            .extend(literals())
            .build();
        let search = match packed {
            Some(searcher) => Search::Packed(Box::new(searcher)),
            None => Search::Automaton(
                AhoCorasickBuilder::new()
                    .match_kind(MatchKind::LeftmostFirst)
                    .build(literals())
                    .ok(),
            ),
        };
        Self { search }
    }

    pub(super) fn find(&self, text: &[u8], finds: &mut Vec<Find>) {
        let mut room = [0; LEAST];
        if let Some(room_for_it) = room.get_mut(..text.len()) {
            // No beginning has a zero in it.
            room_for_it.copy_from_slice(text);
            if self.next(&room, 0).is_none() {
                return;
            }
        }
        let mut at = 0;
        let mut has_key_id = false;
        while let Some((pattern, start, end)) = self.next(text, at) {
            let (_, form) = BEGINNINGS[pattern];
            let find = form.find(text, start, end);
            at = find.as_ref().map_or(start + 1, |find| find.range.end);
            has_key_id |= find.is_some() && matches!(form, Form::Exactly(_));
            finds.extend(find);
        }
        if has_key_id {
            secret_keys(text, finds);
        }
    }

    fn next(&self, text: &[u8], at: usize) -> Option<(usize, usize, usize)> {
        let found = match &self.search {
            Search::Packed(searcher) => {
                let span = aho_corasick::Span::from(at..text.len());
                searcher.find_in(text, span)
            }
            Search::Automaton(automaton) => {
                let input = aho_corasick::Input::new(text).span(at..text.len());
                automaton.as_ref()?.find(input)
            }
        }?;
        Some((found.pattern().as_usize(), found.start(), found.end()))
    }
}

impl Form {
    /// What must go, when a literal found at `start..end` is what it looks like.
    fn find(self, text: &[u8], start: usize, end: usize) -> Option<Find> {
        let cloud = |range| {
            Some(Find {
                range,
                kind: Kind::CloudKey,
            })
        };
        match self {
            Self::Bearer => scheme(text, start, end, b'b', Kind::BearerToken, |token| {
                !is_plain_word(token)
            }),
            Self::Basic => scheme(text, start, end, b'b', Kind::BasicCredentials, |token| {
                decodes_to_credentials(token)
            }),
            Self::Jwt => jwt(text, start),
            Self::Pem => private_key(text, start, end),
            _ if !begins_word(text, start) => None,
            Self::Exactly(length) => {
                let stop = end_of(text, end, |byte| byte.is_ascii_alphanumeric());
                let is_key = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
                let fits = stop - end == length && text[end..stop].iter().all(is_key);
                fits.then_some(start..stop).and_then(cloud)
            }
            Self::AtLeast(least) => {
                // Some have dots between their parts.
                let stop = end_of(text, end, |byte| is_base64url(byte) || byte == b'.');
                let stop = without_dots(text, stop);
                (stop >= end + least).then_some(start..stop).and_then(cloud)
            }
            Self::WithDigit(least) => {
                let looked_at = end_of(&text[..text.len().min(end + FAR)], end, is_base64url);
                let has_digit = text[end..looked_at].iter().any(u8::is_ascii_digit);
                if looked_at - end < least || !has_digit {
                    return None;
                }
                cloud(start..end_of(text, looked_at, is_base64url))
            }
        }
    }
}

/// A full stop ends a sentence, not a token.
fn without_dots(text: &[u8], mut stop: usize) -> usize {
    while stop > 0 && text[stop - 1] == b'.' {
        stop -= 1;
    }
    stop
}

/// `Bearer xyz`: the first letter, a separator, then what `is_secret` says.
fn scheme(
    text: &[u8],
    start: usize,
    end: usize,
    first: u8,
    kind: Kind,
    is_secret: impl Fn(&[u8]) -> bool,
) -> Option<Find> {
    let begin = start.checked_sub(1)?;
    if !text[begin].eq_ignore_ascii_case(&first) || !begins_word(text, begin) {
        return None;
    }
    let token = after_separator(text, end)?;
    let stop = end_of(text, token, is_token68);
    let value = &text[token..without_dots(text, stop)];
    let stop = token + value.len();
    if value.is_empty() || value == REDACTED.as_bytes() {
        return None;
    }
    // A value that is nothing but the scheme and a token is a header's.
    let is_all = begin == 0 && stop == text.len();
    (is_all || is_secret(value)).then_some(Find {
        range: token..stop,
        kind,
    })
}

/// Blanks, `:`, `=`, `+`, or a blank as URLs write it, between a scheme and its token.
fn after_separator(text: &[u8], end: usize) -> Option<usize> {
    let mut at = end;
    loop {
        match text.get(at)? {
            b' ' | b'\t' | b':' | b'=' | b'+' if at - end < 8 => at += 1,
            b'%' if text[at..].starts_with(b"%20") && at - end < 8 => at += 3,
            _ => break,
        }
    }
    (at > end).then_some(at)
}

/// RFC 9110, section 11.2.
fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

/// "bearer of news" and "Bearer Authentication" hold no token.
fn is_plain_word(word: &[u8]) -> bool {
    let rest = word.get(1..).unwrap_or_default();
    word.len() < 20
        && word[0].is_ascii_alphabetic()
        && (rest.iter().all(u8::is_ascii_lowercase) || word.iter().all(u8::is_ascii_uppercase))
}

/// Whether it is base64 of `user:password`; what is far too long to be a word is taken for one.
fn decodes_to_credentials(text: &[u8]) -> bool {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    if text.len() > FAR {
        return true;
    }
    let text = text.trim_ascii_end();
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let text = &text[..text.len() - padding];
    match STANDARD_NO_PAD.decode(text) {
        Ok(decoded) => decoded.contains(&b':'),
        // Cut off, or in the other alphabet: no word is that long and that mixed.
        Err(_) => text.len() >= 12 && text.iter().any(u8::is_ascii_digit),
    }
}

fn jwt(text: &[u8], start: usize) -> Option<Find> {
    // `begins_word` would allow `-`; a token in the middle of base64url is none.
    if start > 0 && text[start - 1] == b'-' || !begins_word(text, start) {
        return None;
    }
    let header = end_of(text, start, is_base64url);
    if header - start < 10 || text.get(header) != Some(&b'.') {
        return None;
    }
    let stop = end_of(text, header, |byte| is_base64url(byte) || byte == b'.');
    let stop = without_dots(text, stop);
    (stop - header > 4).then_some(Find {
        range: start..stop,
        kind: Kind::Jwt,
    })
}

/// From `-----BEGIN` to behind `-----END ...-----`, or to the end of a text that was cut off.
fn private_key(text: &[u8], start: usize, end: usize) -> Option<Find> {
    let label = end_of(text, end, |byte| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' '
    });
    memchr::memmem::find(&text[end..label], b"PRIVATE KEY")?;
    let stop = match memchr::memmem::find(&text[label..], b"-----END ") {
        Some(offset) => {
            let label = end_of(text, label + offset + 9, |byte| byte != b'-');
            end_of(text, label, |byte| byte == b'-')
        }
        None => text.len(),
    };
    Some(Find {
        range: start..stop,
        kind: Kind::PrivateKey,
    })
}

/// The other half of an AWS key: forty characters of base64, found only beside a key id, as on
/// their own they could be anything.
fn secret_keys(text: &[u8], finds: &mut Vec<Find>) {
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+');
    let mut at = 0;
    while at < text.len() {
        let start = end_of(text, at, |byte| !belongs(byte));
        let stop = end_of(text, start, belongs);
        let word = &text[start..stop];
        let has = |wanted: fn(&u8) -> bool| word.iter().any(wanted);
        if word.len() == 40 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) {
            finds.push(Find {
                range: start..stop,
                kind: Kind::CloudKey,
            });
        }
        at = stop;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_searched_as_fast_as_a_long_one() {
        assert!(
            BEGINNINGS
                .iter()
                .all(|(literal, _)| !literal.contains('\0'))
        );
        if let Search::Packed(searcher) = Tokens::new().search {
            assert!(
                searcher.minimum_len() <= LEAST,
                "{}",
                searcher.minimum_len()
            );
        }
    }
}
