//! Trace and span identifiers, in the lower-case hex that every tool prints.

use std::fmt;
use std::str::FromStr;

/// The 16 bytes that all spans of one trace share.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TraceId(pub [u8; 16]);

/// The 8 bytes that name one span within its trace.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SpanId(pub [u8; 8]);

/// A text that is not an identifier.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ParseIdError {
    digits: usize,
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected an id of {} hex digits", self.digits)
    }
}

impl std::error::Error for ParseIdError {}

macro_rules! id {
    ($name:ident, $len:literal) => {
        impl $name {
            /// Says whether it is not all zeros, which no real id is.
            pub fn is_valid(&self) -> bool {
                self.0 != [0; $len]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; $len];
                match parse_hex(text, &mut bytes) {
                    Some(()) => Ok(Self(bytes)),
                    None => Err(ParseIdError { digits: $len * 2 }),
                }
            }
        }
    };
}

id!(TraceId, 16);
id!(SpanId, 8);

/// Writes bytes as lower-case hex.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads exactly as many hex digits, of either case, as `into` has room for.
fn parse_hex(text: &str, into: &mut [u8]) -> Option<()> {
    let text = text.as_bytes();
    if text.len() != into.len() * 2 {
        return None;
    }
    for (byte, digits) in into.iter_mut().zip(text.chunks_exact(2)) {
        let high = char::from(digits[0]).to_digit(16)?;
        let low = char::from(digits[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(())
}
