//! Names the route from inside, for a [`ServerLayer`](crate::ServerLayer) that sits outside.

use std::task::{Context, Poll};

use campanile_recorder::Route;
use http::{Extensions, Request};
use tower_layer::Layer;
use tower_service::Service;

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
    template: Option<&'static str>,
    domain: Option<&'static str>,
}

impl RouteLayer {
    /// Creates a layer that tells the template that the framework matched.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells also the domain these routes belong to, such as `chat`.
    pub fn domain(mut self, name: &'static str) -> Self {
        self.domain = Some(name);
        self
    }

    /// Tells this template, where no framework matches routes.
    pub fn template(mut self, template: &'static str) -> Self {
        self.template = Some(template);
        self
    }
}

impl<S> Layer<S> for RouteLayer {
    type Service = Routed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Routed {
            inner,
            layer: *self,
        }
    }
}

/// Tells the route of a request. See [`RouteLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Routed<S> {
    inner: S,
    layer: RouteLayer,
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
        let template = self
            .layer
            .template
            .or_else(|| template(request.extensions()));
        Route::refine(template, self.layer.domain);
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
