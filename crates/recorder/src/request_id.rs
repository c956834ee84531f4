//! The id of a request, as the logs and the response carry it.

use http::HeaderValue;
use opentelemetry::Context;

const MAX_LENGTH: usize = 64;

/// The id of a request: at most 64 visible ASCII characters.
///
/// The layer that knows it puts it into the request's extensions and into the context, so that
/// handlers and log lines find it.
#[derive(Clone, Debug, Eq)]
pub struct RequestId {
    text: HeaderValue,
    is_random: bool,
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl RequestId {
    /// Takes an id that a caller sent; `None` when it is empty, too long, or not visible ASCII.
    pub fn from_header(value: &HeaderValue) -> Option<Self> {
        let text = value.as_bytes();
        let is_fit =
            (1..=MAX_LENGTH).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        is_fit.then(|| Self {
            text: value.clone(),
            is_random: false,
        })
    }

    /// Makes a new one: 32 hexadecimal digits, random but not secret.
    pub fn random() -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        let bytes = fastrand::u128(..).to_be_bytes();
        for (digits, byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
            *digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
        }
        Self {
            text: HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("-")),
            is_random: true,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.text.to_str().unwrap_or_default()
    }

    /// The text as a header value.
    pub fn as_header(&self) -> &HeaderValue {
        &self.text
    }

    /// Whether it was made here, and so holds nothing that anyone has written.
    pub fn is_random(&self) -> bool {
        self.is_random
    }

    /// The id of the request that `context` belongs to.
    pub fn of(context: &Context) -> Option<&Self> {
        context.get::<Self>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_short_visible_text_is_an_id() {
        let take = |text: &[u8]| RequestId::from_header(&HeaderValue::from_bytes(text).unwrap());
        assert_eq!(take(b"abc-123").unwrap().as_str(), "abc-123");
        assert!(take(&[b'a'; 64]).is_some());
        for bad in [&b""[..], b"a b", b"\xff", b"a\tb", &[b'a'; 65]] {
            assert_eq!(take(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn random_ids_differ_and_are_fit_to_be_sent() {
        let (one, two) = (RequestId::random(), RequestId::random());
        assert_ne!(one, two);
        assert_eq!(RequestId::from_header(one.as_header()), Some(one));
    }
}
