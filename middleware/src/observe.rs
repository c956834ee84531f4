//! The one future and the one body that watch an exchange to its end.
//!
//! Everything that has to know about `Pin` and polling is here. The exchange moves from the future
//! into the body; wherever it is dropped, it ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use campanile_recorder::{Exchange, Outcome, RequestId, RouteScope, Sizes};
use campanile_semconv::{attribute, event};
use http::{HeaderMap, Response, StatusCode, header, response};
use http_body::{Body, Frame, SizeHint};
use opentelemetry::KeyValue;
use pin_project_lite::pin_project;

use crate::body_size::RequestBytes;
use crate::request_id::X_REQUEST_ID;
use crate::settings::Settings;
use crate::{TimedOut, grpc, timeout};

/// An exchange, and what its layer wants to do as it passes.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) exchange: Exchange,
    pub(crate) settings: Arc<Settings>,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) request_bytes: Option<RequestBytes>,
    pub(crate) is_grpc: bool,
    /// What an undisturbed end is called.
    pub(crate) completed: Outcome,
}

/// Runs `work` inside the context of `exchange`.
///
/// A panic in `work` ends the exchange as such while the stack unwinds, so that it does not matter
/// who catches the panic, or when what is left gets dropped.
pub(crate) fn within<T>(exchange: &mut Exchange, work: impl FnOnce() -> T) -> T {
    struct Watch<'a> {
        exchange: &'a mut Exchange,
        scope: RouteScope,
    }

    impl Drop for Watch<'_> {
        fn drop(&mut self) {
            if let Some(route) = self.scope.route() {
                self.exchange.set_route(route);
            }
            if std::thread::panicking() {
                exception("panic");
                self.exchange.end(Outcome::Panic);
            }
        }
    }

    let _attached = exchange.context().clone().attach();
    let scope = RouteScope::enter(exchange.route());
    let _watch = Watch { exchange, scope };
    work()
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
        watched: Option<Box<Watched>>,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, watched: Option<Box<Watched>>) -> Self {
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
        let result = match this.watched {
            Some(watched) => ready!(within(&mut watched.exchange, || this.inner.poll(cx))),
            None => ready!(this.inner.poll(cx)),
        };
        let watched = this.watched.take();
        Poll::Ready(match (result, watched) {
            (Ok(response), Some(watched)) => Ok(watched.pass_head(response)),
            (Ok(response), None) => Ok(response.map(ResponseBody::unwatched)),
            (Err(error), watched) => {
                if let Some(mut watched) = watched {
                    within(&mut watched.exchange, || {
                        exception(std::any::type_name::<E>());
                    });
                    let outcome = if timeout::is_timeout::<E>() {
                        Outcome::Timeout
                    } else {
                        Outcome::HandlerError
                    };
                    watched.end(outcome);
                }
                Err(error)
            }
        })
    }
}

impl Watched {
    /// Looks at the head as it passes, and hands the exchange over to the body if one follows.
    fn pass_head<R: Body>(mut self: Box<Self>, response: Response<R>) -> Response<ResponseBody<R>> {
        let (mut parts, inner) = response.into_parts();
        self.exchange.head(parts.status.as_u16());
        self.read(&parts);
        self.write(&mut parts.headers);
        if parts.extensions.get::<TimedOut>().is_some() {
            self.completed = Outcome::Timeout;
        }
        let mut body = ResponseBody {
            left: length(&parts.headers, &inner),
            inner,
            watched: None,
            sent: 0,
        };
        match end_at_head(&parts, &body.inner, self.exchange.route().method().as_str()) {
            Some(outcome) => {
                self.count(0);
                let is_undisturbed = outcome == Outcome::Completed;
                self.end(if is_undisturbed {
                    self.completed
                } else {
                    outcome
                });
            }
            None => body.watched = Some(self),
        }
        Response::from_parts(parts, body)
    }

    /// What the head adds to the span.
    fn read(&mut self, parts: &response::Parts) {
        self.grpc_status(&parts.headers);
        let settings = Arc::clone(&self.settings);
        let attributes = self.exchange.attributes_mut();
        attributes.extend(settings.response_headers.read(&parts.headers));
        if let Some(hook) = &settings.on_response {
            attributes.extend(hook(parts));
        }
    }

    /// What the layer adds to the head.
    fn write(&self, headers: &mut HeaderMap) {
        if let Some(id) = &self.request_id {
            headers.insert(X_REQUEST_ID, id.as_header().clone());
        }
        if let Some(how) = &self.settings.trace_response {
            headers.extend(how.header(self.exchange.context()));
        }
    }

    /// A gRPC status, in the head or in the trailers, decides over the status code.
    fn grpc_status(&mut self, headers: &HeaderMap) {
        let Some(name) = self.is_grpc.then(|| grpc::status(headers)).flatten() else {
            return;
        };
        if grpc::is_server_error(name) {
            self.exchange.fail(name);
        }
        if self.settings.rpc {
            self.exchange
                .attributes_mut()
                .push(KeyValue::new(attribute::RPC_STATUS_CODE, name));
        }
    }

    fn count(&mut self, sent: u64) {
        if let Some(bytes) = &self.request_bytes {
            let request = bytes.get();
            *self.exchange.sizes_mut() = Sizes {
                request: Some(request),
                response: Some(sent),
            };
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.exchange.end(outcome);
    }
}

/// How the exchange ends here, when no body follows its head.
fn end_at_head<R: Body>(parts: &response::Parts, body: &R, method: &str) -> Option<Outcome> {
    let status = parts.status;
    if status == StatusCode::SWITCHING_PROTOCOLS || method == "CONNECT" && status.is_success() {
        return Some(Outcome::Upgraded);
    }
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    (bodiless || method == "HEAD" || body.is_end_stream()).then_some(Outcome::Completed)
}

/// How many bytes the body will have: a server stops polling once it has sent as many as the head
/// promised, and that is not an early end.
fn length<R: Body>(headers: &HeaderMap, body: &R) -> Option<u64> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    declared.or_else(|| body.size_hint().exact())
}

pin_project! {
    /// Response body of [`Server`](crate::Server): passes every frame, trailers included.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        watched: Option<Box<Watched>>,
        left: Option<u64>,
        sent: u64,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(watched) = this.watched {
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
            watched: None,
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
        let Some(watched) = this.watched else {
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
            *this.watched = None;
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
