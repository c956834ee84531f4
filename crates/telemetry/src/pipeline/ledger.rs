//! The books of one signal: every item that was ever offered is in exactly one column.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

/// Why an item was lost.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Loss {
    /// No room for more items or bytes.
    QueueFull,
    /// It waited longer than its age limit.
    Expired,
    /// The collector answered that it will not take it.
    Refused,
    /// It is larger, alone, than the collector takes.
    TooLarge,
    /// It came after the shutdown, or its deadline passed first.
    Shutdown,
    /// It could not be encoded.
    Internal,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::QueueFull,
        Self::Expired,
        Self::Refused,
        Self::TooLarge,
        Self::Shutdown,
        Self::Internal,
    ];

    /// The value of `error.type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Shutdown => "already_shutdown",
            Self::Internal => "internal",
        }
    }
}

/// Counts of items, and what is known about the last exports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) offered: u64,
    pub(crate) delivered: u64,
    pub(crate) rejected: u64,
    pub(crate) dropped: [u64; Loss::ALL.len()],
    pub(crate) queued: u64,
    pub(crate) in_flight: u64,
    /// Bytes of everything queued and in flight.
    pub(crate) held_bytes: usize,
    pub(crate) exports: u64,
    pub(crate) retries: u64,
    /// Failed attempts by class.
    pub(crate) failures: BTreeMap<&'static str, u64>,
    pub(crate) last_success: Option<SystemTime>,
    pub(crate) failing: Option<Failing>,
}

/// A failure that has not been followed by a success.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    pub(crate) since: SystemTime,
    pub(crate) error: String,
}

impl Ledger {
    /// Items held.
    pub(crate) fn held(&self) -> u64 {
        self.queued + self.in_flight
    }

    /// Items lost on our side.
    pub(crate) fn lost(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Refuses an item that was offered.
    pub(crate) fn turn_away(&mut self, items: u64, why: Loss) {
        self.offered += items;
        self.dropped[why as usize] += items;
    }

    /// Takes an item in.
    pub(crate) fn admit(&mut self, items: u64, bytes: usize) {
        self.offered += items;
        self.queued += items;
        self.held_bytes += bytes;
    }

    /// Replaces what queued items weigh.
    pub(crate) fn reweigh(&mut self, old: usize, new: usize) {
        self.held_bytes = self.held_bytes - old + new;
    }

    /// Gives queued items up.
    pub(crate) fn drop_queued(&mut self, items: u64, bytes: usize, why: Loss) {
        self.queued -= items;
        self.held_bytes -= bytes;
        self.dropped[why as usize] += items;
    }

    /// Sends queued items.
    pub(crate) fn launch(&mut self, items: u64) {
        self.queued -= items;
        self.in_flight += items;
        self.exports += 1;
    }

    /// Puts sent items back.
    pub(crate) fn take_back(&mut self, items: u64) {
        self.in_flight -= items;
        self.queued += items;
        self.retries += 1;
    }

    /// Ends sent items that the collector took, but for some.
    pub(crate) fn deliver(&mut self, items: u64, rejected: u64, bytes: usize) {
        let rejected = rejected.min(items);
        self.in_flight -= items;
        self.delivered += items - rejected;
        self.rejected += rejected;
        self.held_bytes -= bytes;
        self.last_success = Some(SystemTime::now());
    }

    /// Gives sent items up.
    pub(crate) fn drop_sent(&mut self, items: u64, bytes: usize, why: Loss) {
        self.in_flight -= items;
        self.held_bytes -= bytes;
        self.dropped[why as usize] += items;
    }

    /// Counts a failed attempt.
    pub(crate) fn count_failure(&mut self, class: &'static str) {
        *self.failures.entry(class).or_default() += 1;
    }

    /// Counts a failed attempt, and notes why exports fail.
    pub(crate) fn fail(&mut self, class: &'static str, error: &str) {
        self.count_failure(class);
        let since = match &self.failing {
            Some(failing) => failing.since,
            None => SystemTime::now(),
        };
        self.failing = Some(Failing {
            since,
            error: error.to_owned(),
        });
    }
}
