//! Tower layers that give each HTTP exchange one span, one duration and one outcome.
//!
//! [`ServerLayer`] is the paved path: it reads the caller's trace context, opens the root span,
//! runs the inner service inside its context, and watches the response to the last frame of its
//! body, its error or its drop. Span and metric end together, exactly once.
//!
//! It knows no SDK: what happens is told to the [`Recorder`](campanile_recorder::Recorder) that
//! it was given.

mod begin;
mod body_size;
mod capture;
pub mod client;
mod grpc;
mod head;
mod kept;
mod layers;
mod observe;
mod proxies;
mod request_id;
mod route;
mod server;
mod settings;
mod timeout;

pub use body_size::{CountRequestBody, RequestBody, RequestBodyLayer};
pub use client::{Client, ClientLayer};
pub use layers::{ExtractLayer, MetricsLayer, TraceLayer};
pub use observe::{ResponseBody, ResponseFuture};
pub use proxies::{InvalidProxy, TrustedProxies};
pub use request_id::{RequestIdFuture, RequestIdLayer, SetRequestId};
pub use route::{RouteLayer, Routed};
pub use server::{Server, ServerLayer};
pub use settings::{Observe, TraceResponse};

pub use campanile_recorder::AccessLog;
pub use campanile_redaction::CONVENTIONAL_KEYS as CONVENTIONAL_QUERY_KEYS;
pub use timeout::TimedOut;

/// The chapters of the guide, compiled.
#[cfg(all(doctest, feature = "axum"))]
mod guide {
    macro_rules! chapters {
        ($($name:ident = $path:literal),+ $(,)?) => {
            $(#[doc = include_str!($path)] struct $name;)+
        };
    }

    chapters! {
        Server = "../../docs/guide/http-server.md",
        Client = "../../docs/guide/http-client.md",
        Trust = "../../docs/guide/trust-and-privacy.md",
        Baggage = "../../docs/guide/baggage.md",
    }
}
