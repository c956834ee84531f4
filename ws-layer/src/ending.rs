//! The one end of a connection, found by a small state machine.
//!
//! What is noted first decides: a close frame sent or received, then a broken transport, then the
//! drop of the socket. An order of our own (drain, heartbeat, slow consumer) is noted before its
//! close frame and names the cause of it.

use crate::{Cause, Class, Failure, Role};

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct End {
    pub(crate) class: Class,
    pub(crate) cause: Cause,
    /// The close code that was sent or received first.
    pub(crate) code: Option<u16>,
    /// Whether this side ended it.
    pub(crate) local: bool,
    /// What went wrong (`error.type` of the disconnect span).
    pub(crate) error: Option<&'static str>,
}

impl End {
    /// Why the session waits for its client; `None` when this was its end. A side that closes
    /// because it has had enough ends it; a reload, a lost network and a restart do not.
    pub(crate) fn detaches(self) -> Option<Cause> {
        let ends = match self.cause {
            Cause::Client => !matches!(self.code, Some(1001 | 1006 | 1012..=1015)),
            Cause::App | Cause::Auth => true,
            _ => false,
        };
        (!ends).then_some(self.cause)
    }
}

/// What is known about the end so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending {
    noted: Option<Noted>,
    /// Why this side is about to close, when it was us and not the application.
    order: Option<Cause>,
}

#[derive(Clone, Copy, Debug)]
enum Noted {
    Close {
        code: u16,
        local: bool,
    },
    /// A close frame without a code.
    Empty {
        local: bool,
    },
    Broke(Failure),
    Given(Cause),
    Dropped {
        panicking: bool,
    },
}

impl Ending {
    /// Whether an end has been noted.
    pub(crate) fn is_noted(self) -> bool {
        self.noted.is_some()
    }

    /// Whether this side decided to end the connection.
    pub(crate) fn is_ordered(self) -> bool {
        self.order.is_some()
    }

    /// This side is about to close, for this cause.
    pub(crate) fn order(&mut self, cause: Cause) {
        if self.noted.is_none() {
            self.order.get_or_insert(cause);
        }
    }

    /// A close frame went out.
    pub(crate) fn sent_close(&mut self, code: Option<u16>) {
        self.close(code, true);
    }

    /// A close frame came in.
    pub(crate) fn received_close(&mut self, code: Option<u16>) {
        self.close(code, false);
    }

    fn close(&mut self, code: Option<u16>, local: bool) {
        self.note(match code {
            Some(code) => Noted::Close { code, local },
            None => Noted::Empty { local },
        });
    }

    /// The connection broke.
    pub(crate) fn broke(&mut self, failure: Failure) {
        if failure != Failure::Misuse {
            self.note(Noted::Broke(failure));
        }
    }

    /// The stream ended: what was not explained before is an end of file, or our own order.
    pub(crate) fn ended(&mut self) {
        self.note(match self.order {
            Some(cause) => Noted::Given(cause),
            None => Noted::Broke(Failure::Eof),
        });
    }

    /// The socket was dropped.
    pub(crate) fn dropped(&mut self, panicking: bool) {
        self.note(match self.order {
            Some(cause) => Noted::Given(cause),
            None => Noted::Dropped { panicking },
        });
    }

    fn note(&mut self, noted: Noted) {
        self.noted.get_or_insert(noted);
    }

    /// The end as `role` has seen it.
    pub(crate) fn end(self, role: Role) -> End {
        let abnormal = |cause, local, error| End {
            class: Class::Abnormal,
            cause,
            code: None,
            local,
            error: Some(error),
        };
        match self.noted {
            Some(Noted::Close { code, local }) => self.closed(Some(code), local, role),
            Some(Noted::Empty { local }) => self.closed(None, local, role),
            Some(Noted::Given(cause)) => abnormal(cause, true, cause.as_str()),
            Some(Noted::Broke(failure)) => broken(failure),
            Some(Noted::Dropped { panicking: true }) => abnormal(Cause::Error, true, "panic"),
            Some(Noted::Dropped { panicking: false }) | None => {
                let cause = match role {
                    Role::Server => Cause::App,
                    Role::Client => Cause::Client,
                };
                abnormal(cause, true, "dropped")
            }
        }
    }

    fn closed(self, code: Option<u16>, local: bool, role: Role) -> End {
        let class = Class::of(code);
        let by_client = local == (role == Role::Client);
        let cause = self.order.filter(|_| local);
        let bad = matches!(
            class,
            Class::Protocol
                | Class::Unsupported
                | Class::TooBig
                | Class::Internal
                | Class::Tls
                | Class::Invalid
        );
        End {
            class,
            cause: cause.unwrap_or(Cause::of_close(code, by_client)),
            code,
            local,
            error: bad.then_some(class.as_str()),
        }
    }
}

/// The end of a connection that broke: the class is the code that RFC 6455 gives for it.
fn broken(failure: Failure) -> End {
    let (class, cause, local, error) = match failure {
        Failure::Eof | Failure::Misuse => (Class::Abnormal, Cause::Network, false, "eof"),
        Failure::Reset => (Class::Abnormal, Cause::Network, false, "reset"),
        Failure::Tls => (Class::Tls, Cause::Error, true, "tls"),
        Failure::Protocol => (Class::Protocol, Cause::Error, true, "protocol"),
        Failure::InvalidUtf8 => (Class::Protocol, Cause::Error, true, "invalid_utf8"),
        Failure::TooBig => (Class::TooBig, Cause::Error, true, "too_big"),
    };
    End {
        class,
        cause,
        code: None,
        local,
        error: Some(error),
    }
}

#[cfg(test)]
mod tests;
