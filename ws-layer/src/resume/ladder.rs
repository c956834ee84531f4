//! What became of an attempt to resume, and how sessions end: two closed sets.

/// The rungs of the ladder (`websocket.resume.result`): each attempt, which is a connection that
/// brought a token, ends on exactly one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Rung {
    /// Nothing had been missed.
    Resumed,
    /// What had been missed was sent again, without a gap.
    Replayed,
    /// The session goes on, but with a gap: the client has to load its state anew.
    Resynced,
    /// The token, or the session's window, was over.
    Expired,
    /// Nobody knows the session.
    UnknownSession,
    /// The token was not made by us, or was changed on its way.
    TokenInvalid,
    /// The token had been used before.
    TokenReplayed,
    /// The old connection was still open: it was closed, and the session goes on here.
    Conflict,
    /// The token belongs to another principal, or the application refused the client.
    Unauthorized,
    /// There was no room: the client was told when to come back.
    Overloaded,
    /// The connection was lost before the session could go on.
    HandshakeFailed,
    /// The hello did not come in time.
    HelloTimeout,
}

impl Rung {
    /// Every rung, in the order of the declared set.
    pub const ALL: [Self; 12] = [
        Self::Resumed,
        Self::Replayed,
        Self::Resynced,
        Self::Expired,
        Self::UnknownSession,
        Self::TokenInvalid,
        Self::TokenReplayed,
        Self::Conflict,
        Self::Unauthorized,
        Self::Overloaded,
        Self::HandshakeFailed,
        Self::HelloTimeout,
    ];

    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::Replayed => "replayed",
            Self::Resynced => "resynced",
            Self::Expired => "expired",
            Self::UnknownSession => "unknown_session",
            Self::TokenInvalid => "token_invalid",
            Self::TokenReplayed => "token_replayed",
            Self::Conflict => "conflict",
            Self::Unauthorized => "unauthorized",
            Self::Overloaded => "overloaded",
            Self::HandshakeFailed => "handshake_failed",
            Self::HelloTimeout => "hello_timeout",
        }
    }

    /// The rung of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| rung.as_str() == name)
    }

    /// Whether a detached session came back to life: the numerator of session survival.
    pub const fn is_return(self) -> bool {
        matches!(self, Self::Resumed | Self::Replayed | Self::Resynced)
    }

    /// Whether the session goes on under its old id.
    pub const fn goes_on(self) -> bool {
        self.is_return() || matches!(self, Self::Conflict)
    }
}

/// How a session ended for good (`websocket.session.end`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SessionEnd {
    /// One side closed it while it was attached: the client with code 1000, or the application.
    Client,
    /// Its window ended without a return.
    Abandoned,
    /// A new session of the same client took its place while it was detached.
    Superseded,
    /// The server took it back: the application revoked it, or there was no room to keep it.
    Revoked,
    /// The process ended and could hand it to nobody.
    DrainLost,
}

impl SessionEnd {
    /// Every end, in the order of the declared set.
    pub const ALL: [Self; 5] = [
        Self::Client,
        Self::Abandoned,
        Self::Superseded,
        Self::Revoked,
        Self::DrainLost,
    ];

    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Abandoned => "abandoned",
            Self::Superseded => "superseded",
            Self::Revoked => "revoked",
            Self::DrainLost => "drain_lost",
        }
    }
}

/// What a session's handler is told about where its session comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resumption {
    /// The rung; `None` for a client that brought no token.
    pub rung: Option<Rung>,
    /// Messages that were sent again.
    pub replayed: u32,
    /// Messages known to be lost.
    pub lost: u32,
    /// Whether this process has not held the session before: the application's own state about it,
    /// such as the rooms it has joined, has to be made.
    pub is_new_here: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_semconv::value;

    #[test]
    fn rungs_and_ends_are_the_declared_sets() {
        assert_eq!(Rung::ALL.map(Rung::as_str), value::WEBSOCKET_RESUME_RESULTS);
        assert_eq!(
            SessionEnd::ALL.map(SessionEnd::as_str),
            value::WEBSOCKET_SESSION_ENDS
        );
    }

    #[test]
    fn rungs_are_known_by_their_names() {
        for rung in Rung::ALL {
            assert_eq!(Rung::parse(rung.as_str()), Some(rung));
        }
        assert_eq!(Rung::parse("new"), None);
    }

    #[test]
    fn a_session_goes_on_by_four_rungs_and_returns_by_three() {
        let goes_on = Rung::ALL.map(Rung::goes_on);
        assert_eq!(goes_on.iter().filter(|goes_on| **goes_on).count(), 4);
        let returns = Rung::ALL.map(Rung::is_return);
        assert_eq!(returns.iter().filter(|returns| **returns).count(), 3);
        assert!(Rung::Conflict.goes_on() && !Rung::Conflict.is_return());
    }
}
