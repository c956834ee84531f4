//! How a connection ended, in two closed sets: the class of its close code, and the cause.
//!
//! Close codes are chosen by peers, so they are unbounded; the class is what a metric may carry.
//! The code itself stands on the disconnect span.

/// The class of a close code (`websocket.close.class`), after RFC 6455, section 7.4, and the IANA
/// registry of close codes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// 1000.
    Normal,
    /// 1001.
    GoingAway,
    /// 1002 and 1007 (text that is not UTF-8).
    Protocol,
    /// 1003 and 1010.
    Unsupported,
    /// 1005: a close frame without a code.
    NoStatus,
    /// 1006: the connection ended without a close frame.
    Abnormal,
    /// 1008.
    Policy,
    /// 1009.
    TooBig,
    /// 1011 and 1014.
    Internal,
    /// 1012.
    Restart,
    /// 1013.
    TryLater,
    /// 1015.
    Tls,
    /// 3000 and 3003.
    Auth,
    /// Any other of 3000 to 3999: registered by libraries.
    Library,
    /// 4000 to 4999: chosen by applications.
    App,
    /// A number that no peer may send.
    Invalid,
}

impl Class {
    /// Every class, in the order of the declared set.
    pub const ALL: [Self; 16] = [
        Self::Normal,
        Self::GoingAway,
        Self::Protocol,
        Self::Unsupported,
        Self::NoStatus,
        Self::Abnormal,
        Self::Policy,
        Self::TooBig,
        Self::Internal,
        Self::Restart,
        Self::TryLater,
        Self::Tls,
        Self::Auth,
        Self::Library,
        Self::App,
        Self::Invalid,
    ];

    /// The class of a code; a close frame without a code is [`Class::NoStatus`].
    pub const fn of(code: Option<u16>) -> Self {
        match code {
            Some(1000) => Self::Normal,
            Some(1001) => Self::GoingAway,
            Some(1002 | 1007) => Self::Protocol,
            Some(1003 | 1010) => Self::Unsupported,
            Some(1005) | None => Self::NoStatus,
            Some(1006) => Self::Abnormal,
            Some(1008) => Self::Policy,
            Some(1009) => Self::TooBig,
            Some(1011 | 1014) => Self::Internal,
            Some(1012) => Self::Restart,
            Some(1013) => Self::TryLater,
            Some(1015) => Self::Tls,
            Some(3000 | 3003) => Self::Auth,
            Some(3000..=3999) => Self::Library,
            Some(4000..=4999) => Self::App,
            Some(_) => Self::Invalid,
        }
    }

    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::GoingAway => "going_away",
            Self::Protocol => "protocol",
            Self::Unsupported => "unsupported",
            Self::NoStatus => "no_status",
            Self::Abnormal => "abnormal",
            Self::Policy => "policy",
            Self::TooBig => "too_big",
            Self::Internal => "internal",
            Self::Restart => "restart",
            Self::TryLater => "try_later",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Library => "library",
            Self::App => "app",
            Self::Invalid => "invalid",
        }
    }
}

/// Why a connection ended (`websocket.close.cause`).
///
/// The cause is the same seen from both sides: `client` is the client's wish, `app` the server
/// application's.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cause {
    /// The client closed.
    Client,
    /// The server's application closed, or dropped the socket.
    App,
    /// The server is going away or restarting.
    Drain,
    /// The peer no longer answered.
    Heartbeat,
    /// The peer did not read what was sent to it.
    SlowConsumer,
    /// Nothing was said for too long.
    Idle,
    /// A newer connection took this one's place.
    Superseded,
    /// The peer's credentials do not allow it to stay.
    Auth,
    /// The connection broke without a close frame.
    Network,
    /// One side broke the protocol, or failed.
    Error,
}

impl Cause {
    /// Every cause, in the order of the declared set.
    pub const ALL: [Self; 10] = [
        Self::Client,
        Self::App,
        Self::Drain,
        Self::Heartbeat,
        Self::SlowConsumer,
        Self::Idle,
        Self::Superseded,
        Self::Auth,
        Self::Network,
        Self::Error,
    ];

    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::App => "app",
            Self::Drain => "drain",
            Self::Heartbeat => "heartbeat",
            Self::SlowConsumer => "slow_consumer",
            Self::Idle => "idle",
            Self::Superseded => "superseded",
            Self::Auth => "auth",
            Self::Network => "network",
            Self::Error => "error",
        }
    }

    /// What a close frame's code says about its cause; `by_client` tells who sent it first.
    pub(crate) const fn of_close(code: Option<u16>, by_client: bool) -> Self {
        match (code, by_client) {
            (Some(1002 | 1003 | 1007 | 1009 | 1010 | 1011 | 1014 | 1015), _) => Self::Error,
            (_, true) => Self::Client,
            (Some(1001 | 1012), false) => Self::Drain,
            (Some(3000 | 3003), false) => Self::Auth,
            (Some(3008), false) => Self::SlowConsumer,
            (_, false) => Self::App,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_semconv::value;

    #[test]
    fn classes_and_causes_are_the_declared_sets() {
        assert_eq!(
            Class::ALL.map(Class::as_str),
            value::WEBSOCKET_CLOSE_CLASSES
        );
        assert_eq!(Cause::ALL.map(Cause::as_str), value::WEBSOCKET_CLOSE_CAUSES);
    }

    #[test]
    fn every_code_has_a_class_and_only_foreign_numbers_are_invalid() {
        for code in 0..=u16::MAX {
            let known = matches!(code, 1000..=1003 | 1005..=1015 | 3000..=4999);
            assert_eq!(Class::of(Some(code)) != Class::Invalid, known, "{code}");
        }
        assert_eq!(Class::of(None), Class::NoStatus);
        assert_eq!(Class::of(Some(3001)), Class::Library);
        assert_eq!(Class::of(Some(4999)), Class::App);
    }

    #[test]
    fn the_cause_of_a_close_tells_who_wanted_it() {
        assert_eq!(Cause::of_close(Some(1000), true), Cause::Client);
        assert_eq!(Cause::of_close(Some(1000), false), Cause::App);
        assert_eq!(Cause::of_close(Some(1012), false), Cause::Drain);
        assert_eq!(Cause::of_close(Some(1001), true), Cause::Client);
        assert_eq!(Cause::of_close(Some(1011), false), Cause::Error);
        assert_eq!(Cause::of_close(Some(3000), false), Cause::Auth);
    }
}
