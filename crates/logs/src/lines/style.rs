//! How names and values are written: for machines, or for people.

use std::fmt;
use std::str::FromStr;

use crate::json;

/// How a line looks.
///
/// ```
/// use campanile_logs::Format;
///
/// assert_eq!("pretty".parse(), Ok(Format::Pretty));
/// assert!("yaml".parse::<Format>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// One JSON object, for machines: the contract.
    #[default]
    Json,
    /// Short text, for a terminal.
    Pretty,
}

/// A word that is no [`Format`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownFormat(String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is no log format: write json or pretty", self.0)
    }
}

impl std::error::Error for UnknownFormat {}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        match word {
            "json" => Ok(Self::Json),
            "pretty" => Ok(Self::Pretty),
            _ => Err(UnknownFormat(word.to_owned())),
        }
    }
}

impl Format {
    /// Begins one more field.
    pub(super) fn name(self, out: &mut Vec<u8>, name: &str) {
        match self {
            Self::Json => {
                out.extend_from_slice(b",\"");
                json::escaped(out, name);
                out.extend_from_slice(b"\":");
            }
            Self::Pretty => {
                out.push(b' ');
                readable(out, name);
                out.push(b'=');
            }
        }
    }

    /// Appends text as a value.
    pub(super) fn string(self, out: &mut Vec<u8>, text: &str) {
        let is_word = || {
            let plain = |c: char| !matches!(c, '"' | '=' | '\\') && !c.is_whitespace();
            !text.is_empty() && text.chars().all(plain)
        };
        match self {
            Self::Json => json::string(out, text),
            Self::Pretty if is_word() => readable(out, text),
            Self::Pretty => {
                out.push(b'"');
                readable(out, &text.replace('\\', "\\\\").replace('"', "\\\""));
                out.push(b'"');
            }
        }
    }

    /// Appends a float as a value.
    pub(super) fn float(self, out: &mut Vec<u8>, value: f64) {
        match self {
            Self::Json => json::float(out, value),
            Self::Pretty => json::plain(out, format_args!("{value:?}")),
        }
    }
}

/// Appends text with nothing in it that a terminal would obey: control characters, and those that
/// turn the direction of writing.
pub(super) fn readable(out: &mut Vec<u8>, text: &str) {
    for part in text.split_inclusive(is_obeyed) {
        let obeyed = part.chars().next_back().filter(|c| is_obeyed(*c));
        let plain = part.len() - obeyed.map_or(0, char::len_utf8);
        out.extend_from_slice(&part.as_bytes()[..plain]);
        if let Some(obeyed) = obeyed {
            json::plain(out, format_args!("{}", obeyed.escape_default()));
        }
    }
}

fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
