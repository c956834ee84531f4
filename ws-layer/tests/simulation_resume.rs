//! A fleet in virtual time: sessions that lose their connections, come back to any node, too late,
//! with old or forged tokens, or never; nodes that are killed and replaced, and that cannot reach the
//! store for a while, one of them or all. The books of the whole fleet balance at every checkpoint,
//! and every client has each message once or knows that it is lost.
//!
//! Everything but the wire is real: upgrade, contract, tokens, table, log, keeper and a store that
//! the nodes share. Twelve seeds by default, each with 160 sessions within ten minutes;
//! `CAMPANILE_FULL=1` makes that four seeds with 100,000 sessions within four hours, and wants
//! `--release`. `CAMPANILE_SEED` repeats a run nearly: at full size not every event keeps its place.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "simulation_resume/client.rs"]
mod client;
#[path = "simulation_resume/fleet.rs"]
mod fleet;
#[path = "../src/probe.rs"]
mod probe;

use std::sync::Arc;
use std::time::Duration;

use campanile_ws::resume::Keep;
use client::Member;
use fastrand::Rng;
use fleet::Fleet;
use tokio::time::{Instant, sleep, sleep_until};

/// Without optimisation the full size takes hours.
fn is_full() -> bool {
    let is_set = std::env::var_os("CAMPANILE_FULL").is_some_and(|value| value == "1");
    is_set && !cfg!(debug_assertions)
}

/// The seeds to run with.
fn seeds() -> Vec<u64> {
    let given = std::env::var("CAMPANILE_SEED").ok();
    let count = if is_full() { 4 } else { 12 };
    let seeds = (20_261_122..).take(count);
    given.map_or(seeds.collect(), |seed| vec![seed.parse().unwrap()])
}

fn resident_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with("VmRSS")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024
}

/// Lets `count` sessions begin, evenly within `span`; every tenth of it is a checkpoint, and after
/// each of them a node dies.
async fn run(seed: u64, keep: Keep, count: u64, span: Duration) {
    let began = Instant::now();
    let mut rng = Rng::with_seed(seed);
    let fleet = Arc::new(Fleet::start(keep, 3).await);
    let outages = tokio::spawn({
        let (fleet, rng) = (fleet.clone(), rng.fork());
        async move { fleet.outages(rng).await }
    });
    let mut members = tokio::task::JoinSet::new();
    let mut resident = Vec::new();
    for chapter in 0..10 {
        let until = began + span * (chapter + 1) / 10;
        let mut starts: Vec<Duration> = (0..count / 10)
            .map(|_| span.mul_f64(rng.f64() / 10.0))
            .collect();
        starts.sort_unstable();
        for (index, start) in starts.into_iter().enumerate() {
            sleep_until(began + span * chapter / 10 + start).await;
            let id = u64::from(chapter) * count + u64::try_from(index).unwrap();
            let member = Member::new(fleet.clone(), id, rng.fork());
            members.spawn(member.live());
            while let Some(ended) = members.try_join_next() {
                ended.unwrap();
            }
        }
        sleep_until(until).await;
        let calm = fleet.calm().await;
        let state = fleet.checkpoint(&calm).await;
        resident.push(resident_mib());
        println!(
            "{seed}, {keep:?}, {:?}: {state:?}, {} MiB",
            until - began,
            resident_mib()
        );
        fleet.kill(&calm, rng.usize(..3)).await;
    }
    while let Some(ended) = members.join_next().await {
        ended.unwrap();
    }
    let calm = fleet.calm().await;
    outages.abort();
    drop(calm);
    // The last windows, and a second for the keeper.
    sleep(Duration::from_secs(130)).await;
    let calm = fleet.calm().await;
    let end = fleet.checkpoint(&calm).await;
    println!("{seed}, {keep:?}, {:?}: {end:?}", began.elapsed());
    assert_eq!(
        (end.attached, end.detached, end.stored, end.pending),
        (0, 0, 0, 0)
    );
    assert!(end.returns > 0 && end.abandoned > 0 && end.detachments > 0);
    fleet.assert_attempts();
    // The number of sessions at a time is the same from the second chapter on.
    let (early, late) = (resident[2], resident[9]);
    assert!(late < early + early / 2 + 64, "{resident:?} MiB");
}

fn in_virtual_time(seed: u64, life: impl Future<Output = ()>) {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(life);
}

fn run_all(keep: Keep) {
    let (count, span) = if is_full() {
        (50_000, Duration::from_secs(4 * 3600))
    } else {
        (80, Duration::from_secs(600))
    };
    for seed in seeds() {
        in_virtual_time(seed, run(seed, keep, count, span));
    }
}

#[test]
fn the_fleets_books_balance_when_messages_are_handed_over() {
    run_all(Keep::OnDetach);
}

#[test]
fn the_fleets_books_balance_when_every_message_is_kept() {
    run_all(Keep::Always);
}
