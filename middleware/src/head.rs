//! What the head of a request says, as the semantic conventions name it.

use std::net::SocketAddr;

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
    /// Those of the trace context; none when a header is repeated, as only a search can tell then.
    context: campanile_propagation::Lines<'a>,
    is_repeated: bool,
}

/// Up to this many headers one walk over them is cheaper than a search for each name.
const MAX_WALK: usize = 24;

impl<'a> Lines<'a> {
    #[inline]
    pub(crate) fn read(headers: &'a HeaderMap) -> Self {
        // no name is repeated when there are as many names as values
        if headers.len() != headers.keys_len() || headers.len() > MAX_WALK {
            return Self::search(headers);
        }
        let (mut host, mut user_agent, mut has_upgrade) = (None, None, false);
        let mut context = campanile_propagation::Lines::default();
        for (name, value) in headers {
            // the names that `http` knows are told apart without their text
            if *name == header::HOST {
                host = Some(value);
            } else if *name == header::USER_AGENT {
                user_agent = Some(value);
            } else if *name == header::UPGRADE {
                has_upgrade = true;
            } else {
                match name.as_str() {
                    campanile_semconv::header::BAGGAGE => context.baggage = Some(value),
                    campanile_semconv::header::TRACESTATE => context.tracestate = Some(value),
                    campanile_semconv::header::TRACEPARENT => context.traceparent = Some(value),
                    _ => {}
                }
            }
        }
        Self {
            host,
            user_agent,
            has_upgrade,
            context,
            is_repeated: false,
        }
    }

    #[cold]
    fn search(headers: &'a HeaderMap) -> Self {
        Self {
            host: headers.get(header::HOST),
            user_agent: headers.get(header::USER_AGENT),
            has_upgrade: headers.contains_key(header::UPGRADE),
            context: campanile_propagation::Lines::default(),
            is_repeated: true,
        }
    }

    /// Those of the trace context, unless a header [is repeated](Self::is_repeated).
    #[inline]
    pub(crate) fn context(&self) -> campanile_propagation::Lines<'a> {
        self.context
    }

    /// Whether a header is repeated, so that only a search finds all of it.
    #[inline]
    pub(crate) fn is_repeated(&self) -> bool {
        self.is_repeated
    }

    /// Host and port that the client asked for: `:authority` before `Host`.
    #[inline]
    pub(crate) fn authority(&self, uri: &'a Uri) -> Option<&'a [u8]> {
        match uri.authority() {
            Some(authority) => Some(authority.as_str().as_bytes()),
            None => self.host.map(HeaderValue::as_bytes),
        }
    }

    /// The user-agent header.
    #[inline]
    pub(crate) fn user_agent(&self) -> Option<&'a [u8]> {
        self.user_agent.map(HeaderValue::as_bytes)
    }

    /// Whether the request asks to leave HTTP: `Upgrade` in HTTP/1.1, CONNECT in HTTP/2.
    pub(crate) fn asks_for_upgrade(&self, method: &http::Method) -> bool {
        self.has_upgrade || method == http::Method::CONNECT
    }
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
