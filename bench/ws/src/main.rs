//! Counts what observing a WebSocket costs per message, and fails when that grows:
//! `docs/performance-ws.md` says how it is done and what came out.
//!
//! ```text
//! cargo run --release -p campanile-bench-ws              # prints the table
//! cargo run --release -p campanile-bench-ws -- --check   # and fails when a message is dearer
//! ```

mod callgrind;
mod floor;
mod pipeline;
#[path = "../../shared/total.rs"]
mod total;
mod work;

use std::alloc::System;
use std::io;
use std::process::ExitCode;
use std::time::Instant;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::work::{Contender, Socket, Wire};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BATCHES: [u64; 4] = [1, 4, 16, 64];

/// Instructions that a message may cost beside a bare one, by contender and batch. Counted, so the
/// same on every machine with the same compiler; a tenth of room above what was measured.
const LIMITS: [[f64; 4]; 4] = [
    [610.0, 500.0, 350.0, 320.0],
    [900.0, 550.0, 400.0, 360.0],
    [610.0, 500.0, 350.0, 320.0],
    [4_250.0, 3_180.0, 2_820.0, 2_690.0],
];

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
    let contender = Contender::of(name).ok_or_else(|| io::Error::other("no such contender"))?;
    if contender.reads() {
        // Ages at receipt that are equal are told together: how many are must not be the machine's.
        tokio::time::pause();
    }
    let mut socket = Socket::open(Wire::Memory, contender).await?;
    socket.set_paced(contender.reads());
    socket.send(number(messages)?, number(batch)?).await
}

/// By the clock, in paired turns: what is slow for a moment is slow for both.
async fn time() -> io::Result<()> {
    println!("| wire | around it | batch | bare | with it | added | ratio | allocations added |");
    println!("|---|---|---:|---:|---:|---:|---:|---:|");
    for (wire, contender) in [
        (Wire::Memory, Contender::Floor),
        (Wire::Memory, Contender::Receipt),
        (Wire::Memory, Contender::Observed),
        (Wire::Memory, Contender::Stock),
        (Wire::Tcp, Contender::Floor),
        (Wire::Tcp, Contender::Observed),
    ] {
        for batch in BATCHES {
            let mut bare = Socket::open(wire, contender.bare()).await?;
            let mut observed = Socket::open(wire, contender).await?;
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
                "| {wire:?} | {} | {batch} | {:.0} ns | {:.0} ns | {:.0} ns | {:.2} | {allocations:.3} |",
                contender.name(),
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

/// By instructions: the same on a busy machine. What each contender adds, by batch.
fn count() -> io::Result<[[f64; 4]; 4]> {
    println!("\n| batch | bare | floor adds | receipt adds | observed adds | stock adds |");
    println!("|---:|---:|---:|---:|---:|---:|");
    let mut added = [[0.0; 4]; 4];
    for (i, batch) in BATCHES.into_iter().enumerate() {
        let bare = callgrind::count(Contender::Bare.name(), batch)?;
        let read = callgrind::count(Contender::BareRead.name(), batch)?;
        print!("| {batch} | {bare:.0} |");
        for (contender, added) in Contender::LAYERED.into_iter().zip(&mut added) {
            let without = match contender.bare() {
                Contender::BareRead => read,
                _ => bare,
            };
            added[i] = callgrind::count(contender.name(), batch)? - without;
            print!(" {:.0} |", added[i]);
        }
        println!();
    }
    Ok(added)
}

fn check(counted: &[[f64; 4]; 4]) -> io::Result<()> {
    for ((contender, counted), limits) in Contender::LAYERED.iter().zip(counted).zip(LIMITS) {
        for ((batch, added), limit) in BATCHES.iter().zip(counted).zip(limits) {
            if *added > limit {
                return Err(io::Error::other(format!(
                    "{}: a message in batches of {batch} costs {added:.0} instructions, allowed are {limit:.0}",
                    contender.name()
                )));
            }
        }
    }
    Ok(())
}
