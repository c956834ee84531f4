//! Under which names this server answers.
//!
//! A web site can point its own name at this machine (DNS rebinding); its pages are then of the same
//! origin as this server, and read and write as a person here would. So the `Host` of a request is
//! `localhost`, an address, or a name that the owner gave. An address is nobody's to point elsewhere.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::Problem;

/// The names that are answered, beside `localhost` and every address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(Arc<[String]>);

impl Hosts {
    /// Answers these names too.
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Lets a request pass that asks for this server by a name it has.
    pub(crate) async fn check(self, request: Request, next: Next) -> Response {
        if self.allow(&request) {
            return next.run(request).await;
        }
        let detail = "this server does not answer to that name: open it by its address, or start it with --allow-host";
        Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
    }

    /// A request that names no host is of no browser.
    fn allow(&self, request: &Request) -> bool {
        let mut named = request.headers().get_all(header::HOST).iter();
        let known = match named.next() {
            Some(host) => host
                .to_str()
                .ok()
                .and_then(|host| host.parse().ok())
                .is_some_and(|host| self.know(&host)),
            None => request.uri().authority().is_none_or(|host| self.know(host)),
        };
        // Two of them are a trick: proxies disagree about which one counts.
        known && named.next().is_none()
    }

    fn know(&self, host: &Authority) -> bool {
        let name = host.host();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.0.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn allowed(hosts: &[&str]) -> bool {
        let mut request = Request::builder().uri("/rooms");
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let known = Hosts::new(["Chat.Example".to_owned()]);
        known.allow(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn localhost_addresses_and_names_that_were_given_are_answered_on_any_port() {
        for host in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1:1",
            "192.0.2.7:8080",
            "[::1]:9",
            "[2001:db8::1]",
            "chat.example:8443",
        ] {
            assert!(allowed(&[host]), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io:8080",
            "127.0.0.1:80:80",
            "me@evil.example",
            "[evil.example]",
            "sub.chat.example",
        ] {
            assert!(!allowed(&[host]), "{host}");
        }
        assert!(!allowed(&["localhost", "evil.example"]));
        assert!(!allowed(&["localhost", "localhost"]));
    }

    #[test]
    fn over_http_2_the_name_is_in_the_address() {
        let asked = |uri: &str| {
            let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
            Hosts::default().allow(&request)
        };
        assert!(asked("http://127.0.0.1:8080/rooms"));
        assert!(!asked("http://evil.example/rooms"));
    }
}
