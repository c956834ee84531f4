//! What becomes of one signal: where it goes, how much may wait, how fast attempts follow.

use std::fmt::Write;
use std::time::Duration;

use super::destination::outlet;
use super::variables::Variables;
use crate::Signal;
use crate::pipeline::{Backoff, Bounds, Pace};
use crate::transport::{Outlet, Protocol};

/// Held by all signals together: half for traces, a quarter for each of the others.
const MEMORY: usize = 64 * 1024 * 1024;

/// Items held by a signal. More than the specification's 2048, as this is also what bridges an
/// outage; memory is bounded by bytes.
const QUEUE: u64 = 65_536;

/// What becomes of one signal.
#[derive(Clone, Debug)]
pub(crate) struct SignalConfig {
    pub(crate) signal: Signal,
    /// Where it goes; none when it is not exported.
    pub(crate) outlet: Option<Outlet>,
    pub(crate) bounds: Bounds,
    pub(crate) pace: Pace,
}

impl SignalConfig {
    pub(super) fn describe(&self) -> String {
        let name = self.signal.as_str();
        let destination = match &self.outlet {
            None => return format!("{name}: not exported"),
            Some(Outlet::Console) => return format!("{name}: written to standard output"),
            Some(Outlet::Otlp(destination)) => destination,
        };
        let protocol = match destination.protocol {
            Protocol::Grpc => "OTLP/gRPC",
            Protocol::Http => "OTLP/HTTP",
        };
        let mut text = format!(
            "{name}: {protocol} to {}, timeout {} ms, queue {} items and {} MiB",
            destination.endpoint,
            destination.timeout.as_millis(),
            self.bounds.items,
            self.bounds.bytes >> 20
        );
        for key in destination.headers.keys() {
            let _ = write!(text, ", header {key}=***");
        }
        text
    }
}

pub(super) fn signal_config(variables: &Variables<'_>, signal: Signal) -> SignalConfig {
    let memory: usize = variables
        .number("CAMPANILE_TELEMETRY_MEMORY")
        .unwrap_or(MEMORY);
    let (prefix, share) = match signal {
        Signal::Traces => (Some("OTEL_BSP"), memory / 2),
        Signal::Logs => (Some("OTEL_BLRP"), memory / 4),
        Signal::Metrics => (None, memory / 4),
    };
    let name = |rest: &str| prefix.map(|prefix| format!("{prefix}_{rest}"));
    let number = |rest| name(rest).and_then(|name| variables.number::<u64>(&name));
    // A collection of metrics comes in one piece: bytes alone bound it.
    let queue = match signal {
        Signal::Metrics => u64::from(u32::MAX),
        _ => QUEUE,
    };
    let items = number("MAX_QUEUE_SIZE").unwrap_or(queue).max(1);
    let batch = number("MAX_EXPORT_BATCH_SIZE")
        .unwrap_or(512)
        .clamp(1, items);
    let delay = name("SCHEDULE_DELAY").and_then(|name| variables.millis(&name));
    let concurrency: Option<usize> = variables.number("CAMPANILE_TELEMETRY_CONCURRENCY");
    let defaults = Backoff::default();
    let retry = |rest: &str| {
        let wait = variables.millis(&format!("CAMPANILE_TELEMETRY_RETRY_{rest}"))?;
        Some(wait.max(Duration::from_millis(1)))
    };
    SignalConfig {
        signal,
        outlet: outlet(variables, signal),
        bounds: Bounds {
            items,
            bytes: share,
            batch: usize::try_from(batch).unwrap_or(usize::MAX),
        },
        pace: Pace {
            // Metrics come in collections; there is nothing to wait for.
            delay: delay.unwrap_or(match signal {
                Signal::Metrics => Duration::ZERO,
                _ => Duration::from_millis(500),
            }),
            max_age: variables
                .millis("CAMPANILE_TELEMETRY_MAX_AGE")
                .unwrap_or(Duration::from_secs(60)),
            concurrency: concurrency.unwrap_or(16).max(1),
            // Points of a series must not overtake each other.
            stagger: match signal {
                Signal::Metrics => Duration::from_secs(1),
                _ => Duration::ZERO,
            },
            max_request: variables
                .number("CAMPANILE_TELEMETRY_MAX_REQUEST")
                .unwrap_or(3_500_000),
            backoff: Backoff {
                first: retry("FIRST").unwrap_or(defaults.first),
                fresh: retry("MAX").unwrap_or(defaults.fresh),
                stale: retry("MAX").unwrap_or(defaults.stale),
            },
        },
    }
}
