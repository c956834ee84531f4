//! The `ws-resume` header of native clients.

use std::fmt;

use super::NEW;

/// What a client asks for in its `ws-resume` header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked<'a> {
    /// A session that can be resumed later: `new`.
    New,
    /// To go on with one: `<token>;seq=<number>`.
    Resume {
        /// The token; empty when the header could not be read, so that it is refused as invalid.
        token: &'a str,
        /// The number of the last message that was handed to the application.
        seq: u32,
    },
}

impl<'a> Asked<'a> {
    /// Reads a header's value; whatever is not of this form brings a token that is not valid.
    pub fn parse(value: &'a str) -> Self {
        let value = value.trim_matches([' ', '\t']);
        if value == NEW {
            return Self::New;
        }
        let parts = value.split_once(";seq=");
        let read = parts.and_then(|(token, seq)| Some((token, digits(seq)?)));
        let (token, seq) = read.unwrap_or_default();
        Self::Resume { token, seq }
    }
}

/// A number in digits alone: no sign.
fn digits(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str(NEW),
            Self::Resume { token, seq } => write!(f, "{token};seq={seq}"),
        }
    }
}
