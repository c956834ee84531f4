//! How an exchange ended.

use opentelemetry::KeyValue;

use crate::Route;

/// How an exchange ended (`campanile.outcome`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The response was produced to its last frame, whatever its status.
    Completed,
    /// The inner service returned an error instead of a response.
    HandlerError,
    /// The response body failed half-way.
    BodyError,
    /// The response was dropped before its end: the client went away.
    ClientGone,
    /// A deadline ended it.
    Timeout,
    /// The handler, or the body, panicked.
    Panic,
    /// The connection was handed over to another protocol.
    Upgraded,
}

impl Outcome {
    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::HandlerError => "handler_error",
            Self::BodyError => "body_error",
            Self::ClientGone => "client_gone",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
            Self::Upgraded => "upgraded",
        }
    }

    /// Whether the exchange broke, whatever its status code says.
    pub const fn is_broken(self) -> bool {
        !matches!(self, Self::Completed | Self::Upgraded)
    }
}

/// Where an exchange ended (`campanile.phase`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Before its response head.
    Head,
    /// After its response head.
    Body,
}

impl Phase {
    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Body => "body",
        }
    }
}

/// Body sizes as counted, in bytes; absent where nobody counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sizes {
    /// Payload bytes of the request that the handler read.
    pub request: Option<u64>,
    /// Payload bytes of the response that were handed to the server.
    pub response: Option<u64>,
}

/// The end of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// The response's status code, when a head was produced.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// Where it ended.
    pub phase: Phase,
    /// Nanoseconds from the request's head to this end: the span's duration and the metric's sample
    /// alike.
    pub elapsed_ns: u64,
    /// The route, which may be better known now than at the start.
    pub route: &'static Route,
    /// The body sizes.
    pub sizes: Sizes,
    /// Why it failed although it completed, such as a gRPC status.
    pub failure: Option<&'static str>,
    /// What the application adds to the span.
    pub attributes: &'a [KeyValue],
}

impl End<'_> {
    /// How long it took, as metrics tell it.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "exact up to 104 days")]
    pub fn seconds(&self) -> f64 {
        self.elapsed_ns as f64 / 1e9
    }

    /// The value of `error.type`, absent on success (semantic conventions, HTTP server: a 5xx is
    /// an error, a 4xx is not).
    #[inline]
    pub fn error_type(&self) -> Option<&'static str> {
        Self::error_type_of(self.outcome, self.failure, self.status)
    }

    /// The same for an end of which only this is known.
    #[inline]
    pub fn error_type_of(
        outcome: Outcome,
        failure: Option<&'static str>,
        status: Option<u16>,
    ) -> Option<&'static str> {
        if outcome.is_broken() {
            return Some(outcome.as_str());
        }
        failure.or_else(|| server_error(status?))
    }
}

/// The status codes `500` to `599` as text: a closed set.
fn server_error(status: u16) -> Option<&'static str> {
    const TEXT: [&str; 100] = {
        const ALL: &str = concat!(
            "500501502503504505506507508509510511512513514515516517518519520521522523524",
            "525526527528529530531532533534535536537538539540541542543544545546547548549",
            "550551552553554555556557558559560561562563564565566567568569570571572573574",
            "575576577578579580581582583584585586587588589590591592593594595596597598599",
        );
        let mut text = [""; 100];
        let mut i = 0;
        while i < 100 {
            text[i] = ALL.split_at(3 * i).1.split_at(3).0;
            i += 1;
        }
        text
    };
    TEXT.get(usize::from(status.checked_sub(500)?)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_server_errors_have_a_text() {
        for status in 500..600 {
            assert_eq!(server_error(status), Some(status.to_string()).as_deref());
        }
        assert_eq!(
            (server_error(499), server_error(600), server_error(0)),
            (None, None, None)
        );
    }

    #[test]
    fn outcomes_are_the_declared_set() {
        let all = [
            Outcome::Completed,
            Outcome::HandlerError,
            Outcome::BodyError,
            Outcome::ClientGone,
            Outcome::Timeout,
            Outcome::Panic,
            Outcome::Upgraded,
        ];
        assert_eq!(all.map(Outcome::as_str), campanile_semconv::value::OUTCOMES);
        assert_eq!(
            [Phase::Head, Phase::Body].map(Phase::as_str),
            campanile_semconv::value::PHASES
        );
    }
}
