//! Headers as attributes: only by name, and secrets only by asking twice.

use std::sync::Arc;

use campanile_semconv::attribute;
use http::{HeaderMap, HeaderName};
use opentelemetry::{Array, Key, KeyValue, StringValue, Value};

/// Headers that carry secrets or identities; refused unless asked for by the second call.
const SENSITIVE: &[&str] = &[
    "authorization",
    "cookie",
    "cookie2",
    "proxy-authenticate",
    "proxy-authorization",
    "set-cookie",
    "set-cookie2",
    "www-authenticate",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-xsrf-token",
];

/// The headers to capture of one side.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    prefix: &'static str,
    names: Vec<(HeaderName, Key)>,
}

impl Capture {
    pub(crate) fn requests() -> Self {
        Self {
            prefix: attribute::HTTP_REQUEST_HEADER,
            names: Vec::new(),
        }
    }

    pub(crate) fn responses() -> Self {
        Self {
            prefix: attribute::HTTP_RESPONSE_HEADER,
            names: Vec::new(),
        }
    }

    /// Adds a header, unless it is a sensitive one and that was not asked for.
    pub(crate) fn add(&mut self, name: HeaderName, even_if_sensitive: bool) {
        if SENSITIVE.contains(&name.as_str()) && !even_if_sensitive {
            tracing::warn!(
                header = name.as_str(),
                "a header that carries secrets is not captured: ask for it by the call named `sensitive`"
            );
            return;
        }
        let key: Arc<str> = format!("{}{name}", self.prefix).into();
        self.names.push((name, Key::from(key)));
    }

    /// Whether no header is captured.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The attributes for the captured headers that are there.
    pub(crate) fn read(&self, headers: &HeaderMap) -> impl Iterator<Item = KeyValue> {
        self.names.iter().filter_map(|(name, key)| {
            let values: Vec<StringValue> = headers
                .get_all(name)
                .iter()
                .map(|value| {
                    String::from_utf8_lossy(value.as_bytes())
                        .into_owned()
                        .into()
                })
                .collect();
            let is_there = !values.is_empty();
            is_there.then(|| KeyValue::new(key.clone(), Value::Array(Array::String(values))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_needs_the_second_call() {
        let mut capture = Capture::requests();
        capture.add(http::header::AUTHORIZATION, false);
        capture.add(http::header::COOKIE, true);
        let mut headers = HeaderMap::new();
        headers.insert("authorization", http::HeaderValue::from_static("Bearer x"));
        headers.append("cookie", http::HeaderValue::from_static("a=1"));
        headers.append("cookie", http::HeaderValue::from_static("b=2"));
        let read: Vec<_> = capture.read(&headers).collect();
        let expected = Array::String(vec!["a=1".into(), "b=2".into()]);
        assert_eq!(
            read,
            [KeyValue::new(
                "http.request.header.cookie",
                Value::Array(expected)
            )]
        );
    }
}
