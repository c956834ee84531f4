//! The one future that watches an outgoing request to the head of its response.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use campanile_recorder::{Call, CallOutcome, Fault};
use pin_project_lite::pin_project;

use super::{Classify, ReceivedResponse};

/// Runs `work` with the client span current.
///
/// A panic in `work` ends the call as such while the stack unwinds. One that comes from elsewhere
/// and drops the future on its way does not: then the call was merely abandoned.
pub(super) fn within<T>(call: &mut Call, work: impl FnOnce() -> T) -> T {
    struct Watch<'a>(&'a mut Call);

    impl Drop for Watch<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.end(CallOutcome::Failed(Fault::Panic));
            }
        }
    }

    let _attached = call.context().clone().attach();
    let watch = Watch(call);
    let result = work();
    std::mem::forget(watch);
    result
}

pin_project! {
    /// Response future of [`Client`](super::Client).
    #[derive(Debug)]
    pub struct ResponseFuture<F, C> {
        #[pin]
        inner: F,
        call: Option<Call>,
        classify: C,
        body_sizes: bool,
    }
}

impl<F, C> ResponseFuture<F, C> {
    pub(super) fn new(inner: F, call: Call, classify: C, body_sizes: bool) -> Self {
        Self {
            inner,
            call: Some(call),
            classify,
            body_sizes,
        }
    }
}

impl<F, C, R, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<R, E>>,
    C: Classify<E>,
    R: ReceivedResponse,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(call) = this.call else {
            return this.inner.poll(cx);
        };
        let result = ready!(within(call, || this.inner.poll(cx)));
        match &result {
            Ok(response) => {
                if *this.body_sizes {
                    call.sizes_mut().response = response.body_size();
                }
                call.end(CallOutcome::Answered(response.answer()));
            }
            Err(error) => call.end(CallOutcome::Failed(this.classify.classify(error))),
        }
        *this.call = None;
        Poll::Ready(result)
    }
}
