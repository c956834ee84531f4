//! What the head of a request says, as the semantic conventions name it.

use std::borrow::Cow;
use std::net::SocketAddr;

use campanile_recorder::{Method, RouteKey};
use http::{Extensions, HeaderMap, Request, Uri, Version, header};

/// The kind of request, as far as its head tells.
pub(crate) fn key<'a, B>(
    request: &'a Request<B>,
    https: bool,
    domain: Option<&'static str>,
) -> RouteKey<'a> {
    RouteKey {
        method: Method::new(request.method().as_str()),
        version: version(request.version()),
        scheme: scheme(request.uri(), https),
        template: crate::route::template(request.extensions()).map(Cow::Borrowed),
        domain,
    }
}

/// `network.protocol.version`: `2`, not `2.0`.
fn version(version: Version) -> Option<&'static str> {
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
fn host_and_port(text: &str) -> (Option<&str>, Option<u16>) {
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let (host, rest) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => text
            .rsplit_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let host = Some(host.trim()).filter(|host| !host.is_empty());
    (host, host.and(rest).and_then(|port| port.parse().ok()))
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
pub(crate) fn asks_for_upgrade<B>(request: &Request<B>) -> bool {
    request.method() == http::Method::CONNECT || request.headers().contains_key(header::UPGRADE)
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
