//! Why an outgoing request got no response: a closed set.

use std::error::Error;
use std::io::ErrorKind;

use campanile_semconv::value;

/// Why an outgoing request got no response (`error.type`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// A deadline passed.
    Timeout,
    /// The host's name was not resolved.
    Dns,
    /// No connection came about: refused, unreachable.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The connection ended before the response.
    Closed,
    /// The peer, or the request, broke the rules of HTTP.
    Protocol,
    /// The client panicked.
    Panic,
    /// None of these.
    Other,
}

/// How clients word what they have no public type or predicate for. Each is a whole message of one
/// error in the chain; tests over the real clients notice when one of them changes.
const MESSAGES: &[(&str, Fault)] = &[
    ("request timed out", Fault::Timeout),
    ("deadline has elapsed", Fault::Timeout),
    ("operation timed out", Fault::Timeout),
    ("dns error", Fault::Dns),
    ("client error (Connect)", Fault::Connect),
    ("tcp connect error", Fault::Connect),
    ("connection closed before message completed", Fault::Closed),
    ("connection error", Fault::Closed),
    ("operation was canceled", Fault::Closed),
    ("http2 error", Fault::Protocol),
    (
        "received unexpected message from connection",
        Fault::Protocol,
    ),
];

impl Fault {
    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Panic => "panic",
            Self::Other => value::OTHER,
        }
    }

    /// Finds the fault behind `error`, or behind what caused it.
    ///
    /// The most telling link of the chain wins: that a connection was refused says less than that
    /// it was refused because a deadline had passed. Error texts are compared, never exported.
    ///
    /// ```
    /// use std::io::{Error, ErrorKind};
    /// use campanile_recorder::Fault;
    ///
    /// assert_eq!(Fault::of(&Error::from(ErrorKind::ConnectionRefused)), Fault::Connect);
    /// ```
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        /// Chains are short; one that is not is a loop.
        const LONGEST: usize = 16;
        let chain = std::iter::successors(Some(error), |error| cause(*error));
        let found = chain.take(LONGEST).filter_map(Self::of_one);
        found
            .min_by_key(|fault| fault.rank())
            .unwrap_or(Self::Other)
    }

    fn of_one(error: &(dyn Error + 'static)) -> Option<Self> {
        let by_kind = error.downcast_ref::<std::io::Error>().and_then(|error| {
            Some(match error.kind() {
                ErrorKind::TimedOut => Self::Timeout,
                ErrorKind::ConnectionRefused
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::AddrNotAvailable
                | ErrorKind::NotFound => Self::Connect,
                ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::NotConnected
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof => Self::Closed,
                _ => return None,
            })
        });
        by_kind.or_else(|| Self::of_message(&error.to_string()))
    }

    fn of_message(message: &str) -> Option<Self> {
        let known = MESSAGES.iter().find(|(text, _)| *text == message);
        let by_text = known.map(|(_, fault)| *fault);
        // rustls and hyper put the particulars behind a fixed beginning
        by_text
            .or_else(|| {
                message
                    .starts_with("invalid HTTP ")
                    .then_some(Self::Protocol)
            })
            .or_else(|| is_tls(message).then_some(Self::Tls))
    }

    /// The smaller, the more it tells.
    fn rank(self) -> u8 {
        match self {
            Self::Panic => 0,
            Self::Timeout => 1,
            Self::Dns => 2,
            Self::Tls => 3,
            Self::Connect => 4,
            Self::Protocol => 5,
            Self::Closed => 6,
            Self::Other => 7,
        }
    }
}

fn is_tls(message: &str) -> bool {
    [
        "invalid peer certificate",
        "received fatal alert",
        "received corrupt message",
    ]
    .iter()
    .any(|start| message.starts_with(start))
}

/// An I/O error hides the error it was made of: `source` gives the cause of that one.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let inner = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    match inner {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests;
