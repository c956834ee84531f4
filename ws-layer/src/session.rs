//! A socket, observed: the same messages and errors, byte for byte.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use axum::extract::ws::WebSocket;
use futures_core::{FusedStream, Stream};
use futures_util::{Sink, SinkExt, StreamExt};
use opentelemetry::Context;

use crate::connection::{Connection, Sending};
use crate::sessions::Order;
use crate::{Cause, Fault, Message};

/// The reason given in the close frame of a drain.
const RESTART: (u16, &str) = (1012, "service restart");

/// A WebSocket whose beginning, messages and end are reported.
///
/// It is the stream and the sink that it wraps: `split()` works, messages and errors pass
/// untouched. Dropping it ends the connection and says so.
///
/// While [`Sessions::drain`](crate::Sessions::drain) runs, reading from it also closes it with
/// code 1012.
pub struct Session<S = WebSocket> {
    inner: S,
    connection: Connection,
    context: Context,
    finished: bool,
}

impl<S> Session<S> {
    pub(crate) fn new(inner: S, connection: Connection, context: Context) -> Self {
        Self {
            inner,
            connection,
            context,
            finished: false,
        }
    }

    /// The context of the upgrade request: parent for spans that the handler starts.
    ///
    /// It is current while the handler's future is polled; a task spawned from there needs it by
    /// hand (`FutureExt::with_context` of the OpenTelemetry API).
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The public id of this session, as on its spans: 32 hexadecimal digits.
    pub fn id(&self) -> String {
        format!("{:032x}", self.connection.id())
    }

    /// The wrapped socket. What is read or written there directly is not observed.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, M, E> Session<S>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: Message,
    E: Fault,
{
    /// Receives the next message; `None` after the end.
    ///
    /// Cancelling is safe: no message is lost.
    ///
    /// # Errors
    /// Those of the wrapped socket, untouched.
    pub async fn recv(&mut self) -> Option<Result<M, E>> {
        self.next().await
    }

    /// Sends a message and flushes.
    ///
    /// # Errors
    /// Those of the wrapped socket, untouched.
    pub async fn send(&mut self, message: M) -> Result<(), E> {
        SinkExt::send(self, message).await
    }

    /// Sends a close frame, with a reason of at most 123 bytes. Keep receiving until `None` to let
    /// the peer answer it.
    ///
    /// # Errors
    /// Those of the wrapped socket, untouched.
    pub async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), E> {
        SinkExt::send(self, M::close(code, reason)).await
    }

    /// Does what the process asks for; `Ready` when the stream has to end now.
    fn obey(&mut self, task: &mut Task<'_>) -> Poll<()> {
        match self.connection.registered().order(task.waker()) {
            Order::None => Poll::Pending,
            Order::Cut => {
                self.connection.ending().order(Cause::Drain);
                Poll::Ready(())
            }
            Order::Close => {
                let ending = self.connection.ending();
                if !ending.is_noted() && !ending.is_ordered() {
                    ending.order(Cause::Drain);
                    let (code, reason) = RESTART;
                    let _ = self.start_send_unpin(M::close(code, reason));
                }
                if self.connection.ending().is_ordered() {
                    let _ = self.inner.poll_flush_unpin(task);
                }
                Poll::Pending
            }
        }
    }
}

impl<S, M, E> Stream for Session<S>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: Message,
    E: Fault,
{
    type Item = Result<M, E>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.finished {
            return Poll::Ready(None);
        }
        let next = match this.inner.poll_next_unpin(task) {
            Poll::Ready(next) => next,
            Poll::Pending => {
                this.connection.idle();
                ready!(this.obey(task));
                None
            }
        };
        match &next {
            Some(Ok(message)) => this.connection.received(message),
            Some(Err(error)) => this.connection.broke(error),
            None => {
                this.finished = true;
                this.connection.finished();
            }
        }
        Poll::Ready(next)
    }
}

impl<S, M, E> FusedStream for Session<S>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: Message,
    E: Fault,
{
    fn is_terminated(&self) -> bool {
        self.finished
    }
}

impl<S, M, E> Sink<M> for Session<S>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: Message,
    E: Fault,
{
    type Error = E;

    fn poll_ready(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<(), E>> {
        let result = ready!(self.inner.poll_ready_unpin(task));
        Poll::Ready(self.noted(result))
    }

    fn start_send(mut self: Pin<&mut Self>, message: M) -> Result<(), E> {
        let sending = Sending::of(&message);
        let result = self.inner.start_send_unpin(message);
        if result.is_ok() {
            self.connection.sent(sending);
        }
        self.noted(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<(), E>> {
        let result = ready!(self.inner.poll_flush_unpin(task));
        Poll::Ready(self.noted(result))
    }

    fn poll_close(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<(), E>> {
        // A close of the sink sends a close frame without a code, unless one went out before.
        self.connection.ending().sent_close(None);
        let result = ready!(self.inner.poll_close_unpin(task));
        Poll::Ready(self.noted(result))
    }
}

impl<S> Session<S> {
    fn noted<E: Fault>(&mut self, result: Result<(), E>) -> Result<(), E> {
        if let Err(error) = &result {
            self.connection.failed(error);
        }
        result
    }
}

impl<S> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id()).finish()
    }
}
