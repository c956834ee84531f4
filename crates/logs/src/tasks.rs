//! Tasks that stay with what spawned them.
//!
//! A runtime runs a task wherever it likes, and knows nothing of the request that wanted it: its
//! lines would carry no ids, its spans would be roots. [`spawn`], [`spawn_blocking`] and [`JoinSet`]
//! are those of tokio, except that a task keeps the OpenTelemetry context (trace, request id,
//! baggage), the route with its domain, and the `tracing` span that were current where it was
//! spawned.
//!
//! A `tracing` span stays open for as long as a task is inside it. For a task that outlives its
//! request, such as a background loop, use tokio's own `spawn`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Cx, Poll};

use campanile_recorder::{Route, RouteScope};
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt, WithContext};
use pin_project_lite::pin_project;
use tokio::task::{AbortHandle, JoinError, JoinHandle};
use tracing::Span;
use tracing::instrument::{Instrument, Instrumented};

/// What a task takes along.
#[derive(Clone, Debug)]
struct Origin {
    context: Context,
    route: Option<&'static Route>,
    span: Span,
}

impl Origin {
    fn current() -> Self {
        Self {
            context: Context::current(),
            route: Route::current(),
            span: Span::current(),
        }
    }

    fn around<T>(self, work: impl FnOnce() -> T) -> T {
        let _span = self.span.entered();
        let _context = self.context.attach();
        let _route = self.route.map(RouteScope::enter);
        work()
    }
}

pin_project! {
    /// A future that stays with what was current when it was made. See [`carried`].
    #[derive(Debug)]
    pub struct Carried<F> {
        #[pin]
        inner: Instrumented<WithContext<Routed<F>>>,
    }
}

impl<F: Future> Future for Carried<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<F::Output> {
        self.project().inner.poll(cx)
    }
}

pin_project! {
    #[derive(Debug)]
    struct Routed<F> {
        #[pin]
        inner: F,
        route: Option<&'static Route>,
    }
}

impl<F: Future> Future for Routed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<F::Output> {
        let this = self.project();
        let scope = this.route.map(RouteScope::enter);
        let poll = this.inner.poll(cx);
        if let Some(scope) = scope {
            *this.route = scope.route();
        }
        poll
    }
}

/// Makes a future stay with what is current now, wherever it is polled: for executors, channels
/// and combinators that this crate does not know.
///
/// ```
/// # async fn work() {}
/// let future = campanile_logs::carried(work());
/// std::thread::spawn(move || { let _later = future; });
/// ```
pub fn carried<F: Future>(future: F) -> Carried<F> {
    let Origin {
        context,
        route,
        span,
    } = Origin::current();
    let routed = Routed {
        inner: future,
        route,
    };
    Carried {
        inner: routed.with_context(context).instrument(span),
    }
}

/// [`tokio::spawn`], and the task stays with what is current now.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let sum = campanile_logs::spawn(async { 1 + 1 }).await;
/// assert_eq!(sum.unwrap(), 2);
/// # }
/// ```
///
/// # Panics
/// Outside a tokio runtime, as tokio's does.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(carried(future))
}

/// [`tokio::task::spawn_blocking`], and the closure runs inside what is current now.
///
/// # Panics
/// Outside a tokio runtime, as tokio's does.
#[track_caller]
pub fn spawn_blocking<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let origin = Origin::current();
    tokio::task::spawn_blocking(move || origin.around(work))
}

/// [`tokio::task::JoinSet`], and each task stays with what is current where it is spawned.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut tasks = campanile_logs::JoinSet::new();
/// tasks.spawn(async { 1 });
/// tasks.spawn_blocking(|| 2);
/// let mut sum = 0;
/// while let Some(number) = tasks.join_next().await {
///     sum += number.unwrap();
/// }
/// assert_eq!(sum, 3);
/// # }
/// ```
#[derive(Debug)]
pub struct JoinSet<T>(tokio::task::JoinSet<T>);

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        Self(tokio::task::JoinSet::new())
    }

    /// How many tasks have not been joined yet.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether every task has been joined.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The set itself, for what is not here. What is spawned through it carries nothing.
    pub fn inner_mut(&mut self) -> &mut tokio::task::JoinSet<T> {
        &mut self.0
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task that stays with what is current now.
    ///
    /// # Panics
    /// Outside a tokio runtime, as tokio's does.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.0.spawn(carried(future))
    }

    /// Runs a closure, inside what is current now, where blocking is allowed.
    ///
    /// # Panics
    /// Outside a tokio runtime, as tokio's does.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, work: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let origin = Origin::current();
        self.0.spawn_blocking(move || origin.around(work))
    }

    /// Waits for the next task to end; `None` when there is none.
    ///
    /// # Errors
    /// When the task panicked or was aborted.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.0.join_next().await
    }

    /// Waits for all of them, in the order in which they end.
    ///
    /// # Panics
    /// When one of them panicked, as tokio's does.
    pub async fn join_all(self) -> Vec<T> {
        self.0.join_all().await
    }

    /// Aborts all of them.
    pub fn abort_all(&mut self) {
        self.0.abort_all();
    }

    /// Aborts all of them, and waits until they are gone.
    pub async fn shutdown(&mut self) {
        self.0.shutdown().await;
    }

    /// Lets all of them run on, unjoined.
    pub fn detach_all(&mut self) {
        self.0.detach_all();
    }
}
