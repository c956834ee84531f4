//! What the wrapper has to know about a foreign message and a foreign error.
//!
//! Never the contents: a kind, a length, the code of a close frame, and the payload of a pong
//! (which may be the answer to a ping of ours).

use axum::body::Bytes;
use axum::extract::ws;
use tungstenite_029 as ts29;

/// The kind of a message (`websocket.message.type`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A close frame.
    Close,
}

impl Kind {
    /// Every kind, in the order of the declared set.
    pub const ALL: [Self; 5] = [
        Self::Text,
        Self::Binary,
        Self::Ping,
        Self::Pong,
        Self::Close,
    ];

    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Close => "close",
        }
    }

    /// Whether it carries the application's data.
    pub const fn is_data(self) -> bool {
        matches!(self, Self::Text | Self::Binary)
    }
}

/// A message of some WebSocket library.
pub trait Message: Sized {
    /// Its kind.
    fn kind(&self) -> Kind;

    /// The length of its payload in bytes: of a close frame, code and reason together.
    fn size(&self) -> usize;

    /// The code of a close frame that has one.
    fn close_code(&self) -> Option<u16>;

    /// The payload of a pong; empty for everything else.
    fn pong(&self) -> &[u8];

    /// Makes a ping.
    fn ping(payload: &[u8]) -> Self;

    /// Makes a close frame. The reason is at most 123 bytes.
    fn close(code: u16, reason: &'static str) -> Self;

    /// The payload of text or bytes, shared and not copied. Default: `None`, and then sessions that
    /// carry such messages cannot be resumed.
    fn data(&self) -> Option<Bytes> {
        None
    }

    /// Makes text or bytes; `None` if that cannot be. Default: `None`.
    fn from_data(kind: Kind, data: Bytes) -> Option<Self> {
        let _ = (kind, data);
        None
    }

    /// Makes a close frame whose reason, at most 123 bytes, was made at run time. Default: one
    /// without a reason.
    fn close_because(code: u16, reason: &str) -> Self {
        let _ = reason;
        Self::close(code, "")
    }
}

/// What broke, in the terms of an ending.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Failure {
    /// The peer's end of the connection closed without a close frame.
    Eof,
    /// The connection was reset, or another transport error.
    Reset,
    /// The peer broke the protocol.
    Protocol,
    /// The peer sent text that is not UTF-8.
    InvalidUtf8,
    /// The peer sent more than is allowed.
    TooBig,
    /// TLS failed.
    Tls,
    /// Not an ending: the call was out of place, or a buffer is full.
    Misuse,
}

/// An error of some WebSocket library.
pub trait Fault {
    /// What broke.
    fn failure(&self) -> Failure;

    /// The error that a send gets which was blocked when its session had to end: at the deadline
    /// of a drain, or because the peer is dead.
    fn cut_off() -> Self;
}

pub(crate) fn aborted() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "session cut off")
}

impl Message for ws::Message {
    fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
            Self::Ping(_) => Kind::Ping,
            Self::Pong(_) => Kind::Pong,
            Self::Close(_) => Kind::Close,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.as_str().len(),
            Self::Binary(data) | Self::Ping(data) | Self::Pong(data) => data.len(),
            Self::Close(frame) => frame.as_ref().map_or(0, |frame| 2 + frame.reason.len()),
        }
    }

    fn close_code(&self) -> Option<u16> {
        match self {
            Self::Close(frame) => frame.as_ref().map(|frame| frame.code),
            _ => None,
        }
    }

    fn pong(&self) -> &[u8] {
        match self {
            Self::Pong(data) => data,
            _ => &[],
        }
    }

    fn ping(payload: &[u8]) -> Self {
        Self::Ping(Bytes::copy_from_slice(payload))
    }

    fn close(code: u16, reason: &'static str) -> Self {
        let reason = ws::Utf8Bytes::from_static(reason);
        Self::Close(Some(ws::CloseFrame { code, reason }))
    }

    fn data(&self) -> Option<Bytes> {
        match self {
            Self::Text(text) => Some(text.clone().into()),
            Self::Binary(data) => Some(data.clone()),
            _ => None,
        }
    }

    fn from_data(kind: Kind, data: Bytes) -> Option<Self> {
        match kind {
            Kind::Text => data.try_into().ok().map(Self::Text),
            Kind::Binary => Some(Self::Binary(data)),
            _ => None,
        }
    }

    fn close_because(code: u16, reason: &str) -> Self {
        let reason = reason.into();
        Self::Close(Some(ws::CloseFrame { code, reason }))
    }
}

impl Fault for axum::Error {
    /// axum boxes the error of its own tungstenite; what cannot be recognised counts as a reset.
    fn failure(&self) -> Failure {
        let inner = std::error::Error::source(self);
        inner
            .and_then(|error| error.downcast_ref::<ts29::Error>())
            .map_or(Failure::Reset, Fault::failure)
    }

    fn cut_off() -> Self {
        Self::new(ts29::Error::cut_off())
    }
}

/// Implements [`Message`] and [`Fault`] for one version of tungstenite.
macro_rules! implement {
    ($ts:path, $message:ty) => {
        const _: () = {
            use $ts as ts;

            impl $crate::Message for $message {
                fn kind(&self) -> $crate::Kind {
                    match self {
                        Self::Text(_) => $crate::Kind::Text,
                        Self::Ping(_) => $crate::Kind::Ping,
                        Self::Pong(_) => $crate::Kind::Pong,
                        Self::Close(_) => $crate::Kind::Close,
                        // A raw frame is never read, and rarely written.
                        Self::Binary(_) | Self::Frame(_) => $crate::Kind::Binary,
                    }
                }

                fn size(&self) -> usize {
                    match self {
                        Self::Text(text) => text.as_str().len(),
                        Self::Binary(data) | Self::Ping(data) | Self::Pong(data) => data.len(),
                        Self::Close(frame) => {
                            frame.as_ref().map_or(0, |frame| 2 + frame.reason.len())
                        }
                        Self::Frame(frame) => frame.payload().len(),
                    }
                }

                fn close_code(&self) -> Option<u16> {
                    match self {
                        Self::Close(frame) => frame.as_ref().map(|frame| frame.code.into()),
                        _ => None,
                    }
                }

                fn pong(&self) -> &[u8] {
                    match self {
                        Self::Pong(data) => data,
                        _ => &[],
                    }
                }

                fn ping(payload: &[u8]) -> Self {
                    Self::Ping(payload.to_vec().into())
                }

                fn close(code: u16, reason: &'static str) -> Self {
                    let reason = ts::Utf8Bytes::from_static(reason);
                    let code = code.into();
                    Self::Close(Some(ts::protocol::CloseFrame { code, reason }))
                }

                fn data(&self) -> Option<axum::body::Bytes> {
                    match self {
                        Self::Text(text) => Some(text.clone().into()),
                        Self::Binary(data) => Some(data.clone()),
                        _ => None,
                    }
                }

                fn from_data(kind: $crate::Kind, data: axum::body::Bytes) -> Option<Self> {
                    match kind {
                        $crate::Kind::Text => data.try_into().ok().map(Self::Text),
                        $crate::Kind::Binary => Some(Self::Binary(data)),
                        _ => None,
                    }
                }

                fn close_because(code: u16, reason: &str) -> Self {
                    let (code, reason) = (code.into(), reason.into());
                    Self::Close(Some(ts::protocol::CloseFrame { code, reason }))
                }
            }

            impl $crate::Fault for ts::Error {
                fn failure(&self) -> $crate::Failure {
                    use ts::Error;
                    use ts::error::ProtocolError;
                    use $crate::Failure;
                    match self {
                        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                            Failure::Eof
                        }
                        Error::Protocol(ProtocolError::SendAfterClosing)
                        | Error::ConnectionClosed
                        | Error::AlreadyClosed
                        | Error::WriteBufferFull(_) => Failure::Misuse,
                        Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                            Failure::Eof
                        }
                        Error::Io(_) => Failure::Reset,
                        Error::Tls(_) => Failure::Tls,
                        Error::Capacity(_) => Failure::TooBig,
                        Error::Utf8(_) => Failure::InvalidUtf8,
                        _ => Failure::Protocol,
                    }
                }

                fn cut_off() -> Self {
                    Self::Io($crate::message::aborted())
                }
            }
        };
    };
}

#[cfg(feature = "tungstenite-030")]
pub(crate) use implement;

implement!(tungstenite_029, tungstenite_029::Message);
