//! A client whose session outlives its connections.
//!
//! [`Reconnecting`] opens a WebSocket, asks the server for a session that can be resumed, and comes
//! back when the connection is lost: with full jitter, not before the server wants it, with its
//! token and the number of the last message that the application was handed. The application sees
//! one stream of [`Event`]s, in which no message comes twice, and is told what became of its
//! session: taken up again without a gap, with one, or begun anew.
//!
//! All of it happens while the stream is polled: there is no task behind it. A client that is not
//! polled does not read, acknowledge or answer, and its server will take it for dead.
//!
//! What the client itself sends is neither numbered nor sent again: what was on its way when the
//! connection was lost may have arrived or not, and is the application's to repeat.
//!
//! A server that knows nothing of the contract is served as well: each connection is then a session
//! of its own ([`State::Plain`]).

mod attempt;
mod builder;
mod contract;
mod counts;
mod link;
mod live;
mod pace;

use std::fmt;
use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;

pub use builder::ReconnectingBuilder;
pub use live::Reconnecting;
pub use pace::Backoff;

use crate::Cause;
use crate::resume::Rung;

/// What happens to a [`Reconnecting`] client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// There is a connection.
    Attached(Attached),
    /// The server's application sent this: text or bytes, each once.
    Message(Message),
    /// The connection was lost, or an attempt to open one failed; the next is under way.
    Detached(Detached),
    /// It is over. Nothing follows.
    Ended(Ended),
}

/// There is a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Attached {
    /// The public id of the session, as in the server's telemetry; `None` where it says none.
    pub sid: Option<String>,
    /// Where the session stands.
    pub state: State,
    /// What the server made of the token; `None` when there was none.
    pub rung: Option<Rung>,
}

impl Attached {
    /// Whether something may have been missed, so that the application has to load what it shows
    /// anew: it has a session of which it knows nothing yet, or one with a gap.
    pub const fn must_load(&self) -> bool {
        matches!(
            self.state,
            State::Plain | State::New | State::Resynced { .. }
        )
    }
}

/// Where a session stands when it gets a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// The server does not resume sessions: this one ends with its connection.
    Plain,
    /// It begins: it is the first one, or the last one could not be taken up again.
    New,
    /// It goes on, and nothing had been missed.
    Resumed,
    /// It goes on; so many messages that had been missed come now.
    Replayed {
        /// How many.
        messages: u32,
    },
    /// It goes on with a gap.
    Resynced {
        /// How many messages are known to be lost.
        lost: u32,
    },
}

/// There is no connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Detached {
    /// Why.
    pub cause: Cause,
    /// How many attempts have failed since there was a connection that held; 0 when it was just
    /// lost.
    pub attempt: u32,
    /// When the next attempt begins.
    pub retry_in: Duration,
}

/// Why a client does not come back.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Ended {
    /// The server's application closed it.
    ByServer {
        /// The close code.
        code: u16,
        /// What it said.
        reason: String,
    },
    /// A newer connection has the session.
    Superseded,
    /// The server took the session back.
    Revoked,
    /// The server does not let this client in: 401 or 403.
    Refused {
        /// The status of the answer.
        status: u16,
    },
    /// The attempts or the time for them are used up.
    GaveUp,
}

/// A message was not taken.
#[derive(Debug)]
pub struct Unsent {
    why: Why,
    message: Box<Message>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    Full,
    Ended,
    NotData,
}

impl Unsent {
    fn new(why: Why, message: Message) -> Self {
        let message = Box::new(message);
        Self { why, message }
    }

    /// There is no connection, and as much is waiting as may.
    pub fn is_full(&self) -> bool {
        self.why == Why::Full
    }

    /// The client has ended.
    pub fn is_ended(&self) -> bool {
        self.why == Why::Ended
    }

    /// The message.
    pub fn into_message(self) -> Message {
        *self.message
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.why {
            Why::Full => "the queue of a client without a connection is full: send it again later",
            Why::Ended => "the client has ended: open another",
            Why::NotData => "a client sends text and bytes only: use close() to close it",
        })
    }
}

impl std::error::Error for Unsent {}
