//! With the collector gone and the application at full load, what the pipeline holds stays within
//! its budget, by the allocator's own count.
//!
//! `CAMPANILE_FULL=1` keeps it up for 60 seconds instead of until much more was turned away than
//! is held.

#![allow(clippy::unwrap_used)]

mod harness;

use std::alloc::System;
use std::time::{Duration, Instant};

use campanile_otlp_receiver::{Network, Receiver};
use campanile_telemetry::{Loss, SignalStatus};
use harness::{Over, offer, telemetry};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BUDGET: usize = 8 << 20;

/// The runtime, connections, one batch while it is encoded, and the harness itself.
const BESIDE: usize = 2 << 20;

/// How much more is turned away than is held, before the load ends.
const TOO_MUCH: u64 = 2;

/// Far more than fits into the budget.
const MOST: i64 = 5_000_000;

/// Bytes allocated and not freed.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats
        .bytes_allocated
        .saturating_sub(stats.bytes_deallocated)
}

/// Resident memory in KiB.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Whether the queue was full for long, however fast the machine is.
fn was_full(signal: &SignalStatus) -> bool {
    let turned_away = signal.dropped(Loss::QueueFull);
    turned_away > 0 && turned_away > signal.pending() * TOO_MUCH
}

#[tokio::test]
async fn bytes_held_never_exceed_the_budget() {
    let lasting = match std::env::var("CAMPANILE_FULL") {
        Ok(value) if value == "1" => Duration::from_secs(60),
        _ => Duration::ZERO,
    };
    let receiver = Receiver::start().await.unwrap();
    receiver.set_network(Network::Refuse).await.unwrap();
    let budget = BUDGET.to_string();
    let settings = [
        ("CAMPANILE_TELEMETRY_MEMORY", budget.as_str()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10000000"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "10000000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "512"),
    ];
    let telemetry = telemetry(Over::Grpc, receiver.grpc_endpoint(), &settings);
    // Everything that is made once has been made.
    offer(&telemetry, 0..1000);
    let before = held()
        - telemetry
            .status()
            .signals
            .iter()
            .map(|s| s.bytes)
            .sum::<usize>()
            .min(held());
    let (began, resident_before) = (Instant::now(), resident());
    let (mut peak, mut n) = (0, 1000);
    loop {
        for _ in 0..20 {
            offer(&telemetry, n..n + 200);
            n += 200;
            peak = peak.max(held().saturating_sub(before));
        }
        let status = telemetry.status();
        for signal in &status.signals {
            harness::check(signal);
        }
        let is_too_much = was_full(&status.signals[0]) && was_full(&status.signals[2]);
        if is_too_much && began.elapsed() >= lasting {
            break;
        }
        assert!(is_too_much || n < MOST, "nothing is too much: {status:?}");
    }
    println!(
        "{n} spans and records offered, {peak} bytes held at most of {BUDGET}, resident {resident_before:?} -> {:?} KiB",
        resident()
    );
    assert!(peak <= BUDGET + BESIDE, "{peak} bytes held");
    let _ = telemetry.shutdown(Duration::from_millis(100)).await;
}
