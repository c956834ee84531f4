//! What the head of a request says, as the semantic conventions name it.

use std::net::SocketAddr;

use campanile_recorder::{Method, RouteKey};
use campanile_semconv::attribute;
use http::{Extensions, HeaderMap, Uri, Version, header};
use opentelemetry::KeyValue;

/// The kind of request, as far as its head tells; template and domain are known elsewhere.
pub(crate) fn key(
    method: &http::Method,
    version: Version,
    uri: &Uri,
    https: bool,
) -> RouteKey<'static> {
    RouteKey {
        method: Method::new(method.as_str()),
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

/// Host and port that the client asked for: `:authority` before `Host`.
pub(crate) fn server<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> (Option<&'a str>, Option<u16>) {
    let text = match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok()),
    };
    text.map_or((None, None), host_and_port)
}

/// Splits `host[:port]`. An IPv6 address loses its brackets; user information is cut off; without
/// a port there is none, rather than a guess.
pub(crate) fn host_and_port(text: &str) -> (Option<&str>, Option<u16>) {
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

/// The user-agent header, when it is text.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<&str> {
    std::str::from_utf8(headers.get(header::USER_AGENT)?.as_bytes()).ok()
}

/// The socket peer, where the framework tells it.
pub(crate) fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::ConnectInfo(peer)) = extensions.get() {
        return Some(*peer);
    }
    extensions.get::<SocketAddr>().copied()
}

/// Whether the request asks to leave HTTP: `Upgrade` in HTTP/1.1, CONNECT in HTTP/2.
pub(crate) fn asks_for_upgrade(method: &http::Method, headers: &HeaderMap) -> bool {
    method == http::Method::CONNECT || headers.contains_key(header::UPGRADE)
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
