//! Gives every request an id, and returns it with the response.
//!
//! [`ServerLayer::request_id`](crate::ServerLayer::request_id) does the same within the paved
//! path; this layer is for services that want nothing else.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use campanile_recorder::RequestId;
use http::{HeaderName, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Applies [`SetRequestId`] to a service.
///
/// An id that the caller sent is kept when it is at most 64 visible ASCII characters, so that one
/// id follows a call through several services. Handlers find it in the request's extensions, log
/// lines in the context.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestIdLayer;

impl RequestIdLayer {
    /// Creates the layer.
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = SetRequestId<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SetRequestId { inner }
    }
}

/// Gives every request an id. See [`RequestIdLayer`].
#[derive(Clone, Debug)]
pub struct SetRequestId<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for SetRequestId<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RequestIdFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let sent = request
            .headers()
            .get(X_REQUEST_ID)
            .and_then(RequestId::from_header);
        let id = sent.unwrap_or_else(RequestId::random);
        request
            .headers_mut()
            .insert(X_REQUEST_ID, id.as_header().clone());
        request.extensions_mut().insert(id.clone());
        let context = opentelemetry::Context::current_with_value(id.clone());
        let inner = {
            let _attached = context.clone().attach();
            self.inner.call(request)
        };
        RequestIdFuture { inner, id, context }
    }
}

pin_project! {
    /// Response future of [`SetRequestId`].
    #[derive(Debug)]
    pub struct RequestIdFuture<F> {
        #[pin]
        inner: F,
        id: RequestId,
        context: opentelemetry::Context,
    }
}

impl<F, R, E> Future for RequestIdFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _attached = this.context.clone().attach();
        let mut response = ready!(this.inner.poll(cx))?;
        response
            .headers_mut()
            .insert(X_REQUEST_ID, this.id.as_header().clone());
        Poll::Ready(Ok(response))
    }
}
