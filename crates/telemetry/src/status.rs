//! The state of export, readable without export.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::Signal;
use crate::pipeline::{Lane, Ledger, Loss};

/// The state of export at one moment.
///
/// It can be read while the collector is gone, and served as JSON:
///
/// ```
/// # let telemetry = campanile_telemetry::Telemetry::for_test("http://127.0.0.1:1");
/// let status = telemetry.status();
/// let json = serde_json::to_string(&status).unwrap();
/// assert!(status.signals.iter().all(|signal| signal.is_balanced()));
/// # let _ = json;
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Why telemetry is off; none when it is on.
    pub off: Option<String>,
    /// Each signal that is exported.
    pub signals: Vec<SignalStatus>,
    /// Audit records, which have a queue of their own; none when logs are not exported.
    pub audit: Option<SignalStatus>,
    /// Log lines that were not written, as standard error was not read or failed.
    pub lines_dropped: u64,
}

/// The state of one signal: exact counts since the start, taken under one lock.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SignalStatus {
    /// Which one.
    pub signal: Signal,
    /// Items ever offered.
    pub offered: u64,
    /// Items the collector acknowledged.
    pub delivered: u64,
    /// Items the collector rejected while it took the rest of their batch.
    pub rejected: u64,
    /// Items lost on our side, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Items waiting.
    pub queued: u64,
    /// Items sent and not yet answered.
    pub in_flight: u64,
    /// Items held at most, waiting and in flight.
    pub capacity: u64,
    /// Bytes held.
    pub bytes: usize,
    /// Bytes held at most.
    pub capacity_bytes: usize,
    /// Attempts made.
    pub attempts: u64,
    /// Attempts that will be repeated.
    pub retries: u64,
    /// Failed attempts by class.
    pub failures: BTreeMap<&'static str, u64>,
    /// When the collector last took something, in milliseconds since 1970.
    pub last_success_ms: Option<u64>,
    /// When the present failure began, in milliseconds since 1970.
    pub failing_since_ms: Option<u64>,
    /// Why it fails, with all causes.
    pub error: Option<String>,
}

impl SignalStatus {
    pub(crate) fn of(lane: &Lane) -> Self {
        let ledger: Ledger = lane.books(|ledger| ledger.clone());
        let dropped = Loss::ALL
            .into_iter()
            .map(|loss| (loss.as_str(), ledger.dropped[loss as usize]));
        let (since, error) = ledger.failing.map_or((None, None), |failing| {
            (Some(failing.since), Some(failing.error))
        });
        Self {
            signal: lane.signal,
            offered: ledger.offered,
            delivered: ledger.delivered,
            rejected: ledger.rejected,
            dropped: dropped.filter(|(_, count)| *count > 0).collect(),
            queued: ledger.queued,
            in_flight: ledger.in_flight,
            capacity: lane.bounds.items,
            bytes: ledger.held_bytes,
            capacity_bytes: lane.bounds.bytes,
            attempts: ledger.exports,
            retries: ledger.retries,
            failures: ledger.failures,
            last_success_ms: ledger.last_success.map(millis),
            failing_since_ms: since.map(millis),
            error,
        }
    }

    /// Items lost on our side.
    pub fn lost(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Items lost on our side for this reason.
    pub fn dropped(&self, why: Loss) -> u64 {
        self.dropped.get(why.as_str()).copied().unwrap_or(0)
    }

    /// Items that have not ended yet.
    pub fn pending(&self) -> u64 {
        self.queued + self.in_flight
    }

    /// Whether every item ever offered is in exactly one of the other counts. Always true.
    pub fn is_balanced(&self) -> bool {
        self.offered == self.delivered + self.rejected + self.lost() + self.pending()
    }
}

fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
