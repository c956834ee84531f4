//! Counts what observing a WebSocket costs per message over the plain OpenTelemetry SDK, and fails
//! when that grows: `docs/performance-ws.md` says how it is done and what came out.
//!
//! ```text
//! cargo run --release -p campanile-bench-ws              # prints the table
//! cargo run --release -p campanile-bench-ws -- --check   # and fails when a message is dearer
//! ```

mod callgrind;
mod pipeline;
mod work;

use std::alloc::System;
use std::io;
use std::process::ExitCode;
use std::time::Instant;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::work::{Socket, Wire};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BATCHES: [u64; 4] = [1, 4, 16, 64];

/// Instructions that a message may cost beside a bare one, by batch. Counted, so the same on every
/// machine with the same compiler; a tenth of room above what was measured.
const LIMITS: [f64; 4] = [4_660.0, 3_120.0, 2_740.0, 2_650.0];

/// Turns that a bare and an observed socket take by turns, and the messages of a turn.
const TURNS: usize = 201;
const MESSAGES: u64 = 6_400;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = runtime.and_then(|runtime| match arguments[..] {
        [] => runtime.block_on(time()).and_then(|()| count()).map(|_| ()),
        ["--check"] => count().and_then(|counted| check(&counted)),
        ["--run", name, batch, messages] => runtime.block_on(run(name, batch, messages)),
        _ => Err(io::Error::other("expected nothing or --check")),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Sends messages, and nothing else: what runs under callgrind.
async fn run(name: &str, batch: &str, messages: &str) -> io::Result<()> {
    let number = |text: &str| text.parse().map_err(io::Error::other);
    let mut socket = Socket::open(Wire::Memory, name == "observed").await?;
    socket.send(number(messages)?, number(batch)?).await
}

/// By the clock, in paired turns: what is slow for a moment is slow for both.
async fn time() -> io::Result<()> {
    println!("| wire | batch | bare | observed | added | ratio | allocations added |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for wire in [Wire::Memory, Wire::Tcp] {
        for batch in BATCHES {
            let mut bare = Socket::open(wire, false).await?;
            let mut observed = Socket::open(wire, true).await?;
            let mut turns = Vec::with_capacity(TURNS);
            let mut allocations = 0.0;
            for _ in 0..TURNS {
                let (without, spent) = turn(&mut bare, batch).await?;
                let (with, spent_more) = turn(&mut observed, batch).await?;
                turns.push((without, with));
                allocations = spent_more - spent;
            }
            let median = |of: &dyn Fn(&(f64, f64)) -> f64| {
                let mut all: Vec<_> = turns.iter().map(of).collect();
                all.sort_by(f64::total_cmp);
                all[TURNS / 2]
            };
            println!(
                "| {wire:?} | {batch} | {:.0} ns | {:.0} ns | {:.0} ns | {:.2} | {allocations:.3} |",
                median(&|turn| turn.0),
                median(&|turn| turn.1),
                median(&|turn| turn.1 - turn.0),
                median(&|turn| turn.1 / turn.0),
            );
        }
    }
    Ok(())
}

/// Nanoseconds and allocations for a message.
async fn turn(socket: &mut Socket, batch: u64) -> io::Result<(f64, f64)> {
    let region = Region::new(GLOBAL);
    let began = Instant::now();
    socket.send(MESSAGES, batch).await?;
    let nanos = began.elapsed().as_nanos() as f64;
    let allocations = region.change().allocations as f64;
    Ok((nanos / MESSAGES as f64, allocations / MESSAGES as f64))
}

/// By instructions: the same on a busy machine.
fn count() -> io::Result<[f64; 4]> {
    println!("\n| batch | bare | observed | added |");
    println!("|---:|---:|---:|---:|");
    let mut added = [0.0; 4];
    for (batch, added) in BATCHES.into_iter().zip(&mut added) {
        let (bare, observed) = (
            callgrind::count("bare", batch)?,
            callgrind::count("observed", batch)?,
        );
        *added = observed - bare;
        println!("| {batch} | {bare:.0} | {observed:.0} | {added:.0} |");
    }
    Ok(added)
}

fn check(counted: &[f64; 4]) -> io::Result<()> {
    let dear = BATCHES
        .iter()
        .zip(counted)
        .zip(LIMITS)
        .find(|((_, added), limit)| *added > limit);
    match dear {
        None => Ok(()),
        Some(((batch, added), limit)) => Err(io::Error::other(format!(
            "a message in batches of {batch} costs {added:.0} instructions, allowed are {limit:.0}"
        ))),
    }
}
