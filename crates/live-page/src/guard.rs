//! Who may ask, and what a browser may do with the answer.
//!
//! The page listens on loopback, but a web site can point its own name at 127.0.0.1 (DNS rebinding) and have the
//! browser ask for it. So the `Host` of every request must be one the owner expects. The headers then close what a
//! hostile telemetry value could try from within the page.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use axum::middleware::Next;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// The names under which the page may be asked for, without a port.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Arc<[String]>);

impl Hosts {
    /// Loopback under its usual names, and `more`.
    pub(crate) fn new(more: impl IntoIterator<Item = String>) -> Self {
        let usual = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        Self(
            usual
                .into_iter()
                .chain(more.into_iter().map(|host| host.to_lowercase()))
                .collect(),
        )
    }

    fn allow(&self, request: &Request<Body>) -> bool {
        let mut named = request.headers().get_all(header::HOST).iter();
        let host = named
            .next()
            .and_then(|host| host.to_str().ok())
            .or_else(|| {
                request
                    .uri()
                    .authority()
                    .map(|authority| authority.as_str())
            });
        // Two of them are a trick: proxies disagree about which one counts.
        named.next().is_none() && host.is_some_and(|host| self.know(host))
    }

    fn know(&self, host: &str) -> bool {
        let host = host.to_lowercase();
        let name = match host.rsplit_once(':') {
            Some((name, port))
                if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) =>
            {
                name
            }
            _ => host.as_str(),
        };
        self.0.iter().any(|known| known == name || *known == host)
    }
}

/// Lets a request pass whose host is known, and puts the headers on every answer, refusals included.
pub(crate) async fn check(hosts: Hosts, request: Request<Body>, next: Next) -> Response<Body> {
    let mut response = if hosts.allow(&request) {
        next.run(request).await
    } else {
        refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "this page answers to localhost only: open it by that name, or allow this host where the page is set up\n",
        )
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Says whether a request that changes something comes from the page itself.
pub(crate) fn is_same_origin(headers: &axum::http::HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match (
        text(HeaderName::from_static("sec-fetch-site")),
        text(header::ORIGIN),
    ) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => text(header::HOST).is_some_and(|host| {
            origin
                .split_once("://")
                .is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
        }),
        // Every browser sends one of the two with a POST; what sends neither is not a page somewhere else.
        (None, None) => true,
    }
}

pub(crate) fn refuse(status: StatusCode, words: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::from(words.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_known_by_name_with_any_port() {
        let hosts = Hosts::new(["Dev.Example:8443".to_owned(), "box.local".to_owned()]);
        for host in [
            "localhost",
            "LOCALHOST:3000",
            "127.0.0.1:1",
            "[::1]:9",
            "[::1]",
            "box.local:80",
            "dev.example:8443",
        ] {
            assert!(hosts.know(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io:80",
            "dev.example:1",
            "localhost:",
            "localhost:80:80",
            "::1",
        ] {
            assert!(!hosts.know(host), "{host}");
        }
    }
}
