//! What a session does beside the application: orders, heartbeats, barriers, the right close code.

use std::task::{Context as Task, Poll};

use futures_core::Stream;
use futures_util::{Sink, SinkExt};

use super::Session;
use crate::clock::{Units, age};
use crate::connection::Sending;
use crate::line::Order;
use crate::pings::Beat;
use crate::resume::wire::Reason;
use crate::{Cause, Failure, Fault, Kind, Message};

impl<S, M, E> Session<S>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: Message,
    E: Fault,
{
    /// Does what is due. `Ready` when the stream has to end now.
    pub(super) fn do_duties(&mut self, task: &mut Task<'_>) -> Poll<()> {
        let cut = match self.connection.line().order(task.waker()) {
            Order::None => false,
            Order::Drain => {
                if !self.is_ending() {
                    let close = self.farewell();
                    self.close_for(Cause::Drain, close);
                }
                false
            }
            Order::SlowConsumer => {
                self.close_for(Cause::SlowConsumer, M::close(3008, "slow consumer"));
                false
            }
            Order::Elsewhere => {
                let reason = Reason {
                    kind: Some(Reason::DRAIN),
                    after: Some(0),
                };
                let close = M::close_because(1012, &reason.to_string());
                self.close_for(Cause::Superseded, close);
                false
            }
            Order::Superseded => {
                self.close_for(Cause::Superseded, M::close(1000, "k=superseded"));
                false
            }
            Order::Revoked => {
                self.close_for(Cause::Auth, M::close(1008, "k=revoked"));
                false
            }
            Order::Cut => {
                self.connection.ending().order(Cause::Drain);
                true
            }
        };
        if cut || self.beat(task) {
            return Poll::Ready(());
        }
        if self.connection.is_resumable() {
            self.catch_up(task);
        }
        self.barrier(task);
        self.flush_own(task);
        Poll::Pending
    }

    /// The close frame of a drain. It tells a client that may resume when to come back; another one
    /// will come back, too.
    fn farewell(&self) -> M {
        let after = self.connection.line().sessions.slot();
        if !self.connection.is_resumable() {
            return M::close(1012, "service restart");
        }
        let reason = Reason {
            kind: Some(Reason::DRAIN),
            after: Some(after),
        };
        M::close_because(1012, &reason.to_string())
    }

    /// The socket takes nothing for now. A peer that is found dead, or an order to end, ends the
    /// wait: else a send to a peer that does not read would outlast both.
    pub(super) fn blocked(&mut self, task: &mut Task<'_>) -> Poll<Result<(), E>> {
        let cut = self.connection.line().order_of_writer(task.waker()) == Order::Cut;
        if cut {
            self.connection.ending().order(Cause::Drain);
        }
        if cut || self.beat(task) {
            self.connection.finished = true;
            self.connection.end_of_stream();
            return Poll::Ready(Err(E::cut_off()));
        }
        Poll::Pending
    }

    fn is_ending(&mut self) -> bool {
        let ending = self.connection.ending();
        ending.is_noted() || ending.is_ordered()
    }

    pub(super) fn close_for(&mut self, cause: Cause, close: M) {
        if !self.is_ending() {
            self.connection.ending().order(cause);
            self.connection.unflushed |= self.start(close, None).is_ok();
        }
    }

    /// Sends the close frame that RFC 6455 asks for when the peer broke its rules.
    pub(super) fn answer_fault(&mut self, failure: Failure, task: &mut Task<'_>) {
        let (code, reason) = match failure {
            Failure::Protocol => (1002, "protocol error"),
            Failure::InvalidUtf8 => (1007, "invalid utf-8"),
            Failure::TooBig => (1009, "message too big"),
            _ => return,
        };
        if self.connection.pings.is_none() || self.connection.ending().is_noted() {
            return;
        }
        let message = M::close(code, reason);
        let sending = Sending::of(&message);
        self.connection.ending().broke(failure);
        if self.inner.start_send_unpin(message).is_ok() {
            self.connection.sent(sending);
            let _ = self.inner.poll_flush_unpin(task);
        }
    }

    /// Judges the last interval, if one is over; true when the peer is dead.
    fn beat(&mut self, task: &mut Task<'_>) -> bool {
        if self.connection.pings.is_none() || !self.connection.line().take_beat() {
            return false;
        }
        let now = self.connection.now();
        self.connection.tell(now);
        let Some(pings) = &mut self.connection.pings else {
            return false;
        };
        let beat = pings.beat();
        let idle = pings.idle_beats();
        if beat != Beat::Alive {
            self.connection.line().series().timeouts.add(1);
        }
        if beat == Beat::Dead {
            self.connection.ending().order(Cause::Heartbeat);
            return true;
        }
        let settings = self.connection.line().sessions.settings();
        if let (Some(after), Some(interval)) = (settings.idle, settings.heartbeat)
            && interval * idle >= after
        {
            self.close_for(Cause::Idle, M::close(1001, "idle"));
            self.flush_own(task);
        }
        self.ping(now, true, task);
        false
    }

    /// Sends a barrier behind data whose receipt is not known, unless one is under way.
    fn barrier(&mut self, task: &mut Task<'_>) {
        if self.connection.pings.is_none() || self.connection.batch.is_some() {
            return;
        }
        let line = self.connection.line();
        if line.flow_if(|flow| flow.wants_receipt()) == Some(true) {
            self.barrier_at(self.connection.now(), task);
        }
    }

    fn barrier_at(&mut self, now: u32, task: &mut Task<'_>) {
        let Some(pings) = &self.connection.pings else {
            return;
        };
        let settings = self.connection.line().sessions.settings();
        if settings.barriers && pings.may_send(now, settings.tick) {
            self.ping(now, false, task);
        }
    }

    /// Queues a ping behind whatever was written so far.
    fn ping(&mut self, now: u32, heartbeat: bool, task: &mut Task<'_>) {
        if self.connection.ending().is_noted() || self.connection.ending().is_ordered() {
            return;
        }
        let Poll::Ready(Ok(())) = self.inner.poll_ready_unpin(task) else {
            return;
        };
        let line = self.connection.line();
        let covers = line.written_to();
        let Some(pings) = &mut self.connection.pings else {
            return;
        };
        let payload = pings.next(now, covers, heartbeat);
        self.connection.unflushed |= self.start(M::ping(&payload), None).is_ok();
    }

    /// Gives a message to the socket and flushes: the only one since the last flush.
    pub(super) fn start_and_flush(
        &mut self,
        message: M,
        task: &mut Task<'_>,
    ) -> Poll<Result<(), E>> {
        let sending = Sending::of(&message);
        if let Err(error) = self.inner.start_send_unpin(message) {
            return Poll::Ready(self.noted(Err(error)));
        }
        match self.inner.poll_flush_unpin(task) {
            Poll::Ready(Ok(())) => {
                self.sent_at_once(sending, task);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(result) => {
                self.written(sending, None);
                Poll::Ready(self.noted(result))
            }
            Poll::Pending => {
                self.written(sending, None);
                self.blocked(task)
            }
        }
    }

    /// The socket took a message as soon as it was written.
    fn sent_at_once(&mut self, sending: Sending, task: &mut Task<'_>) {
        self.connection.sent(sending);
        if self.connection.is_ended() {
            return;
        }
        if let Some(pings) = &mut self.connection.pings {
            pings.busy();
        }
        let now = self.connection.now();
        let line = self.connection.line();
        let (limits, series) = (&line.sessions.settings().limits, line.series());
        let wanted = line.flow(|flow| {
            flow.sent_at_once(now, limits, series);
            flow.wants_receipt()
        });
        series.flush.record(0.0);
        if wanted {
            self.barrier_at(now, task);
        }
        self.flush_own(task);
    }

    /// The socket took all that was written.
    pub(super) fn flushed(&mut self, task: &mut Task<'_>) {
        let Some(since) = self.connection.take_batch() else {
            return;
        };
        let now = self.connection.now();
        let line = self.connection.line();
        let (limits, series) = (&line.sessions.settings().limits, line.series());
        let wanted = line.flow_if(|flow| {
            flow.flush(now, limits, series);
            flow.wants_receipt()
        });
        series.flush.record(Units::seconds(age(now, since)));
        if wanted == Some(true) {
            self.barrier_at(now, task);
        }
        self.flush_own(task);
    }

    /// Flushes a frame of our own. What fails or blocks here shows in the application's own calls.
    fn flush_own(&mut self, task: &mut Task<'_>) {
        if self.connection.unflushed && self.inner.poll_flush_unpin(task).is_ready() {
            self.connection.unflushed = false;
        }
    }

    /// Takes notice of a message; true when it is the answer to a ping of ours.
    pub(super) fn is_own_pong(&mut self, message: &M) -> bool {
        let Some(pings) = &mut self.connection.pings else {
            return false;
        };
        pings.heard();
        if message.kind().is_data() {
            pings.busy();
        }
        if message.kind() != Kind::Pong || !pings.is_ours(message.pong()) {
            return false;
        }
        self.connection.answered(message.pong());
        true
    }
}
