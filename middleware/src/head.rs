//! What the head of a request says, as the semantic conventions name it.

use std::net::SocketAddr;

use campanile_propagation::{Extracted, Formats};
use campanile_recorder::{Method, RouteKey};
use campanile_semconv::attribute;
use http::{Extensions, HeaderMap, HeaderValue, Uri, Version, header};
use opentelemetry::KeyValue;

/// The kind of request, as far as its head tells; template and domain are known elsewhere.
pub(crate) fn key(
    method: &http::Method,
    version: Version,
    uri: &Uri,
    https: bool,
) -> RouteKey<'static> {
    RouteKey {
        method: Method::of(method),
        version: protocol(version),
        scheme: scheme(uri, https),
        template: None,
        domain: None,
    }
}

/// `network.protocol.version`: `2`, not `2.0`.
pub(crate) fn protocol(version: Version) -> Option<&'static str> {
    Some(match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => return None,
    })
}

fn scheme(uri: &Uri, https: bool) -> &'static str {
    match uri.scheme_str() {
        Some("https") => "https",
        Some("http") => "http",
        _ if https => "https",
        _ => "http",
    }
}

/// The headers that are looked at in every request.
#[derive(Default)]
pub(crate) struct Lines<'a> {
    host: Option<&'a HeaderValue>,
    user_agent: Option<&'a HeaderValue>,
    has_upgrade: bool,
    /// Those of the trace context; `None` when only a search can tell, as a header is repeated.
    context: Option<campanile_propagation::Lines<'a>>,
}

/// Up to this many headers one walk over them is cheaper than a search for each name.
const MAX_WALK: usize = 24;

impl<'a> Lines<'a> {
    pub(crate) fn read(headers: &'a HeaderMap) -> Self {
        // no name is repeated when there are as many names as values
        if headers.len() != headers.keys_len() || headers.len() > MAX_WALK {
            return Self::search(headers);
        }
        let mut lines = Self::default();
        let mut context = campanile_propagation::Lines::default();
        for (name, value) in headers {
            let name = name.as_str();
            match name.len() {
                4 if name == "host" => lines.host = Some(value),
                7 if name == campanile_semconv::header::BAGGAGE => context.baggage = Some(value),
                7 if name == "upgrade" => lines.has_upgrade = true,
                10 if name == "user-agent" => lines.user_agent = Some(value),
                10 if name == campanile_semconv::header::TRACESTATE => {
                    context.tracestate = Some(value);
                }
                11 if name == campanile_semconv::header::TRACEPARENT => {
                    context.traceparent = Some(value);
                }
                _ => {}
            }
        }
        lines.context = Some(context);
        lines
    }

    #[cold]
    fn search(headers: &'a HeaderMap) -> Self {
        Self {
            host: headers.get(header::HOST),
            user_agent: headers.get(header::USER_AGENT),
            has_upgrade: headers.contains_key(header::UPGRADE),
            context: None,
        }
    }

    /// What they say about the caller.
    pub(crate) fn extract(&self, formats: Formats, headers: &HeaderMap) -> Extracted {
        match self.context {
            Some(lines) => formats.extract_lines(lines),
            None => formats.extract(headers),
        }
    }

    /// Host and port that the client asked for: `:authority` before `Host`.
    pub(crate) fn server(&self, uri: &'a Uri) -> (Option<&'a str>, Option<u16>) {
        let text = match uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => self
                .host
                .and_then(|value| std::str::from_utf8(value.as_bytes()).ok()),
        };
        text.map_or((None, None), host_and_port)
    }

    /// The user-agent header, when it is text.
    pub(crate) fn user_agent(&self) -> Option<&'a str> {
        std::str::from_utf8(self.user_agent?.as_bytes()).ok()
    }

    /// Whether the request asks to leave HTTP: `Upgrade` in HTTP/1.1, CONNECT in HTTP/2.
    pub(crate) fn asks_for_upgrade(&self, method: &http::Method) -> bool {
        self.has_upgrade || method == http::Method::CONNECT
    }
}

/// Splits `host[:port]`. An IPv6 address loses its brackets; user information is cut off; without
/// a port there is none, rather than a guess.
#[inline]
pub(crate) fn host_and_port(text: &str) -> (Option<&str>, Option<u16>) {
    plain_host_and_port(text).unwrap_or_else(|| any_host_and_port(text))
}

/// A name or dotted quad, and maybe a port: nearly all there is.
#[inline]
fn plain_host_and_port(text: &str) -> Option<(Option<&str>, Option<u16>)> {
    let end = text.bytes().position(|byte| !NAME[usize::from(byte)]);
    let end = end.unwrap_or(text.len());
    let host = Some(&text[..end]).filter(|host| !host.is_empty())?;
    match text.as_bytes()[end..] {
        [] => Some((Some(host), None)),
        [b':', ref digits @ ..] if (1..=4).contains(&digits.len()) => {
            let mut port = 0;
            for digit in digits {
                let digit = digit.wrapping_sub(b'0');
                if digit > 9 {
                    return None;
                }
                port = 10 * port + u16::from(digit);
            }
            Some((Some(host), Some(port)))
        }
        _ => None,
    }
}

/// The bytes of a name or dotted quad.
static NAME: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        bytes[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        byte += 1;
    }
    bytes
};

#[cold]
fn any_host_and_port(text: &str) -> (Option<&str>, Option<u16>) {
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t'))
    {
        return (None, None);
    }
    let text = cut_last(text, b'@').map_or(text, |(_, host)| host);
    let (host, rest) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => cut_last(text, b':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let host = Some(host.trim()).filter(|host| !host.is_empty());
    (host, host.and(rest).and_then(|port| port.parse().ok()))
}

/// Splits at the last `at`. For texts this short a plain loop beats the search of the standard
/// library, which is made for long ones.
fn cut_last(text: &str, at: u8) -> Option<(&str, &str)> {
    let found = text.bytes().rposition(|byte| byte == at)?;
    Some((&text[..found], &text[found + 1..]))
}

/// The socket peer, where the framework tells it.
pub(crate) fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::ConnectInfo(peer)) = extensions.get() {
        return Some(*peer);
    }
    extensions.get::<SocketAddr>().copied()
}

/// What the path of a gRPC request says: `/package.Service/Method`.
pub(crate) fn rpc(path: &str) -> [KeyValue; 2] {
    [
        KeyValue::new(attribute::RPC_SYSTEM_NAME, "grpc"),
        KeyValue::new(
            attribute::RPC_METHOD,
            path.trim_start_matches('/').to_owned(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_come_from_the_same_text() {
        for (text, host, port) in [
            ("example.com", Some("example.com"), None),
            ("example.com:8080", Some("example.com"), Some(8080)),
            ("[::1]:8080", Some("::1"), Some(8080)),
            ("[::1]", Some("::1"), None),
            ("user:secret@example.com:1", Some("example.com"), Some(1)),
            ("example.com:http", Some("example.com"), None),
            ("example.com:99999", Some("example.com"), None),
            (":80", None, None),
            ("", None, None),
        ] {
            assert_eq!(host_and_port(text), (host, port), "{text:?}");
        }
    }
}
