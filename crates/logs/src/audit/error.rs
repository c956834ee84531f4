//! What was lost, and where.

use std::fmt;

use super::Refusal;

/// A record that was not taken everywhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditError {
    action: &'static str,
    lost: Vec<(&'static str, Refusal)>,
}

impl AuditError {
    pub(super) fn nowhere(action: &'static str) -> Self {
        Self {
            action,
            lost: Vec::new(),
        }
    }

    pub(super) fn lost(action: &'static str, lost: Vec<(&'static str, Refusal)>) -> Self {
        Self { action, lost }
    }

    /// The action whose record it was.
    pub fn action(&self) -> &'static str {
        self.action
    }

    /// Whether a queue was full, so that it may succeed later, or with more time.
    pub fn is_full(&self) -> bool {
        self.lost.iter().any(|(_, why)| *why == Refusal::Full)
    }

    /// Whether there is nowhere to record to: nothing is exported, and lines are discarded.
    pub fn is_nowhere(&self) -> bool {
        self.lost.is_empty()
    }

    /// Where the record is missing: `the log stream`, `OTLP`.
    pub fn missing_in(&self) -> impl Iterator<Item = &'static str> {
        self.lost.iter().map(|(way, _)| *way)
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the audit record of {} is lost", self.action)?;
        if self.is_nowhere() {
            return f.write_str(
                ": nothing is exported and lines are discarded, so there is nowhere to record it",
            );
        }
        for (index, (way, why)) in self.lost.iter().enumerate() {
            let separator = if index == 0 { " in" } else { ", and in" };
            let why = match why {
                Refusal::Full => "its queue is full: wait with record_within, or make it larger",
                Refusal::TooLarge => "it is larger than the queue: shorten it",
                Refusal::Ended => "telemetry has ended: record before the shutdown",
            };
            write!(f, "{separator} {way} ({why})")?;
        }
        Ok(())
    }
}

impl std::error::Error for AuditError {}
