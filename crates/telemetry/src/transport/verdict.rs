//! What became of one attempt.

use std::error::Error;
use std::time::Duration;

/// What became of one attempt.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The collector took it, but for `rejected` items.
    Delivered {
        rejected: u64,
        message: Option<String>,
    },
    /// It may work later.
    Retry(Failure),
    /// The collector will not take this, now or later.
    Refused(Failure),
    /// It is too large; halves may work.
    TooLarge(Failure),
    /// The other side does not speak this protocol.
    WrongProtocol(Failure),
}

/// Why an attempt failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// A short class, for metrics.
    pub(crate) class: &'static str,
    /// The whole cause, for people.
    pub(crate) message: String,
    /// When the server asked us to come back.
    pub(crate) after: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(class: &'static str, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            after: None,
        }
    }

    /// From a failure on the way, with all its causes.
    pub(crate) fn transport(error: &(dyn Error + 'static)) -> Self {
        Self::new("transport", chain(error))
    }

    /// Adds what may help.
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.message = format!("{}: {hint}", self.message);
        self
    }

    pub(crate) fn after(mut self, after: Option<Duration>) -> Self {
        self.after = after;
        self
    }
}

/// An error and its causes; a cause that repeats the one before is left out.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
