//! A session that sends from its outbox while it is read.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use axum::extract::ws::WebSocket;
use futures_core::{FusedStream, Stream};
use futures_util::{Sink, SinkExt, StreamExt};
use opentelemetry::Context;

use super::{Outbox, OutboxLimits};
use crate::line::flow;
use crate::{Fault, Message, Session};

/// A [`Session`] together with its [`Outbox`]: reading from it also sends what waits.
///
/// So a handler is one loop over [`recv`](Self::recv), while other tasks push.
pub struct OutboxSession<M, S = WebSocket> {
    session: Session<S>,
    outbox: Outbox<M>,
}

impl<S> Session<S> {
    /// Puts a bounded outbox in front of this session.
    ///
    /// ```
    /// use axum::extract::ws::Message;
    /// use campanile_ws::{OutboxLimits, Session};
    ///
    /// async fn serve(session: Session) {
    ///     let mut session = session.with_outbox::<Message>(OutboxLimits::default());
    ///     let outbox = session.outbox().clone();
    ///     // Hand `outbox` to whoever has something to say to this peer.
    ///     outbox.push(Message::text("welcome"));
    ///     while let Some(Ok(message)) = session.recv().await {
    ///         // what the peer says
    /// #       let _ = message;
    ///     }
    /// }
    /// # let _ = serve;
    /// ```
    pub fn with_outbox<M>(self, limits: OutboxLimits) -> OutboxSession<M, S>
    where
        M: Message + Send + 'static,
    {
        let outbox = Outbox::new(&self, limits);
        OutboxSession {
            session: self,
            outbox,
        }
    }
}

impl<M, S> OutboxSession<M, S> {
    /// The handle to push to.
    pub fn outbox(&self) -> &Outbox<M> {
        &self.outbox
    }

    /// The session. What is sent there directly goes out before what waits.
    pub fn session_mut(&mut self) -> &mut Session<S> {
        &mut self.session
    }

    /// The trace context and the baggage of the upgrade request.
    pub fn context(&self) -> Context {
        self.session.context()
    }

    /// The public id of the session.
    pub fn id(&self) -> String {
        self.session.id()
    }
}

/// How far the outbox could be emptied.
#[derive(Clone, Copy, PartialEq)]
enum Fed {
    Empty,
    Blocked,
}

impl<M, S, E> OutboxSession<M, S>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: Message + Send + 'static,
    E: Fault,
{
    /// Receives the next message, and meanwhile sends what waits. `None` after the end.
    ///
    /// Cancelling is safe: no message is lost.
    ///
    /// # Errors
    /// Those of the wrapped socket, untouched.
    pub async fn recv(&mut self) -> Option<Result<M, E>> {
        self.next().await
    }

    /// Sends a close frame, past whatever waits.
    ///
    /// # Errors
    /// Those of the wrapped socket, untouched.
    pub async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), E> {
        self.session.close(code, reason).await
    }

    /// Writes what waits, for as long as the socket takes it, and flushes. Errors are left for the
    /// stream to report.
    fn feed(&mut self, task: &mut Task<'_>) -> Fed {
        let shared = &*self.outbox.0;
        let mine = self.session.connection().line().signal().clone();
        let mut written = false;
        let fed = loop {
            let inner = shared.lock();
            if !Arc::ptr_eq(&inner.signal, &mine) {
                // Another connection has the session.
                break Fed::Blocked;
            }
            if inner.queue.is_empty() {
                break Fed::Empty;
            }
            drop(inner);
            if self.session.is_closing() {
                // What waits is for the next connection, or lost.
                break Fed::Blocked;
            }
            let Poll::Ready(Ok(())) = self.session.poll_ready_unpin(task) else {
                break Fed::Blocked;
            };
            let now = shared.sessions.clock().now();
            let limits = &shared.sessions.settings().limits;
            let mut inner = shared.lock();
            if !Arc::ptr_eq(&inner.signal, &mine) {
                break Fed::Blocked;
            }
            let next = flow(&shared.sessions, &mine, |flow| {
                inner.queue.next(now, limits, &mut flow.ledger)
            });
            drop(inner);
            let Some(item) = next else { break Fed::Empty };
            let entry = item.entry();
            if self.session.start(item.message, Some(entry)).is_err() {
                flow(&shared.sessions, &mine, |flow| {
                    if !entry.late {
                        let lost = crate::ledger::Outcome::Lost;
                        flow.ledger.decide(entry.class, lost);
                    }
                });
                break Fed::Blocked;
            }
            written = true;
        };
        if written || self.session.has_unflushed() {
            let _ = self.session.poll_flush_unpin(task);
        }
        fed
    }
}

impl<M, S, E> Stream for OutboxSession<M, S>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: Message + Send + 'static,
    E: Fault,
{
    type Item = Result<M, E>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let fed = if this.session.is_terminated() {
                Fed::Blocked
            } else {
                this.feed(task)
            };
            if let Poll::Ready(next) = this.session.poll_next_unpin(task) {
                return Poll::Ready(next);
            }
            // A push between the two has woken nobody, as only now is this task known.
            if fed == Fed::Blocked || this.outbox.0.lock().queue.is_empty() {
                return Poll::Pending;
            }
        }
    }
}

impl<M, S, E> FusedStream for OutboxSession<M, S>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: Message + Send + 'static,
    E: Fault,
{
    fn is_terminated(&self) -> bool {
        self.session.is_terminated()
    }
}

impl<M, S> fmt::Debug for OutboxSession<M, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxSession")
            .field("session", &self.session)
            .field("outbox", &self.outbox)
            .finish()
    }
}
