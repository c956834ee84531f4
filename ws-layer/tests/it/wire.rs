//! A socket made of queues: a kernel buffer of so many messages, and a peer that reads by hand.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use campanile_ws::{Failure, Fault};
use futures_util::{Sink, Stream};
use tokio_tungstenite::tungstenite::Message;

#[derive(Debug)]
pub struct Broken(pub Failure);

impl Fault for Broken {
    fn failure(&self) -> Failure {
        self.0
    }

    fn cut_off() -> Self {
        Self(Failure::Reset)
    }
}

/// The socket's end that is observed.
pub struct Wire(Arc<Mutex<State>>);

/// The peer's end.
#[derive(Clone)]
pub struct Peer(Arc<Mutex<State>>);

struct State {
    /// What was written and not read yet. The first `kernel` of them are out of our hands.
    out: VecDeque<Message>,
    kernel: usize,
    buffer: usize,
    inbound: VecDeque<Result<Message, Broken>>,
    ended: bool,
    read: usize,
    wakers: Vec<Waker>,
}

/// A socket that holds `kernel` messages in the kernel and `buffer` more in its own buffer.
pub fn wire(kernel: usize, buffer: usize) -> (Wire, Peer) {
    let state = Arc::new(Mutex::new(State {
        out: VecDeque::new(),
        kernel,
        buffer,
        inbound: VecDeque::new(),
        ended: false,
        read: 0,
        wakers: Vec::new(),
    }));
    (Wire(state.clone()), Peer(state))
}

impl Peer {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock().unwrap();
        let result = change(&mut state);
        for waker in state.wakers.drain(..) {
            waker.wake();
        }
        result
    }

    /// Reads at most `count` messages, as a stack does it: pings and closes are answered.
    pub fn read(&self, count: usize) {
        self.change(|state| {
            for _ in 0..count {
                let Some(message) = state.out.pop_front() else {
                    return;
                };
                match message {
                    Message::Ping(data) => state.inbound.push_back(Ok(Message::Pong(data))),
                    Message::Close(frame) => {
                        state.inbound.push_back(Ok(Message::Close(frame)));
                        state.ended = true;
                    }
                    Message::Pong(_) => {}
                    _ => state.read += 1,
                }
            }
        });
    }

    /// Data messages that were read.
    pub fn data(&self) -> usize {
        self.0.lock().unwrap().read
    }

    pub fn say(&self, message: Message) {
        self.change(|state| state.inbound.push_back(Ok(message)));
    }

    pub fn fail(&self, failure: Failure) {
        self.change(|state| {
            state.inbound.push_back(Err(Broken(failure)));
            state.ended = true;
        });
    }

    pub fn end(&self) {
        self.change(|state| state.ended = true);
    }
}

impl Stream for Wire {
    type Item = Result<Message, Broken>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.lock().unwrap();
        if let Some(next) = state.inbound.pop_front() {
            return Poll::Ready(Some(next));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.wakers.push(task.waker().clone());
        Poll::Pending
    }
}

impl Sink<Message> for Wire {
    type Error = Broken;

    fn poll_ready(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut state = self.0.lock().unwrap();
        if state.ended {
            return Poll::Ready(Err(Broken(Failure::Misuse)));
        }
        if state.out.len() < state.kernel + state.buffer {
            return Poll::Ready(Ok(()));
        }
        state.wakers.push(task.waker().clone());
        Poll::Pending
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Broken> {
        let mut state = self.0.lock().unwrap();
        if state.ended {
            return Err(Broken(Failure::Misuse));
        }
        state.out.push_back(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut state = self.0.lock().unwrap();
        if state.ended {
            return Poll::Ready(Err(Broken(Failure::Misuse)));
        }
        if state.out.len() <= state.kernel {
            return Poll::Ready(Ok(()));
        }
        state.wakers.push(task.waker().clone());
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }
}
