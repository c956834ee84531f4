//! The one future and the one body that watch an exchange to its end.
//!
//! Everything that has to know about `Pin` and polling is here. The exchange moves from the future
//! into the body; wherever it is dropped, it ends.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use campanile_recorder::{Exchange, Outcome, RequestId, RouteScope, Sizes};
use campanile_semconv::{attribute, event};
use http::{HeaderMap, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use opentelemetry::KeyValue;
use pin_project_lite::pin_project;

use crate::body_size::RequestBytes;
use crate::kept::Kept;
use crate::request_id::X_REQUEST_ID;
use crate::server::Shared;
use crate::{TimedOut, grpc, timeout};

/// An exchange, and what its layer wants to do as it passes.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) exchange: Exchange<Shared>,
    pub(crate) options: Option<Box<Options>>,
    pub(crate) is_grpc: bool,
    /// What an undisturbed end is called.
    pub(crate) completed: Outcome,
}

/// What most layers are not asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) request_bytes: Option<RequestBytes>,
}

/// Whether a service does nothing when it is called, but only once its future is polled: axum's
/// routes. Then nothing can look at the context before.
pub(crate) fn is_lazy<S>() -> bool {
    std::any::type_name::<S>()
        .strip_prefix("axum::routing::route::Route")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('<'))
}

/// Runs `work` inside the context of `exchange`.
///
/// A panic in `work` ends the exchange as such while the stack unwinds, so that it does not matter
/// who catches the panic, or when what is left gets dropped.
#[inline]
pub(crate) fn within<T>(exchange: &mut Exchange<Shared>, work: impl FnOnce() -> T) -> T {
    struct Watch<'a> {
        exchange: &'a mut Exchange<Shared>,
        scope: RouteScope,
        /// The work came to its end. Whether the thread panics says less: what works here may be
        /// dropped, and finished, by somebody else's unwinding.
        is_done: bool,
    }

    impl Drop for Watch<'_> {
        #[inline]
        fn drop(&mut self) {
            if let Some(route) = self.scope.route() {
                self.exchange.set_route(route);
            }
            if !self.is_done {
                panicked(self.exchange);
            }
        }
    }

    #[cold]
    fn panicked(exchange: &mut Exchange<Shared>) {
        exception("panic");
        exchange.end(Outcome::Panic);
    }

    let _attached = exchange.context().clone().attach();
    let scope = RouteScope::enter(exchange.route());
    let mut watch = Watch {
        exchange,
        scope,
        is_done: false,
    };
    let result = work();
    watch.is_done = true;
    result
}

/// Tells the exception as a log event in the context of the exchange (semantic conventions,
/// exceptions: span events are deprecated). Of an error only its type is told.
fn exception(name: &str) {
    tracing::event!(
        name: event::HTTP_SERVER_REQUEST_EXCEPTION,
        tracing::Level::ERROR,
        { { attribute::EXCEPTION_TYPE } = name },
        "request failed"
    );
}

pin_project! {
    /// Response future of [`Server`](crate::Server).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        watched: Kept,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, watched: Kept) -> Self {
        Self { inner, watched }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(watched) = this.watched.get_mut() else {
            let response = ready!(this.inner.poll(cx));
            return Poll::Ready(response.map(|response| response.map(ResponseBody::unwatched)));
        };
        let result = ready!(within(&mut watched.exchange, || this.inner.poll(cx)));
        Poll::Ready(match result {
            Ok(response) => Ok(pass_head(std::mem::take(this.watched), response)),
            Err(error) => {
                watched.fail::<E>();
                *this.watched = Kept::default();
                Err(error)
            }
        })
    }
}

/// Looks at the head as it passes, and hands the exchange over to the body if one follows.
#[inline]
fn pass_head<R: Body>(mut kept: Kept, mut response: Response<R>) -> Response<ResponseBody<R>> {
    let Some(watched) = kept.get_mut() else {
        return response.map(ResponseBody::unwatched);
    };
    watched.exchange.head(response.status().as_u16());
    if watched.is_grpc {
        watched.grpc_status(response.headers());
    }
    if watched.options.is_some() || watched.exchange.owner().settings.looks_at_responses() {
        response = watched.pass_optional(response);
    }
    if response.extensions().get::<TimedOut>().is_some() {
        watched.completed = Outcome::Timeout;
    }
    let method = watched.exchange.route().method().as_str();
    if let Some(outcome) = end_at_head(response.status(), response.body(), method) {
        watched.count(0);
        let is_undisturbed = outcome == Outcome::Completed;
        watched.end(if is_undisturbed {
            watched.completed
        } else {
            outcome
        });
        return response.map(ResponseBody::unwatched);
    }
    let left = length(response.headers(), response.body());
    response.map(|inner| ResponseBody {
        inner,
        watched: kept,
        left,
        sent: 0,
    })
}

impl Watched {
    /// The handler has returned an error instead of a response.
    #[cold]
    fn fail<E>(&mut self) {
        within(&mut self.exchange, || {
            exception(std::any::type_name::<E>());
        });
        self.end(if timeout::is_timeout::<E>() {
            Outcome::Timeout
        } else {
            Outcome::HandlerError
        });
    }

    /// What the head adds to the span, and what the layer adds to the head, where it was asked to.
    #[cold]
    fn pass_optional<R>(&mut self, response: Response<R>) -> Response<R> {
        let (mut parts, body) = response.into_parts();
        let layer = self.exchange.owner().clone();
        let settings = &layer.settings;
        let captured = settings.response_headers.read(&parts.headers);
        self.exchange.add_attributes(captured);
        if let Some(hook) = &settings.on_response {
            self.exchange.add_attributes(hook(&parts));
        }
        if let Some(id) = self
            .options
            .as_ref()
            .and_then(|options| options.request_id.as_ref())
        {
            parts.headers.insert(X_REQUEST_ID, id.as_header().clone());
        }
        if let Some(how) = &settings.trace_response {
            parts.headers.extend(how.header(self.exchange.context()));
        }
        Response::from_parts(parts, body)
    }

    /// A gRPC status, in the head or in the trailers, decides over the status code.
    fn grpc_status(&mut self, headers: &HeaderMap) {
        let Some(name) = self.is_grpc.then(|| grpc::status(headers)).flatten() else {
            return;
        };
        if grpc::is_server_error(name) {
            self.exchange.fail(name);
        }
        if self.exchange.owner().settings.rpc {
            let status = KeyValue::new(attribute::RPC_STATUS_CODE, name);
            self.exchange.add_attributes([status]);
        }
    }

    fn count(&mut self, sent: u64) {
        let options = self.options.as_ref();
        if let Some(bytes) = options.and_then(|options| options.request_bytes.as_ref()) {
            let request = bytes.get();
            self.exchange.set_sizes(Sizes {
                request,
                response: Some(sent),
            });
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.exchange.end(outcome);
    }
}

/// How the exchange ends here, when no body follows its head.
fn end_at_head<R: Body>(status: StatusCode, body: &R, method: &str) -> Option<Outcome> {
    if status == StatusCode::SWITCHING_PROTOCOLS || method == "CONNECT" && status.is_success() {
        return Some(Outcome::Upgraded);
    }
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    (bodiless || method == "HEAD" || body.is_end_stream()).then_some(Outcome::Completed)
}

/// How many bytes the body will have: a server stops polling once it has sent as many as the head
/// promised, and that is not an early end.
fn length<R: Body>(headers: &HeaderMap, body: &R) -> Option<u64> {
    let declared = || {
        let text = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
        text.parse().ok()
    };
    // a body that knows its length is quicker to ask, and a server sends no more than it
    body.size_hint().exact().or_else(declared)
}

pin_project! {
    /// Response body of [`Server`](crate::Server): passes every frame, trailers included.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        watched: Kept,
        left: Option<u64>,
        sent: u64,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(watched) = this.watched.get_mut() {
                watched.count(*this.sent);
                if *this.left == Some(0) {
                    watched.end(watched.completed);
                }
            }
        }
    }
}

impl<B> ResponseBody<B> {
    fn unwatched(inner: B) -> Self {
        Self {
            inner,
            watched: Kept::default(),
            left: None,
            sent: 0,
        }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(watched) = this.watched.get_mut() else {
            return this.inner.poll_frame(cx);
        };
        let frame = ready!(within(&mut watched.exchange, || this
            .inner
            .as_mut()
            .poll_frame(cx)));
        let outcome = match &frame {
            None => Some(watched.completed),
            Some(Err(_)) => Some(Outcome::BodyError),
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    watched.grpc_status(trailers);
                }
                let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                *this.sent += bytes;
                *this.left = this.left.map(|left| left.saturating_sub(bytes));
                // nothing follows trailers, and a server does not ask again
                let is_last = frame.is_trailers() || this.inner.is_end_stream();
                is_last.then_some(watched.completed)
            }
        };
        if let Some(outcome) = outcome {
            watched.count(*this.sent);
            watched.end(outcome);
            *this.watched = Kept::default();
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
