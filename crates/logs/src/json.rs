//! Appends JSON to a buffer. Whatever goes in, valid JSON comes out.

use std::fmt::{self, Write};

/// Appends `text` as a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// Appends a float; JSON has no word for NaN and infinity, so they are text.
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        // `Debug` keeps the point or exponent that tells a float from an integer.
        plain(out, format_args!("{value:?}"));
    } else {
        out.push(b'"');
        plain(out, format_args!("{value}"));
        out.push(b'"');
    }
}

/// Appends an integer.
pub(crate) fn integer(out: &mut Vec<u8>, magnitude: u64, is_negative: bool) {
    let mut digits = [0; 20];
    let mut from = digits.len();
    let mut rest = magnitude;
    loop {
        from -= 1;
        digits[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if is_negative {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[from..]);
}

/// Appends bytes as lower-case hexadecimal digits.
pub(crate) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
        out.extend_from_slice(&[DIGITS[high], DIGITS[low]]);
    }
}

/// Appends something as it is displayed.
pub(crate) fn plain(out: &mut Vec<u8>, value: fmt::Arguments<'_>) {
    let _ = Appending(out).write_fmt(value);
}

struct Appending<'a>(&'a mut Vec<u8>);

impl Write for Appending<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Appends the inside of a JSON string.
pub(crate) fn escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let (clean, tail) = rest.split_at(clean_len(rest));
        out.extend_from_slice(clean);
        let Some((&byte, after)) = tail.split_first() else {
            return;
        };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                hex(out, &[byte]);
            }
        }
        rest = after;
    }
}

/// How many bytes at the beginning need no escape.
fn clean_len(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    let clean = words
        .iter()
        .take_while(|word| !has_special(u64::from_le_bytes(**word)))
        .count();
    // Most often it is all of it: what is left is asked as a word, too.
    let mut last = [b' '; 8];
    last[..tail.len()].copy_from_slice(tail);
    if clean == words.len() && !has_special(u64::from_le_bytes(last)) {
        return bytes.len();
    }
    let clean = clean * 8;
    let rest = bytes[clean..].iter().take_while(|byte| !is_special(**byte));
    clean + rest.count()
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f)
}

/// Whether one of eight bytes is special. Never misses one; the byte after one may count as well.
fn has_special(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let below = |limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let equal = |byte: u8| {
        let zero = word ^ (ONES * u64::from(byte));
        zero.wrapping_sub(ONES) & !zero
    };
    (below(0x20) | equal(b'"') | equal(b'\\') | equal(0x7f)) & TOPS != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(out: &[u8]) -> serde_json::Value {
        serde_json::from_slice(out).expect("valid JSON")
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_itself(text in any::<String>()) {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert_eq!(parsed(&out), text);
        }

        #[test]
        fn any_byte_in_any_place_is_found(text in "[ -\u{82}]{0,40}|[\u{0}-\u{82}]{0,40}") {
            let first = text.bytes().position(is_special).unwrap_or(text.len());
            prop_assert_eq!(clean_len(text.as_bytes()), first);
        }

        #[test]
        fn any_float_is_valid_json(value in any::<f64>()) {
            let mut out = Vec::new();
            float(&mut out, value);
            prop_assert_eq!(parsed(&out).is_number(), value.is_finite());
            if value.is_finite() {
                let text = std::str::from_utf8(&out).expect("ASCII");
                prop_assert_eq!(text.parse(), Ok(value));
            }
        }

        #[test]
        fn any_integer_is_written_like_the_library_does(value in any::<i64>()) {
            let mut out = Vec::new();
            integer(&mut out, value.unsigned_abs(), value < 0);
            prop_assert_eq!(out, value.to_string().into_bytes());
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut out = Vec::new();
        string(&mut out, "a\u{0}\u{1b}[31m\u{7f}");
        assert_eq!(out, br#""a\u0000\u001b[31m\u007f""#);
    }
}
