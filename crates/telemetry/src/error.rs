//! What can go wrong at the start.

use std::fmt;

/// Why [`Builder::install`](crate::Builder::install) refused.
#[derive(Debug)]
pub struct InstallError(Reason);

#[derive(Debug)]
enum Reason {
    AlreadyInstalled,
    ForeignSubscriber,
}

impl InstallError {
    pub(crate) fn already_installed() -> Self {
        Self(Reason::AlreadyInstalled)
    }

    pub(crate) fn foreign_subscriber() -> Self {
        Self(Reason::ForeignSubscriber)
    }

    /// Whether a telemetry was installed in this process before.
    pub fn is_already_installed(&self) -> bool {
        matches!(self.0, Reason::AlreadyInstalled)
    }

    /// Whether something else had already set the global `tracing` subscriber.
    pub fn is_foreign_subscriber(&self) -> bool {
        matches!(self.0, Reason::ForeignSubscriber)
    }
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Reason::AlreadyInstalled => {
                "telemetry is already installed in this process: install it once, and clone it"
            }
            Reason::ForeignSubscriber => {
                "a global tracing subscriber is already set: remove that initialisation, \
                 or use `Builder::build` and add the layers to it"
            }
        })
    }
}

impl std::error::Error for InstallError {}

/// What is wrong with the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    pub(crate) fn new(problems: Vec<String>) -> Self {
        Self(problems)
    }

    /// Each problem: the variable, its value (secrets masked), the remedy.
    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for ConfigError {}
