//! Names the route from inside, for a [`ServerLayer`](crate::ServerLayer) that sits outside.
//!
//! The outer layer polls the inner service on the same thread, so the route in question is a
//! thread-local for the length of a poll: no allocation, nothing shared.

use std::borrow::Cow;
use std::cell::Cell;
use std::task::{Context, Poll};

use campanile_recorder::{Route, RouteKey};
use http::{Extensions, Request};
use tower_layer::Layer;
use tower_service::Service;

thread_local! {
    static CURRENT: Cell<Option<&'static Route>> = const { Cell::new(None) };
}

/// Makes `route` the one in question until the scope is left.
pub(crate) struct Scope {
    outer: Option<&'static Route>,
}

impl Scope {
    pub(crate) fn enter(route: &'static Route) -> Self {
        Self {
            outer: CURRENT.replace(Some(route)),
        }
    }

    /// The route as it is known now.
    pub(crate) fn route(&self) -> Option<&'static Route> {
        CURRENT.get()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

/// Tells the route template, and optionally the domain, to the layer outside.
///
/// Put it on a router with `Router::route_layer`, where axum knows the matched template:
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, routing::get};
/// use campanile_http::RouteLayer;
///
/// let chat: Router = Router::new()
///     .route("/rooms/{id}", get(|| async { "hello" }))
///     .route_layer(RouteLayer::new().domain("chat"));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteLayer {
    domain: Option<&'static str>,
}

impl RouteLayer {
    /// Creates a layer that tells the matched template.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells also the domain these routes belong to, such as `chat`.
    pub fn domain(mut self, name: &'static str) -> Self {
        self.domain = Some(name);
        self
    }
}

impl<S> Layer<S> for RouteLayer {
    type Service = Routed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Routed {
            inner,
            domain: self.domain,
        }
    }
}

/// Tells the route of a request. See [`RouteLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Routed<S> {
    inner: S,
    domain: Option<&'static str>,
}

impl<S, B> Service<Request<B>> for Routed<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(route) = CURRENT.get() {
            let known = route.template().map(Cow::Borrowed);
            CURRENT.set(Some(Route::find(&RouteKey {
                method: route.method(),
                version: route.version(),
                scheme: route.scheme(),
                template: template(request.extensions()).map(Cow::Borrowed).or(known),
                domain: self.domain.or(route.domain()),
            })));
        }
        self.inner.call(request)
    }
}

/// The matched template, where the framework tells one.
pub(crate) fn template(extensions: &Extensions) -> Option<&str> {
    #[cfg(feature = "axum")]
    if let Some(matched) = extensions.get::<axum::extract::MatchedPath>() {
        return Some(matched.as_str());
    }
    let _ = extensions;
    None
}
