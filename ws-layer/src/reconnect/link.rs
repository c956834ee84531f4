//! One connection of a reconnecting client, while it lasts.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};
use std::time::{Duration, SystemTime};

use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::attempt::Over;
use super::contract::{Contract, Due, Known};
use crate::client::ClientSocket;
use crate::resume::wire::{Control, Frame, escape};
use crate::{Cause, Session};

/// How long a peer has to answer a close frame: 1 s.
const PARTING: Duration = Duration::from_secs(1);

pub(super) struct Link {
    session: Session<ClientSocket>,
    /// Where the server resumes sessions.
    contract: Option<Contract>,
    /// Frames of the contract that have to be written.
    controls: VecDeque<Control>,
    timer: Pin<Box<Sleep>>,
    is_unflushed: bool,
    pub(super) since: Instant,
    /// When the server was last heard.
    pub(super) heard: Instant,
}

/// What came of a look at the connection.
pub(super) enum Step {
    Message(Message),
    Over(Over),
}

impl Link {
    pub(super) fn new(
        session: Session<ClientSocket>,
        mut contract: Option<Contract>,
        now: Instant,
    ) -> Self {
        // The first frame confirms the token: it goes before whatever waits.
        let first = contract.as_mut().map(|it| it.due(now, wall()));
        let controls = first.into_iter().filter_map(|due| match due {
            Due::Say(control) => Some(control),
            _ => None,
        });
        Self {
            session,
            controls: controls.collect(),
            contract,
            timer: Box::pin(sleep_until(now)),
            is_unflushed: false,
            since: now,
            heard: now,
        }
    }

    /// What the next connection has to know of the session.
    pub(super) fn into_known(self) -> Option<Known> {
        self.contract.map(|contract| contract.known)
    }

    /// Does what is due, writes what waits, and reads up to the next message.
    pub(super) fn poll(
        &mut self,
        queue: &mut VecDeque<Message>,
        task: &mut Task<'_>,
    ) -> Poll<Step> {
        loop {
            if !self.is_alive(task) {
                self.session.because(Cause::Heartbeat);
                return Poll::Ready(Step::Over(Over::of(Cause::Heartbeat)));
            }
            if let Poll::Ready(Err(over)) = self.write(queue, task) {
                return Poll::Ready(Step::Over(over));
            }
            let next = ready!(self.session.poll_next_unpin(task));
            self.heard = Instant::now();
            let step = match next {
                Some(Ok(message)) => self.read(message),
                Some(Err(error)) => Some(Step::Over(Over::broke(&error))),
                None => Some(Step::Over(Over::of(Cause::Network))),
            };
            if let Some(step) = step {
                if matches!(step, Step::Over(_)) {
                    // The answer to a close frame, if the socket takes it.
                    let _ = self.session.poll_flush_unpin(task);
                }
                return Poll::Ready(step);
            }
        }
    }

    /// Notes what is due, and to be woken when something is; false when the server is dead.
    fn is_alive(&mut self, task: &mut Task<'_>) -> bool {
        let Some(contract) = &mut self.contract else {
            return true;
        };
        loop {
            match contract.due(Instant::now(), wall()) {
                Due::Dead => return false,
                Due::Say(control) => self.controls.push_back(control),
                Due::At(at) => {
                    if self.timer.deadline() != at {
                        self.timer.as_mut().reset(at);
                    }
                    if self.timer.as_mut().poll(task).is_pending() {
                        return true;
                    }
                }
            }
        }
    }

    /// Writes what waits, and flushes; `Ready` when nothing is left.
    pub(super) fn write(
        &mut self,
        queue: &mut VecDeque<Message>,
        task: &mut Task<'_>,
    ) -> Poll<Result<(), Over>> {
        let broke = |error| Over::broke(&error);
        while !self.controls.is_empty() || !queue.is_empty() {
            ready!(self.session.poll_ready_unpin(task)).map_err(broke)?;
            let sent = if let Some(control) = self.controls.pop_front() {
                self.session.start_control(&control)
            } else if let Some(message) = queue.pop_front() {
                let message = match message {
                    Message::Text(text) if self.contract.is_some() => {
                        Message::text(escape(&text).into_owned())
                    }
                    other => other,
                };
                self.session.start_send_unpin(message)
            } else {
                break;
            };
            sent.map_err(broke)?;
            self.is_unflushed = true;
        }
        if self.is_unflushed {
            ready!(self.session.poll_flush_unpin(task)).map_err(broke)?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// What a frame is to the application, if anything.
    fn read(&mut self, message: Message) -> Option<Step> {
        if let Message::Close(frame) = &message {
            let code = frame.as_ref().map(|frame| frame.code.into());
            let reason = frame.as_ref().map_or("", |frame| frame.reason.as_str());
            return Some(Step::Over(Over::closed(code, reason)));
        }
        let message = match &mut self.contract {
            Some(contract) => judge(contract, message, self.heard),
            None => Ok(Some(message)),
        };
        match message {
            Ok(message) => {
                let message = message.filter(|it| it.is_text() || it.is_binary());
                message.map(Step::Message)
            }
            Err(close) => {
                let _ = self.session.start_send_unpin(close);
                Some(Step::Over(Over::poisoned()))
            }
        }
    }

    /// Says goodbye, and waits a moment for the answer.
    pub(super) async fn close(mut self, queue: &mut VecDeque<Message>) {
        let last = self.contract.as_ref().map(Contract::last_word);
        self.controls.extend(last);
        let parting = async {
            let written = std::future::poll_fn(|task| self.write(queue, task)).await;
            if written.is_ok() && self.session.close(1000, "").await.is_ok() {
                while let Some(Ok(_)) = self.session.next().await {}
            }
        };
        let _ = timeout(PARTING, parting).await;
    }
}

/// The message as the application gets it; `Err` with a close frame for what breaks the contract.
fn judge(
    contract: &mut Contract,
    message: Message,
    now: Instant,
) -> Result<Option<Message>, Message> {
    contract.heard(now);
    let message = match &message {
        Message::Text(text) => match Frame::read(text) {
            Ok(Frame::Application(inner)) if inner.len() == text.len() => message,
            Ok(Frame::Application(inner)) => Message::text(inner),
            Ok(Frame::Control(control)) => {
                contract.control(control, now);
                return Ok(None);
            }
            Ok(Frame::Later) => return Ok(None),
            Err(broken) => {
                return Err(crate::Message::close(broken.code(), broken.reason()));
            }
        },
        Message::Binary(_) => message,
        _ => return Ok(None),
    };
    Ok(contract.message(now).then_some(message))
}

/// Milliseconds since the Unix epoch.
fn wall() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    (since.unwrap_or_default().as_secs_f64() * 1000.0).round()
}
