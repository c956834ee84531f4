//! A session's task stays on the route that its upgrade came in by, so that what is logged there is
//! of its domain.

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use campanile_recorder::{Route, RouteScope};
use pin_project_lite::pin_project;

pin_project! {
    /// A future that is polled on a route.
    pub(super) struct Routed<F> {
        #[pin]
        inner: F,
        route: Option<&'static Route>,
    }
}

impl<F> Routed<F> {
    pub(super) fn new(route: Option<&'static Route>, inner: F) -> Self {
        Self { inner, route }
    }
}

impl<F: Future> Future for Routed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _scope = this.route.map(RouteScope::enter);
        this.inner.poll(task)
    }
}
