//! Passwords in URLs: `scheme://user:password@host`.

use super::{Find, end_of};
use crate::REDACTED;
use crate::kind::Kind;

pub(super) fn find(text: &[u8], finds: &mut Vec<Find>) {
    for colon in memchr::memmem::find_iter(text, b"://") {
        let start = colon + 3;
        let stop = end_of(text, start, |byte| {
            !matches!(
                byte,
                b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\'
            ) && !byte.is_ascii_whitespace()
        });
        let authority = &text[start..stop];
        let Some(at) = memchr::memrchr(b'@', authority) else {
            continue;
        };
        let Some(colon) = memchr::memchr(b':', &authority[..at]) else {
            continue;
        };
        let password = &authority[colon + 1..at];
        if !password.is_empty() && password != REDACTED.as_bytes() {
            finds.push(Find {
                range: start + colon + 1..start + at,
                kind: Kind::UrlPassword,
            });
        }
    }
}
