//! The one future and the one body that watch an exchange to its end.
//!
//! Everything that has to know about `Pin` and polling is here. The exchange moves from the future
//! into the body; wherever it is dropped, it ends.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use campanile_recorder::{Exchange, Outcome};
use http::{HeaderMap, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::route::Scope;

/// Runs `work` inside the context of `exchange`.
///
/// A panic in `work` ends the exchange as such while the stack unwinds, so that it does not matter
/// who catches the panic, or when what is left gets dropped.
pub(crate) fn within<T>(exchange: &mut Exchange, work: impl FnOnce() -> T) -> T {
    struct Watch<'a> {
        exchange: &'a mut Exchange,
        scope: Scope,
    }

    impl Drop for Watch<'_> {
        fn drop(&mut self) {
            if let Some(route) = self.scope.route() {
                self.exchange.set_route(route);
            }
            if std::thread::panicking() {
                self.exchange.end(Outcome::Panic);
            }
        }
    }

    let _attached = exchange.context().clone().attach();
    let scope = Scope::enter(exchange.route());
    let _watch = Watch { exchange, scope };
    work()
}

pin_project! {
    /// Response future of [`Server`](crate::Server).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        exchange: Option<Exchange>,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, exchange: Exchange) -> Self {
        Self {
            inner,
            exchange: Some(exchange),
        }
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
        let result = match this.exchange {
            Some(exchange) => ready!(within(exchange, || this.inner.poll(cx))),
            None => ready!(this.inner.poll(cx)),
        };
        let exchange = this.exchange.take();
        Poll::Ready(match result {
            Ok(response) => Ok(pass_head(response, exchange)),
            Err(error) => {
                if let Some(mut exchange) = exchange {
                    exchange.end(Outcome::HandlerError);
                }
                Err(error)
            }
        })
    }
}

/// Looks at the head as it passes, and hands the exchange over to the body if one follows.
fn pass_head<R: Body>(
    response: Response<R>,
    mut exchange: Option<Exchange>,
) -> Response<ResponseBody<R>> {
    let mut left = None;
    if let Some(open) = &mut exchange {
        open.head(response.status().as_u16());
        match end_at_head(&response, open.route().method().as_str()) {
            Some(outcome) => {
                open.end(outcome);
                exchange = None;
            }
            None => left = length(&response),
        }
    }
    response.map(|inner| ResponseBody {
        inner,
        exchange,
        left,
    })
}

/// How the exchange ends here, when no body follows its head.
fn end_at_head<R: Body>(response: &Response<R>, method: &str) -> Option<Outcome> {
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS || method == "CONNECT" && status.is_success() {
        return Some(Outcome::Upgraded);
    }
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    (bodiless || method == "HEAD" || response.body().is_end_stream()).then_some(Outcome::Completed)
}

/// How many bytes the body will have: a server stops polling once it has sent as many as the head
/// promised, and that is not an early end.
fn length<R: Body>(response: &Response<R>) -> Option<u64> {
    let declared = |headers: &HeaderMap| {
        headers
            .get(header::CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    };
    declared(response.headers()).or_else(|| response.body().size_hint().exact())
}

pin_project! {
    /// Response body of [`Server`](crate::Server): passes every frame, trailers included.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        exchange: Option<Exchange>,
        left: Option<u64>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let (Some(exchange), Some(0)) = (this.exchange, *this.left) {
                exchange.end(Outcome::Completed);
            }
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
        let Some(exchange) = this.exchange else {
            return this.inner.poll_frame(cx);
        };
        let frame = ready!(within(exchange, || this.inner.as_mut().poll_frame(cx)));
        let outcome = match &frame {
            None => Some(Outcome::Completed),
            Some(Err(_)) => Some(Outcome::BodyError),
            Some(Ok(frame)) => {
                count(this.left, frame);
                this.inner.is_end_stream().then_some(Outcome::Completed)
            }
        };
        if let Some(outcome) = outcome {
            exchange.end(outcome);
            *this.exchange = None;
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

fn count<D: Buf>(left: &mut Option<u64>, frame: &Frame<D>) {
    if let (Some(left), Some(data)) = (left, frame.data_ref()) {
        *left = left.saturating_sub(data.remaining() as u64);
    }
}
