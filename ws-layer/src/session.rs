//! A socket, observed: the same messages and errors, byte for byte.

pub(crate) mod contract;
mod duties;

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use axum::extract::ws::WebSocket;
use futures_core::{FusedStream, Stream};
use futures_util::{Sink, SinkExt, StreamExt};
use opentelemetry::Context;

use crate::connection::{Connection, Sending};
use crate::flow::Entry;
use crate::resume::Resumption;
use crate::settings::ClassId;
use crate::stamp::Stamp;
use crate::{Cause, Fault, Message};

/// A WebSocket whose beginning, messages and end are reported.
///
/// It is the stream and the sink that it wraps: `split()` works, messages and errors pass
/// untouched. Dropping it ends the connection and says so.
///
/// A session from our [`Upgrade`](crate::Upgrade) pings its peer: as a heartbeat, and behind data
/// to learn when the peer has read it; the answers to these pings are kept from the application.
/// While [`Sessions::drain`](crate::Sessions::drain) runs, reading from it also closes it with
/// code 1012. A session from [`observe`](crate::observe) sends nothing of its own unless asked to.
pub struct Session<S = WebSocket> {
    inner: S,
    connection: Connection,
}

impl<S> Session<S> {
    pub(crate) fn new(inner: S, connection: Connection) -> Self {
        Self { inner, connection }
    }

    /// The trace context and the baggage of the upgrade request: parent for spans that the handler
    /// starts.
    ///
    /// The request's context, with whatever else it holds, is current while the handler's future is
    /// polled; a task spawned from there needs one by hand (`FutureExt::with_context` of the
    /// OpenTelemetry API).
    pub fn context(&self) -> Context {
        self.connection.context()
    }

    /// The public id of this session, as on its spans: 32 hexadecimal digits.
    pub fn id(&self) -> String {
        format!("{:032x}", self.connection.id())
    }

    /// Where this session comes from, if it may be resumed: new, or taken up again, and whether this
    /// process has held it before. `None` for a session that ends with its connection.
    pub fn resumption(&self) -> Option<Resumption> {
        self.connection.resumption()
    }

    /// The wrapped socket. What is read or written there directly is not observed.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Names the cause of the close frame that the application is about to send, when the code
    /// alone does not tell it: [`Cause::Idle`], [`Cause::Superseded`], [`Cause::Auth`].
    pub fn because(&mut self, cause: Cause) -> &mut Self {
        self.connection.ending().order(cause);
        self
    }

    /// Notes that the peer's application has handled the oldest `count` messages that are not
    /// acknowledged yet. Returns how many there were: fewer means that the peer acknowledges what
    /// was never sent.
    ///
    /// Has a meaning where acknowledgements are expected
    /// ([`Builder::expect_acknowledgements`](crate::Builder::expect_acknowledgements)) or delivery
    /// is decided at [`Stage::AppAck`](crate::Stage::AppAck); else it returns 0.
    pub fn acknowledge(&mut self, count: usize) -> usize {
        let line = self.connection.line();
        let now = self.connection.now();
        let (limits, series) = (&line.sessions.settings().limits, line.series());
        let found = line.flow_if(|flow| flow.acknowledge(count, now, limits, series));
        found.unwrap_or(0)
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether something was written and not flushed.
    pub(crate) fn has_unflushed(&self) -> bool {
        self.connection.batch.is_some() || self.connection.unflushed
    }

    /// Whether the connection of a session that may go on is being closed.
    pub(crate) fn is_closing(&mut self) -> bool {
        self.connection.is_resumable() && self.connection.ending().is_noted()
    }

    fn noted<E: Fault>(&mut self, result: Result<(), E>) -> Result<(), E> {
        if let Err(error) = &result {
            self.connection.failed(error);
        }
        result
    }

    /// Notes a message that was given to the socket. `accepted` tells that an outbox has already
    /// entered it into the books.
    fn written(&mut self, sending: Sending, entry: Option<Entry>) {
        self.connection.sent(sending);
        if !sending.kind.is_data() || self.connection.is_ended() {
            return;
        }
        if let Some(pings) = &mut self.connection.pings {
            pings.busy();
        }
        let now = self.connection.batch_began();
        self.connection.line().flow(|flow| {
            let entry = entry.unwrap_or_else(|| {
                flow.ledger.accept(ClassId::default());
                Entry {
                    at: now,
                    class: ClassId::default(),
                    late: false,
                }
            });
            flow.written(entry);
        });
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

    /// Sends a message and flushes. Its age counts from now; the time of a write that the socket
    /// takes at once is not in it, so that one look at the clock is enough.
    ///
    /// # Errors
    /// Those of the wrapped socket, untouched.
    pub async fn send(&mut self, message: M) -> Result<(), E> {
        if self.has_unflushed() || !message.kind().is_data() || self.connection.is_resumable() {
            return SinkExt::send(self, message).await;
        }
        std::future::poll_fn(|task| self.poll_ready_unpin(task)).await?;
        let mut message = Some(message);
        std::future::poll_fn(|task| match message.take() {
            Some(message) => self.start_and_flush(message, task),
            None => self.poll_flush_unpin(task),
        })
        .await
    }

    /// Sends a message of a class, made at `stamp`, and flushes.
    ///
    /// # Errors
    /// Those of the wrapped socket, untouched.
    pub async fn send_stamped(
        &mut self,
        message: M,
        class: ClassId,
        stamp: Stamp,
    ) -> Result<(), E> {
        std::future::poll_fn(|task| self.poll_ready_unpin(task)).await?;
        if self.connection.is_ended() {
            return SinkExt::send(self, message).await;
        }
        let line = self.connection.line();
        let class = line.sessions.settings().known(class);
        let at = line.sessions.clock().at(stamp.instant());
        line.series().compare(class, stamp);
        line.flow(|flow| flow.ledger.accept(class));
        let late = false;
        let sent = self.start(message, Some(Entry { at, class, late }));
        if sent.is_err() {
            self.connection
                .line()
                .flow(|flow| flow.ledger.decide(class, crate::ledger::Outcome::Lost));
        }
        sent?;
        SinkExt::flush(self).await
    }

    /// Sends a close frame, with a reason of at most 123 bytes. Keep receiving until `None` to let
    /// the peer answer it.
    ///
    /// # Errors
    /// Those of the wrapped socket, untouched.
    pub async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), E> {
        SinkExt::send(self, M::close(code, reason)).await
    }

    /// Gives a message to the socket.
    pub(crate) fn start(&mut self, message: M, entry: Option<Entry>) -> Result<(), E> {
        if self.connection.is_resumable() && message.kind().is_data() {
            return self.start_numbered(message, entry);
        }
        self.start_plain(message, entry)
    }

    fn start_plain(&mut self, message: M, entry: Option<Entry>) -> Result<(), E> {
        let sending = Sending::of(&message);
        let result = self.inner.start_send_unpin(message);
        if result.is_ok() {
            self.written(sending, entry);
        }
        self.noted(result)
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
        if this.connection.finished {
            return Poll::Ready(None);
        }
        let next = loop {
            let next = match this.inner.poll_next_unpin(task) {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    this.connection.idle();
                    ready!(this.do_duties(task));
                    None
                }
            };
            match next {
                Some(Ok(message)) => {
                    this.connection.received(&message);
                    let is_own_pong = this.is_own_pong(&message);
                    if !this.connection.is_resumable() {
                        if is_own_pong {
                            continue;
                        }
                        break Some(Ok(message));
                    }
                    match this.hear(message, task) {
                        Some(message) if !is_own_pong => break Some(Ok(message)),
                        _ => continue,
                    }
                }
                Some(Err(error)) => {
                    this.answer_fault(error.failure(), task);
                    this.connection.broke(&error);
                    break Some(Err(error));
                }
                None => {
                    this.connection.finished = true;
                    this.connection.end_of_stream();
                    break None;
                }
            }
        };
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
        self.connection.finished
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
        if self.connection.is_resumable() {
            match self.pump(task) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.blocked(task),
            }
        }
        match self.inner.poll_ready_unpin(task) {
            Poll::Ready(result) => Poll::Ready(self.noted(result)),
            Poll::Pending => self.blocked(task),
        }
    }

    fn start_send(mut self: Pin<&mut Self>, message: M) -> Result<(), E> {
        self.start(message, None)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<(), E>> {
        let Poll::Ready(result) = self.inner.poll_flush_unpin(task) else {
            return self.blocked(task);
        };
        if result.is_ok() {
            self.connection.unflushed = false;
            self.flushed(task);
        }
        Poll::Ready(self.noted(result))
    }

    fn poll_close(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<(), E>> {
        // A close of the sink sends a close frame without a code, unless one went out before.
        self.connection.ending().sent_close(None);
        match self.inner.poll_close_unpin(task) {
            Poll::Ready(result) => Poll::Ready(self.noted(result)),
            Poll::Pending => self.blocked(task),
        }
    }
}

impl<S> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id()).finish()
    }
}
