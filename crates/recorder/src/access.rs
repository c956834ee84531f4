//! The access event: one log record at the end of a request, if it is worth one.

use std::time::Duration;

use campanile_semconv::{attribute as a, event};
use opentelemetry::Context;

use crate::{End, RouteScope};

/// Which requests are told in the log when they end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AccessLog {
    /// None.
    Off,
    /// Those that failed (a 5xx answer, a broken end) and those that took at least so long.
    Problems {
        /// From the head of the request to the end of its body.
        slower_than: Duration,
    },
    /// All of them.
    All,
}

impl AccessLog {
    /// The default: failures, and what took a second or longer.
    pub const PROBLEMS: Self = Self::Problems {
        slower_than: Duration::from_secs(1),
    };

    /// Failures, and what took at least `threshold`.
    pub const fn slower_than(threshold: Duration) -> Self {
        Self::Problems {
            slower_than: threshold,
        }
    }

    fn wants(self, end: &End<'_>) -> bool {
        match self {
            Self::Off => false,
            Self::Problems { slower_than } => {
                Duration::from_nanos(end.elapsed_ns) >= slower_than || end.error_type().is_some()
            }
            Self::All => true,
        }
    }

    /// Tells the end of an exchange, in its context.
    pub(crate) fn tell(self, context: &Context, end: &End<'_>) {
        if self.wants(end) {
            tell(context, end);
        }
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self::PROBLEMS
    }
}

#[cold]
fn tell(context: &Context, end: &End<'_>) {
    let _attached = context.clone().attach();
    let _scope = RouteScope::enter(end.route);
    tracing::info!(
        name: event::CAMPANILE_ACCESS,
        target: "campanile_http::access",
        {
            { a::HTTP_REQUEST_METHOD } = end.route.method().as_str(),
            { a::HTTP_ROUTE } = end.route.template(),
            { a::HTTP_RESPONSE_STATUS_CODE } = end.status,
            { a::CAMPANILE_OUTCOME } = end.outcome.as_str(),
            { a::CAMPANILE_PHASE } = end.phase.as_str(),
            { a::ERROR_TYPE } = end.error_type(),
            { a::CAMPANILE_REQUEST_DURATION } = end.seconds(),
            { a::HTTP_REQUEST_BODY_SIZE } = end.sizes.request,
            { a::HTTP_RESPONSE_BODY_SIZE } = end.sizes.response,
        },
        "{}",
        end.route.name()
    );
}
