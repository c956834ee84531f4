//! What a resumable session says and hears beside the application's messages: acknowledgements and
//! heartbeats of the contract, numbered messages, and what is sent again.

use std::task::{Context as Task, Poll, ready};

use axum::body::Bytes;
use futures_core::Stream;
use futures_util::{Sink, SinkExt};

use super::Session;
use crate::connection::Sending;
use crate::flow::Entry;
use crate::resume::logical::Step;
use crate::resume::replay::Seq;
use crate::resume::table::{Hub, seconds};
use crate::resume::token::Token;
use crate::resume::wire::{self, Control, Frame};
use crate::settings::ClassId;
use crate::{Cause, Fault, Kind, Message};

/// The mark of a frame of the contract, in UTF-8.
const MARK: u8 = wire::MARK as u8;

/// What is wrong with a frame: a close code and its reason.
type Wrong = (u16, &'static str);

impl<S, M, E> Session<S>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: Message,
    E: Fault,
{
    /// Takes what is the contract's; gives back what is the application's.
    pub(super) fn hear(&mut self, message: M, task: &mut Task<'_>) -> Option<M> {
        let now = self.hub().map_or(0, Hub::now);
        self.connection.line().signal().logical(|logical| {
            let is_news = now >= logical.heard.saturating_add(1_000);
            logical.heard = now;
            if is_news {
                logical.touch();
            }
        });
        let text = match message.kind() {
            Kind::Text => message.data(),
            _ => None,
        };
        let Some(text) = text.filter(|text| text.first() == Some(&MARK)) else {
            return Some(message);
        };
        let read = std::str::from_utf8(&text).map(Frame::read);
        let control = match read {
            Ok(Ok(Frame::Application(rest))) => {
                return M::from_data(Kind::Text, text.slice_ref(rest.as_bytes()));
            }
            Ok(Ok(Frame::Control(control))) => self.control(&control, now, task),
            Ok(Err(broken)) => Err((broken.code(), broken.reason())),
            Ok(Ok(Frame::Later)) | Err(_) => Ok(()),
        };
        if let Err((code, reason)) = control {
            self.close_for(Cause::Error, M::close(code, reason));
        }
        None
    }

    fn control(&mut self, control: &Control, now: u64, task: &mut Task<'_>) -> Result<(), Wrong> {
        let Control::Hb { seq, t0, .. } = control else {
            return Ok(());
        };
        if let Some(seq) = seq {
            self.handed(Seq(*seq))?;
        }
        if let Some(t0) = t0 {
            self.answer(*t0, now, task);
        }
        Ok(())
    }

    /// The client's application has everything up to `seq`.
    fn handed(&mut self, seq: Seq) -> Result<(), Wrong> {
        let line = self.connection.line();
        let now = self.connection.now();
        let (limits, series) = (&line.sessions.settings().limits, line.series());
        let known = line.flow_if(|flow| {
            if let Some(logical) = &mut flow.logical {
                logical.confirm();
            }
            flow.handed(seq, now, limits, series)
        });
        match known {
            Some(false) => Err((1002, "seq ahead")),
            _ => Ok(()),
        }
    }

    fn answer(&mut self, t0: f64, t1: u64, task: &mut Task<'_>) {
        let hub = self.hub();
        let control = Control::Hb {
            seq: None,
            t0: Some(t0),
            t1: Some(float(t1)),
            t2: hub.map(|hub| float(hub.now())),
            rt: hub.and_then(|hub| self.fresh_token(hub)),
        };
        self.say(&control, task);
    }

    /// A token in the place of one that has lived for half of its time.
    fn fresh_token(&self, hub: &Hub) -> Option<String> {
        let now = seconds(hub.now());
        let life = hub.token_life();
        self.connection.line().signal().logical(|logical| {
            if now.saturating_sub(logical.issued) < life / 2 {
                return None;
            }
            logical.issued = now;
            let token = hub.token(logical.identity.sid, logical.generation, now, logical.mark);
            seal(
                &token,
                hub,
                &logical.identity.principal,
                logical.identity.endpoint,
            )
        })?
    }

    /// Sends a frame of the contract, if the socket takes it now.
    fn say(&mut self, control: &Control, task: &mut Task<'_>) {
        if self.connection.ending().is_noted() || self.connection.ending().is_ordered() {
            return;
        }
        let Poll::Ready(Ok(())) = self.inner.poll_ready_unpin(task) else {
            return;
        };
        self.connection.unflushed |= self.start_control(control).is_ok();
    }

    pub(crate) fn start_control(&mut self, control: &Control) -> Result<(), E> {
        let Some(message) = M::from_data(Kind::Text, control.to_text().into()) else {
            return Ok(());
        };
        let sending = Sending::of(&message);
        let result = self.inner.start_send_unpin(message);
        if result.is_ok() {
            self.connection.sent(sending);
        }
        self.noted(result)
    }

    /// Writes what the log has for this socket, and flushes.
    pub(super) fn catch_up(&mut self, task: &mut Task<'_>) {
        let ending = self.connection.ending();
        if ending.is_noted() || ending.is_ordered() {
            return;
        }
        let caught_up = self.pump(task).is_ready();
        if self.connection.batch.is_some() || !caught_up {
            let _ = self.poll_flush_unpin(task);
        }
    }

    /// Writes what the log has for this socket: what is sent again, and what was numbered before
    /// it could be written.
    pub(super) fn pump(&mut self, task: &mut Task<'_>) -> Poll<Result<(), E>> {
        let is_behind = |session: &Self| {
            let signal = session.connection.line().signal();
            signal.logical(|logical| logical.is_behind()) == Some(true)
        };
        while is_behind(self) {
            let result = ready!(self.inner.poll_ready_unpin(task));
            self.noted(result)?;
            let wall = self.hub().map_or(0, Hub::now);
            let line = self.connection.line();
            let limits = &line.sessions.settings().limits;
            match line.flow_if(|flow| flow.step(wall, limits)) {
                Some(Step::Send { kind, payload }) => {
                    let Some(message) = M::from_data(kind, marked(kind, payload)) else {
                        continue;
                    };
                    let sending = Sending::of(&message);
                    let result = self.inner.start_send_unpin(message);
                    self.noted(result)?;
                    self.connection.sent(sending);
                    self.connection.batch_began();
                }
                Some(Step::Skip(n)) => {
                    self.start_control(&Control::Skip { n })?;
                    self.connection.unflushed = true;
                }
                Some(Step::Done) | None => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Gives a data message to the socket and keeps it until the client has it.
    pub(super) fn start_numbered(&mut self, message: M, entry: Option<Entry>) -> Result<(), E> {
        let kind = message.kind();
        let Some(payload) = message.data() else {
            return self.start_plain(message, entry);
        };
        let message = match payload.first() {
            Some(&MARK) if kind == Kind::Text => M::from_data(kind, marked(kind, payload.clone())),
            _ => Some(message),
        };
        let Some(message) = message else {
            return Err(E::cut_off());
        };
        let sending = Sending::of(&message);
        let result = self.inner.start_send_unpin(message);
        if result.is_ok() {
            self.numbered(sending, entry, payload);
        }
        self.noted(result)
    }

    fn numbered(&mut self, sending: Sending, entry: Option<Entry>, payload: Bytes) {
        self.connection.sent(sending);
        if self.connection.is_ended() {
            return;
        }
        if let Some(pings) = &mut self.connection.pings {
            pings.busy();
        }
        let now = self.connection.batch_began();
        let line = self.connection.line();
        let at = entry.map_or(now, |entry| entry.at);
        let made = self.hub().map_or(0, |hub| hub.made(&line.sessions, at));
        line.flow(|flow| {
            let entry = entry.unwrap_or_else(|| {
                let class = ClassId::default();
                flow.ledger.accept(class);
                let late = false;
                Entry { at, class, late }
            });
            flow.number(entry, made, sending.kind, payload);
        });
    }
}

impl<S> Session<S> {
    fn hub(&self) -> Option<&Hub> {
        let hub = self.connection.line().sessions.hub();
        hub.map(|hub| &**hub)
    }
}

/// A payload as it goes over the wire: text of the application that looks like the contract's gets
/// one more mark.
fn marked(kind: Kind, payload: Bytes) -> Bytes {
    if kind != Kind::Text || payload.first() != Some(&MARK) {
        return payload;
    }
    let mut marked = Vec::with_capacity(payload.len() + 1);
    marked.push(MARK);
    marked.extend_from_slice(&payload);
    marked.into()
}

pub(crate) fn seal(
    token: &Token,
    hub: &Hub,
    principal: &[u8],
    endpoint: &'static str,
) -> Option<String> {
    token.seal(&hub.settings.keys, principal, endpoint)
}

/// Milliseconds as JSON has numbers.
#[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
pub(crate) fn float(millis: u64) -> f64 {
    millis as f64
}
