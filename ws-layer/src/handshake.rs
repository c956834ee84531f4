//! A handshake under way: ends as a session, or with the reason why there is none.

use tokio::time::Instant;

use crate::endpoint::Reject;
use crate::observe::DEFAULT_ENDPOINT;
use crate::{Role, Sessions};

/// Why an upgrade did not become a session (`error.type` of `websocket.handshake.duration`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// The handler answered something else, or dropped the upgrade.
    Rejected,
    /// The handler answered 401 or 403.
    Auth,
    /// The process is draining, or the handler answered 429 or 503.
    Limit,
    /// It was no proper upgrade request, or its first frame no proper hello.
    BadRequest,
    /// The connection was lost before the upgrade was complete.
    UpgradeFailed,
    /// The first frame did not come in time.
    HelloTimeout,
}

impl Refusal {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Auth => "rejected_auth",
            Self::Limit => "rejected_limit",
            Self::BadRequest => "bad_request",
            Self::UpgradeFailed => "upgrade_failed",
            Self::HelloTimeout => "hello_timeout",
        }
    }
}

/// Ends when it is told how, or when it is dropped: then by what had to be expected at that point.
#[derive(Debug)]
pub(crate) struct Handshake {
    sessions: Sessions,
    endpoint: &'static str,
    role: Role,
    began: Instant,
    expected: Refusal,
    ended: bool,
}

impl Handshake {
    pub(crate) fn begin(sessions: &Sessions, role: Role, expected: Refusal) -> Self {
        Self {
            sessions: sessions.clone(),
            endpoint: DEFAULT_ENDPOINT,
            role,
            began: Instant::now(),
            expected,
            ended: false,
        }
    }

    pub(crate) fn set_endpoint(&mut self, endpoint: &'static str) {
        self.endpoint = endpoint;
    }

    pub(crate) fn endpoint(&self) -> &'static str {
        self.endpoint
    }

    /// What a drop from now on means.
    pub(crate) fn expect(&mut self, refusal: Refusal) {
        self.expected = refusal;
    }

    /// There is no room.
    pub(crate) fn reject(&self, reason: Reject) {
        let series = self.sessions.series(self.endpoint, self.role);
        series.rejected(reason);
    }

    /// There is a session.
    pub(crate) fn succeed(mut self) {
        self.end(None);
    }

    fn end(&mut self, refusal: Option<Refusal>) {
        if !std::mem::replace(&mut self.ended, true) {
            let seconds = self.began.elapsed().as_secs_f64();
            let series = self.sessions.series(self.endpoint, self.role);
            series.handshake(refusal).record(seconds);
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.end(Some(self.expected));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_the_declared_set() {
        use Refusal::{Auth, BadRequest, HelloTimeout, Limit, Rejected, UpgradeFailed};
        let all = [
            Rejected,
            Auth,
            Limit,
            BadRequest,
            UpgradeFailed,
            HelloTimeout,
        ];
        let declared = campanile_semconv::value::WEBSOCKET_HANDSHAKE_ERRORS;
        assert_eq!(all.map(Refusal::as_str), declared);
    }
}
