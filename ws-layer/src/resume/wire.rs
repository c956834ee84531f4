//! The frames of the wire contract `wsobs.v1`, as the server and the client read and write them.
//!
//! Hello and welcome are known by their place: the first frame of each side. Every later frame of
//! the contract is a text frame that begins with [`MARK`]; a text of the application that begins
//! with it goes out with one more in front, which the receiver takes away. Binary frames are always
//! the application's.

use serde::{Deserialize, Serialize};

/// The record separator, as in RFC 7464: what a text frame of the contract begins with.
pub const MARK: char = '\u{1e}';

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

/// What the reason of a close frame says: `k=drain;ra=5000`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reason<'a> {
    /// Why: `drain`, `overload`, `superseded`, `revoked`.
    pub kind: Option<&'a str>,
    /// Come back after so many milliseconds, not earlier.
    pub after: Option<u32>,
}

impl<'a> Reason<'a> {
    /// Reads a reason; whatever is not of this form says nothing.
    pub fn parse(text: &'a str) -> Self {
        let mut reason = Self::default();
        for (key, value) in text.split(';').filter_map(|part| part.split_once('=')) {
            match key {
                "k" => reason.kind = Some(value),
                "ra" => reason.after = value.parse().ok(),
                _ => {}
            }
        }
        reason
    }
}

impl std::fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        if let Some(kind) = self.kind {
            write!(f, "k={kind}")?;
            separator = ";";
        }
        match self.after {
            Some(after) => write!(f, "{separator}ra={after}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reason_reads_as_it_was_written_and_nonsense_says_nothing() {
        let reason = Reason {
            kind: Some("drain"),
            after: Some(5000),
        };
        assert_eq!(reason.to_string(), "k=drain;ra=5000");
        assert_eq!(Reason::parse("k=drain;ra=5000"), reason);
        assert_eq!(Reason::parse("service restart"), Reason::default());
        assert_eq!(Reason::parse("ra=-1;=;x=2"), Reason::default());
    }

    #[test]
    fn a_plain_hello_and_an_acknowledgement_are_short() {
        let hello: Hello = serde_json::from_str(r#"{"op":"hello","later":1}"#).unwrap();
        assert_eq!(hello.seq, None);
        let ack = Control::Hb {
            seq: Some(41),
            t0: None,
            t1: None,
            t2: None,
            rt: None,
        };
        let text = serde_json::to_string(&ack).unwrap();
        assert_eq!(text, r#"{"op":"hb","seq":41}"#);
        assert_eq!(serde_json::from_str::<Control>(&text).unwrap(), ack);
    }
}
