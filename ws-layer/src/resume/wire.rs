//! The frames of the wire contract `wsobs.v1`, as the server and the client read and write them.
//!
//! Hello and welcome are known by their place: the first frame of each side. Every later frame of
//! the contract is a text frame that begins with [`MARK`]; a text of the application that begins
//! with it goes out with one more in front, which the receiver takes away. Binary frames are always
//! the application's.

mod asked;
mod frame;
mod reason;

use serde::{Deserialize, Serialize};

pub use asked::Asked;
pub use frame::{Broken, Frame, escape};
pub use reason::Reason;

/// The record separator, as in RFC 7464: what a text frame of the contract begins with.
pub const MARK: char = '\u{1e}';

/// How long a frame of the contract may be, in bytes.
pub const LIMIT: usize = 4096;

/// The value of the `ws-session` header on a response whose first frame is a welcome.
pub const WELCOME: &str = "welcome";

/// The value of the `ws-resume` header of a client that has no token yet.
pub const NEW: &str = "new";

/// What a browser says first; native clients may say it in headers instead.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Hello {
    /// `hello`.
    pub op: String,
    /// `traceparent` of the client's span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tp: Option<String>,
    /// The number of the last message that was handed to the application. Its presence asks for a
    /// resumable session; 0 with a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u32>,
    /// The resume token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rt: Option<String>,
    /// How many attempts there were since the last connection, this one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Milliseconds since the client last heard of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_ms: Option<u64>,
    /// The client's clock, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t0: Option<f64>,
}

/// What the server answers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Welcome {
    /// `welcome`.
    pub op: String,
    /// The public id of the session: 32 hexadecimal digits.
    pub sid: String,
    /// `new`, or the rung of the ladder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The next resume token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rt: Option<String>,
    /// The number of the message before the next one: the client sets its counter to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u32>,
    /// How many messages are sent again, as the next ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// How many messages are known to be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u32>,
    /// Seconds that the session waits for its client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// Seconds between heartbeats of the client, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hb: Option<u32>,
    /// Messages that the client may receive without acknowledging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<u32>,
    /// How to come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The client's clock as it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t0: Option<f64>,
    /// The server's clock when the hello came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t1: Option<f64>,
    /// The server's clock when the welcome left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t2: Option<f64>,
}

/// How a client comes back: full jitter between 0 and `min(cap, base * 2^attempt)`, at least over
/// `spread`. All in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Retry {
    /// The first bound. Default: 500.
    pub base: u32,
    /// The highest bound. Default: 30,000.
    pub cap: u32,
    /// The bound of the first attempt while many clients return. Default: 0.
    pub spread: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            base: 500,
            cap: 30_000,
            spread: 0,
        }
    }
}

/// A frame of the contract after the first one; on the wire behind [`MARK`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Control {
    /// A heartbeat and an acknowledgement in one; the server answers one that has a `t0`.
    Hb {
        /// From the client: the number of the last message that was handed to the application.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u32>,
        /// The client's clock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        t0: Option<f64>,
        /// The server's clock when the heartbeat came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        t1: Option<f64>,
        /// The server's clock when the answer left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        t2: Option<f64>,
        /// From the server: a token that takes the place of the last one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rt: Option<String>,
    },
    /// From the server: so many numbers are left out, their messages have expired.
    Skip {
        /// How many.
        n: u32,
    },
}

#[cfg(test)]
mod tests;
