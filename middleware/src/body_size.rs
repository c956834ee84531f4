//! Counts what a handler reads of its request's body.
//!
//! The body's type changes, so this is a layer of its own, inside the
//! [`ServerLayer`](crate::ServerLayer) that reports the number.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// The bytes read so far, shared between the counting body and the exchange.
#[derive(Clone, Debug)]
pub(crate) struct RequestBytes(Arc<AtomicU64>);

/// Nobody counts.
const UNCOUNTED: u64 = u64::MAX;

impl RequestBytes {
    /// What was read, where there is a layer that counts.
    pub(crate) fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|bytes| *bytes != UNCOUNTED)
    }
}

impl Default for RequestBytes {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(UNCOUNTED)))
    }
}

/// Applies [`CountRequestBody`] to a service: put it inside a layer with
/// [`body_sizes`](crate::ServerLayer::body_sizes).
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestBodyLayer;

impl RequestBodyLayer {
    /// Creates the layer.
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for RequestBodyLayer {
    type Service = CountRequestBody<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountRequestBody { inner }
    }
}

/// Counts request bodies as they are read. See [`RequestBodyLayer`].
#[derive(Clone, Debug)]
pub struct CountRequestBody<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for CountRequestBody<S>
where
    S: Service<Request<RequestBody<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let bytes = request
            .extensions()
            .get::<RequestBytes>()
            .cloned()
            .unwrap_or_default();
        bytes.0.store(0, Ordering::Relaxed);
        self.inner
            .call(request.map(|inner| RequestBody { inner, bytes }))
    }
}

pin_project! {
    /// A request body that counts its data frames.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        bytes: RequestBytes,
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        if let Some(Ok(Some(data))) = frame
            .as_ref()
            .map(|frame| frame.as_ref().map(Frame::data_ref))
        {
            this.bytes
                .0
                .fetch_add(data.remaining() as u64, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
