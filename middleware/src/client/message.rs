//! What the layer has to know of a request and of a response, whatever their types.

use std::borrow::Cow;

use campanile_recorder::Answer;
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body::Body;

use super::Attempts;
use crate::head::{peer, protocol};

/// Where a request goes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Destination<'a> {
    url: Option<Cow<'a, str>>,
    address: Option<Cow<'a, str>>,
    port: Option<u16>,
}

impl<'a> Destination<'a> {
    /// Takes an absolute URL, its host (an IPv6 address with or without brackets) and its port.
    pub fn new(url: impl Into<Cow<'a, str>>, host: &'a str, port: Option<u16>) -> Self {
        Self {
            url: Some(url.into()),
            address: Some(Cow::Borrowed(without_brackets(host))),
            port,
        }
    }

    /// The absolute URL, as it is: nothing is redacted yet.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The host; an IPv6 address has no brackets.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// The port, that of the scheme when the URL names none.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// A request on its way out.
pub trait OutgoingRequest {
    /// The method.
    fn method(&self) -> &Method;

    /// The headers, for the trace context to be written into.
    fn headers_mut(&mut self) -> &mut HeaderMap;

    /// Where it goes; `origin` is the setting of the layer, for requests that do not tell.
    fn destination(&self, origin: Option<&Uri>) -> Destination<'_>;

    /// The count of attempts that the request carries.
    fn attempts(&self) -> Option<&Attempts> {
        None
    }

    /// The payload bytes of its body, when they are known.
    fn body_size(&self) -> Option<u64>;
}

/// A response whose head has come.
pub trait ReceivedResponse {
    /// What its head says.
    fn answer(&self) -> Answer;

    /// The payload bytes of its body, when they are known.
    fn body_size(&self) -> Option<u64>;
}

impl<B: Body> OutgoingRequest for Request<B> {
    fn method(&self) -> &Method {
        self.method()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }

    fn destination(&self, origin: Option<&Uri>) -> Destination<'_> {
        let uri = self.uri();
        if let Some(authority) = uri.authority() {
            return absolute(uri, authority);
        }
        let scheme = origin.and_then(Uri::scheme_str).unwrap_or("http");
        let host = self.headers().get(header::HOST);
        let host = host.and_then(|value| Authority::try_from(value.as_bytes()).ok());
        host.as_ref()
            .or(origin.and_then(Uri::authority))
            .map_or_else(Destination::default, |authority| Destination {
                url: Some(format!("{scheme}://{authority}{uri}").into()),
                address: Some(without_brackets(authority.host()).to_owned().into()),
                port: authority.port_u16().or(default_port(scheme)),
            })
    }

    fn attempts(&self) -> Option<&Attempts> {
        self.extensions().get()
    }

    fn body_size(&self) -> Option<u64> {
        self.body().size_hint().exact()
    }
}

/// The target in absolute form, or that of a CONNECT, which has no URL.
fn absolute<'a>(uri: &Uri, authority: &'a Authority) -> Destination<'a> {
    let scheme = uri.scheme_str();
    Destination {
        url: scheme.map(|_| uri.to_string().into()),
        address: Some(without_brackets(authority.host()).into()),
        port: authority
            .port_u16()
            .or_else(|| default_port(scheme.unwrap_or("https"))),
    }
}

fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

impl<B: Body> ReceivedResponse for Response<B> {
    fn answer(&self) -> Answer {
        Answer {
            status: self.status().as_u16(),
            version: protocol(self.version()),
            peer: peer(self.extensions()),
        }
    }

    fn body_size(&self) -> Option<u64> {
        self.body().size_hint().exact()
    }
}
