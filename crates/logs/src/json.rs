//! Appends JSON to a buffer. Whatever goes in, valid JSON comes out.

use std::fmt::{self, Write};

/// Appends `text` as a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// Appends what `value` displays as a JSON string, without an intermediate `String`.
///
/// A `Display` that fails half-way leaves what it had written.
pub(crate) fn display(out: &mut Vec<u8>, value: fmt::Arguments<'_>) {
    out.push(b'"');
    let _ = Escaping(out).write_fmt(value);
    out.push(b'"');
}

/// Appends a float; JSON has no word for NaN and infinity, so they are text.
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        // `Debug` keeps the point or exponent that tells a float from an integer.
        plain(out, format_args!("{value:?}"));
    } else {
        display(out, format_args!("{value}"));
    }
}

/// Appends something that is JSON as it is displayed: an integer, `true`, `null`.
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

struct Escaping<'a>(&'a mut Vec<u8>);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escaped(self.0, text);
        Ok(())
    }
}

fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut clean_from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f | 0x7f => &[],
            _ => continue,
        };
        out.extend_from_slice(&bytes[clean_from..at]);
        if escape.is_empty() {
            plain(out, format_args!("\\u{byte:04x}"));
        } else {
            out.extend_from_slice(escape);
        }
        clean_from = at + 1;
    }
    out.extend_from_slice(&bytes[clean_from..]);
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
        fn any_float_is_valid_json(value in any::<f64>()) {
            let mut out = Vec::new();
            float(&mut out, value);
            prop_assert_eq!(parsed(&out).is_number(), value.is_finite());
            if value.is_finite() {
                let text = std::str::from_utf8(&out).expect("ASCII");
                prop_assert_eq!(text.parse(), Ok(value));
            }
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut out = Vec::new();
        string(&mut out, "a\u{0}\u{1b}[31m\u{7f}");
        assert_eq!(out, br#""a\u0000\u001b[31m\u007f""#);
    }
}
