//! Counts how often the same request was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

/// How often a request was sent, shared by all copies of it.
///
/// A layer that repeats a request clones it together with its extensions. So the count lives in
/// an extension: [`ClientLayer`](super::ClientLayer), inside, adds one for each attempt that
/// passes and reports it as `http.request.resend_count`.
#[derive(Clone, Debug, Default)]
pub struct Attempts(Arc<AtomicU32>);

impl Attempts {
    /// Counts one more, and says how many there were before.
    pub(super) fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Gives each request its [`Attempts`]. Put it outside of whatever repeats requests.
///
/// ```
/// use campanile_http::ClientLayer;
/// use campanile_http::client::AttemptsLayer;
/// use tower::ServiceBuilder;
///
/// # #[derive(Clone)] struct ThreeTimes;
/// # use tower::retry::{Policy, RetryLayer};
/// # impl<Q, R, E> Policy<Q, R, E> for ThreeTimes {
/// #     type Future = std::future::Ready<()>;
/// #     fn retry(&mut self, _: &mut Q, _: &mut Result<R, E>) -> Option<Self::Future> { None }
/// #     fn clone_request(&mut self, _: &Q) -> Option<Q> { None }
/// # }
/// let layers = ServiceBuilder::new()
///     .layer(AttemptsLayer)
///     .layer(RetryLayer::new(ThreeTimes))
///     .layer(ClientLayer::from_global());
/// # let _ = layers;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AttemptsLayer;

impl<S> Layer<S> for AttemptsLayer {
    type Service = CountAttempts<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountAttempts { inner }
    }
}

/// Gives each request its [`Attempts`]. See [`AttemptsLayer`].
#[derive(Clone, Copy, Debug)]
pub struct CountAttempts<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for CountAttempts<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(Attempts::default());
        self.inner.call(request)
    }
}
