//! The first frame of a client that speaks the wire contract.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use campanile_propagation::Parent;
use opentelemetry::trace::{SpanContext, TraceState};

use super::opening::close;
use crate::handshake::Refusal;
use crate::resume::wire;

const DEADLINE: Duration = Duration::from_secs(5);

/// What a hello says.
#[derive(Debug)]
pub(super) struct Hello(wire::Hello);

impl Hello {
    /// The client's span; one that cannot be read is none.
    pub(super) fn context(&self) -> Option<SpanContext> {
        let parent = self.0.tp.as_ref();
        let parent = parent.and_then(|text| Parent::parse(text.as_bytes()));
        parent.map(|parent| parent.to_span_context(TraceState::NONE))
    }

    /// The last message that the client has: it asks for a session that may be resumed.
    pub(super) fn seq(&self) -> Option<u32> {
        self.0.seq
    }

    pub(super) fn token(&self) -> Option<String> {
        self.0.rt.clone()
    }

    pub(super) fn t0(&self) -> Option<f64> {
        self.0.t0
    }
}

/// What is wrong with a first frame: a close code and its reason.
type Wrong = (u16, &'static str);

/// Receives a hello; else closes with the right code.
pub(super) async fn receive(socket: &mut WebSocket) -> Result<Hello, Refusal> {
    let first = tokio::time::timeout(DEADLINE, first(socket)).await;
    let ((code, reason), refusal) = match first {
        Ok(None) => return Err(Refusal::UpgradeFailed),
        Ok(Some(Ok(hello))) => return Ok(hello),
        Ok(Some(Err(wrong))) => (wrong, Refusal::BadRequest),
        Err(_) => ((1008, "hello expected"), Refusal::HelloTimeout),
    };
    close(socket, code, reason).await;
    Err(refusal)
}

/// Answers a hello that asks for nothing more; false when the connection is gone.
pub(super) async fn welcome(socket: &mut WebSocket, id: u128) -> bool {
    let welcome = wire::Welcome::new(id).to_text();
    socket.send(Message::text(welcome)).await.is_ok()
}

/// The first data frame, judged; `None` when the connection ended.
async fn first(socket: &mut WebSocket) -> Option<Result<Hello, Wrong>> {
    loop {
        return match socket.recv().await?.ok()? {
            Message::Text(text) => Some(parse(text.as_str())),
            Message::Binary(_) => Some(Err((1003, "hello is text"))),
            Message::Close(_) => None,
            Message::Ping(_) | Message::Pong(_) => continue,
        };
    }
}

fn parse(text: &str) -> Result<Hello, Wrong> {
    let hello = wire::Hello::parse(text);
    hello
        .map(Hello)
        .map_err(|broken| (broken.code(), broken.reason()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<u16> {
        parse(text).err().map(|(code, _)| code)
    }

    #[test]
    fn a_hello_may_name_a_span_and_an_unreadable_one_is_no_reason_to_refuse() {
        let tp = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let hello = parse(&format!(r#"{{"op":"hello","tp":"{tp}","later":1}}"#));
        assert!(hello.is_ok_and(|hello| hello.context().is_some()));
        let hello = parse(r#"{"op":"hello","tp":"nonsense"}"#);
        assert!(hello.is_ok_and(|hello| hello.context().is_none()));
    }

    #[test]
    fn what_is_no_hello_has_its_close_code() {
        assert_eq!(code("hi"), Some(1007));
        assert_eq!(code(r#"{"op":"goodbye"}"#), Some(1008));
        assert_eq!(code(r#"{"op":7}"#), Some(1007));
        assert_eq!(
            code(&format!(
                r#"{{"op":"hello","x":"{}"}}"#,
                "x".repeat(wire::LIMIT)
            )),
            Some(1009)
        );
    }
}
