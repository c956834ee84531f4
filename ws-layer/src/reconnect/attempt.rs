//! One attempt to open a connection, and what the end of one means.

use std::pin::Pin;
use std::time::Duration;

use campanile_semconv::header;
use futures_util::StreamExt;
use http::{Request, StatusCode};
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::SpanContext;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Ended;
use crate::client::{ClientSocket, Connector};
use crate::resume::Rung;
use crate::resume::wire::{self, Reason, Welcome};
use crate::{Cause, Failure, Fault, Session};

/// An attempt under way.
pub(super) type Dialling = Pin<Box<dyn Future<Output = Result<Dialled, Over>> + Send>>;

/// A connection, and what its server said first.
pub(super) struct Dialled {
    pub(super) session: Session<ClientSocket>,
    /// `None` from a server that does not resume sessions.
    pub(super) welcome: Option<Welcome>,
}

/// Which connection of its client an attempt would make.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// How many there were.
    pub(super) count: u32,
    /// The span that the last one began with, as far as one was reported.
    pub(super) last: Option<SpanContext>,
}

impl Place {
    /// There is one more.
    pub(super) fn take(&mut self, session: &Session<ClientSocket>) {
        self.count = self.count.saturating_add(1);
        let connect = session.connection().line().signal().connect;
        let connect = Some(connect.to_span_context()).filter(SpanContext::is_valid);
        self.last = connect.or(self.last.take());
    }
}

/// How a connection, or the attempt to open one, ended.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Over {
    pub(super) cause: Cause,
    /// What became of a token that the attempt brought.
    pub(super) rung: Rung,
    /// The server wants the client to stay away for so long.
    pub(super) after: Option<Duration>,
    /// The session must not be taken up again: what broke this connection would break the next.
    pub(super) is_poisoned: bool,
    /// The client must not come back at all.
    pub(super) ended: Option<Ended>,
}

impl Over {
    pub(super) fn of(cause: Cause) -> Self {
        Self {
            cause,
            rung: Rung::HandshakeFailed,
            after: None,
            is_poisoned: false,
            ended: None,
        }
    }

    /// One side broke the rules.
    pub(super) fn poisoned() -> Self {
        let is_poisoned = true;
        Self {
            is_poisoned,
            ..Self::of(Cause::Error)
        }
    }

    /// The server closed.
    pub(super) fn closed(code: Option<u16>, text: &str) -> Self {
        let reason = Reason::parse(text);
        let ended = match (code, reason.kind) {
            (_, Some(Reason::SUPERSEDED)) => Some(Ended::Superseded),
            (_, Some(Reason::REVOKED)) => Some(Ended::Revoked),
            (Some(code @ (1000 | 1008 | 3000 | 3003 | 4000..=4999)), _) => Some(Ended::ByServer {
                code,
                reason: text.to_owned(),
            }),
            _ => None,
        };
        let cause = match ended {
            Some(Ended::Superseded) => Cause::Superseded,
            Some(Ended::Revoked) => Cause::Auth,
            _ => Cause::of_close(code, false),
        };
        let rung = match (code, &ended) {
            (_, Some(Ended::Revoked)) => Rung::Unauthorized,
            (Some(1012 | 1013), _) => Rung::Overloaded,
            _ => Rung::HandshakeFailed,
        };
        Self {
            cause,
            rung,
            after: reason.after.map(|ms| Duration::from_millis(ms.into())),
            is_poisoned: matches!(code, Some(1002 | 1003 | 1007 | 1009 | 1010)),
            ended,
        }
    }

    /// The connection broke, or was never there.
    pub(super) fn broke(error: &Error) -> Self {
        if let Error::Http(response) = error {
            return Self::refused(response.status(), response.headers());
        }
        match error.failure() {
            Failure::Protocol | Failure::InvalidUtf8 | Failure::TooBig => Self::poisoned(),
            Failure::Tls => Self::of(Cause::Error),
            _ => Self::of(Cause::Network),
        }
    }

    /// The server answered something else than an upgrade.
    fn refused(status: StatusCode, headers: &http::HeaderMap) -> Self {
        let after = headers.get(http::header::RETRY_AFTER);
        let after = after.and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok());
        let status = status.as_u16();
        let (cause, rung) = match status {
            401 | 403 => (Cause::Auth, Rung::Unauthorized),
            429 | 503 => (Cause::Drain, Rung::Overloaded),
            _ => (Cause::Error, Rung::HandshakeFailed),
        };
        Self {
            rung,
            after: after.map(Duration::from_secs),
            ended: (cause == Cause::Auth).then_some(Ended::Refused { status }),
            ..Self::of(cause)
        }
    }
}

/// Opens a connection, and hears the welcome if there is one to come.
pub(super) fn dial(
    connector: Connector,
    request: Request<()>,
    context: Context,
    place: Place,
    within: Duration,
) -> Dialling {
    let dialled = async move {
        let opened = connector.open(request).with_context(context).await;
        let (observed, response) = opened.map_err(|error| Over::broke(&error))?;
        let number = place.count.saturating_add(1);
        let mut session = observed.follows(number, place.last).start();
        let said = response.headers().get(header::WS_SESSION);
        let welcome = if said.is_some_and(|said| said == wire::WELCOME) {
            Some(welcome(&mut session).await?)
        } else {
            None
        };
        Ok(Dialled { session, welcome })
    };
    Box::pin(async move {
        let dialled = tokio::time::timeout(within, dialled).await;
        dialled.unwrap_or_else(|_| Err(Over::of(Cause::Network)))
    })
}

async fn welcome(session: &mut Session<ClientSocket>) -> Result<Welcome, Over> {
    loop {
        return match session.next().await {
            Some(Ok(Message::Text(text))) => Welcome::parse(&text).map_err(|_| Over::poisoned()),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.as_ref().map(|frame| frame.code.into());
                let reason = frame.as_ref().map_or("", |frame| frame.reason.as_str());
                Err(Over::closed(code, reason))
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(_)) => Err(Over::poisoned()),
            Some(Err(error)) => Err(Over::broke(&error)),
            None => Err(Over::of(Cause::Network)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};

    #[test]
    fn a_close_says_whether_and_when_to_come_back() {
        let millis = |ms| Some(Duration::from_millis(ms));
        for (code, reason, after) in [
            (Some(1012), "k=drain;ra=5000", millis(5000)),
            (Some(1013), "k=overload;ra=8000", millis(8000)),
            (Some(1012), "service restart", None),
            (Some(1001), "", None),
            (Some(1011), "", None),
            (Some(3008), "slow consumer", None),
            (None, "", None),
        ] {
            let over = Over::closed(code, reason);
            assert_eq!((over.after, over.ended), (after, None), "{code:?}");
            assert!(!over.is_poisoned, "{code:?}");
        }
        for (code, reason, cause, ended) in [
            (1000, "k=superseded", Cause::Superseded, Ended::Superseded),
            (1008, "k=revoked", Cause::Auth, Ended::Revoked),
        ] {
            let over = Over::closed(Some(code), reason);
            assert_eq!((over.cause, over.ended), (cause, Some(ended)));
        }
        for code in [1000, 1008, 3000, 3003, 4000, 4999] {
            let reason = "done".to_owned();
            let ended = Some(Ended::ByServer { code, reason });
            assert_eq!(Over::closed(Some(code), "done").ended, ended);
        }
        for code in [1002, 1003, 1007, 1009, 1010] {
            let over = Over::closed(Some(code), "");
            assert!(over.is_poisoned && over.ended.is_none(), "{code}");
        }
    }

    #[test]
    fn a_refused_handshake_says_whether_and_when_to_come_back() {
        let refused = |status: u16, after: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(after));
            Over::refused(StatusCode::from_u16(status).unwrap_or_default(), &headers)
        };
        let over = refused(503, "7");
        assert_eq!(over.after, Some(Duration::from_secs(7)));
        assert_eq!((over.rung, over.ended), (Rung::Overloaded, None));
        assert_eq!(refused(503, "Wed, 21 Oct 2015 07:28:00 GMT").after, None);
        assert_eq!(refused(404, "").ended, None);
        for status in [401, 403] {
            let ended = Some(Ended::Refused { status });
            assert_eq!(refused(status, "7").ended, ended);
        }
    }
}
