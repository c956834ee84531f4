//! Breaking things on purpose: what a collector may do to an exporter, switched on and off by the test.
//!
//! Nothing here happens after a time, unless asked for with [`Fault::delay`]: a test that wants a request to wait holds
//! it at a [`Gate`], looks at whatever it wants to see meanwhile, and opens the gate.

mod gate;
mod script;

pub use self::gate::Gate;
pub use self::script::Faults;

pub(crate) use self::script::Script;

use std::time::Duration;

use crate::model::Signal;

/// What happens to an export request instead of the usual answer.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(crate) kind: Kind,
    pub(crate) only: Option<Signal>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// No fault: lets one request of a script pass.
    Nothing,
    BlackHole,
    Hold(Gate),
    SlowRead(Gate),
    Delay(Duration),
    Status(StatusFault),
    Partial(u64, String),
    ResetBeforeCommit,
    ResetAfterCommit,
}

#[derive(Clone, Debug)]
pub(crate) struct StatusFault {
    pub(crate) http: u16,
    pub(crate) grpc: u32,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Fault {
    fn new(kind: Kind) -> Self {
        Self { kind, only: None }
    }

    /// Lets a request pass, between two faults of a script.
    pub fn none() -> Self {
        Self::new(Kind::Nothing)
    }

    /// Reads the request, stores nothing and never answers.
    pub fn black_hole() -> Self {
        Self::new(Kind::BlackHole)
    }

    /// Reads the request, then holds it at `gate`. Once let through, it is stored and answered as usual.
    pub fn hold(gate: &Gate) -> Self {
        Self::new(Kind::Hold(gate.clone()))
    }

    /// Reads the request's body piece by piece, and asks `gate` before each piece.
    pub fn slow_read(gate: &Gate) -> Self {
        Self::new(Kind::SlowRead(gate.clone()))
    }

    /// Waits before storing and answering. Prefer [`hold`](Self::hold), which does not depend on the machine's speed.
    pub fn delay(delay: Duration) -> Self {
        Self::new(Kind::Delay(delay))
    }

    /// Stores nothing and answers with an HTTP status; over gRPC with the code that corresponds to it
    /// (429 with `RESOURCE_EXHAUSTED`, 502 to 504 with `UNAVAILABLE`, and so on).
    pub fn status(http: u16) -> Self {
        let grpc = match http {
            400 => 3,
            401 => 16,
            403 => 7,
            404 => 12,
            408 => 4,
            413 | 429 => 8,
            502..=504 => 14,
            500 => 13,
            _ => 2,
        };
        Self::new(Kind::Status(StatusFault::new(http, grpc)))
    }

    /// Stores nothing and answers with a gRPC code; over HTTP with the status that corresponds to it.
    pub fn grpc_status(code: u32) -> Self {
        let http = match code {
            3 | 9 | 11 => 400,
            4 => 504,
            5 | 12 => 404,
            7 => 403,
            8 => 429,
            14 => 503,
            16 => 401,
            _ => 500,
        };
        Self::new(Kind::Status(StatusFault::new(http, code)))
    }

    /// Adds a throttle hint to a status: `Retry-After` over HTTP (whole seconds, rounded up), `RetryInfo` over gRPC.
    ///
    /// Faults other than a status are left as they are.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        if let Kind::Status(status) = &mut self.kind {
            status.retry_after = Some(delay);
        }
        self
    }

    /// Says what the answer of a status says. The default is that it was injected.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        if let Kind::Status(status) = &mut self.kind {
            status.message = message.into();
        }
        self
    }

    /// Stores the request, yet answers that `rejected` of its items were not accepted, and why.
    pub fn partial_success(rejected: u64, message: impl Into<String>) -> Self {
        Self::new(Kind::Partial(rejected, message.into()))
    }

    /// Reads the request, stores nothing, and resets the connection.
    pub fn reset_before_commit() -> Self {
        Self::new(Kind::ResetBeforeCommit)
    }

    /// Stores the request, then resets the connection instead of answering: the sender cannot know.
    pub fn reset_after_commit() -> Self {
        Self::new(Kind::ResetAfterCommit)
    }

    /// Confines it to one signal: others pass, and do not use it up.
    #[must_use]
    pub fn only(mut self, signal: Signal) -> Self {
        self.only = Some(signal);
        self
    }
}

impl StatusFault {
    fn new(http: u16, grpc: u32) -> Self {
        Self {
            http,
            grpc,
            message: "injected by the test".to_owned(),
            retry_after: None,
        }
    }
}

/// What the network does, as the sender sees it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Network {
    /// Connections are accepted and served.
    #[default]
    Up,
    /// Nobody listens: new connections are refused, and open ones are reset. The ports stay reserved.
    Refuse,
    /// Connections open, yet nothing is read from them or written to them: open ones freeze. Going back to
    /// [`Up`](Self::Up) lets them go on.
    BlackHole,
}
