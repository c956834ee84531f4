//! Counts what recording a measurement costs, in our own series and in the SDK's, and fails when
//! ours grow dearer: `docs/performance-metrics.md` says how it is done and what came out.
//!
//! ```text
//! cargo run --release -p campanile-bench-metrics              # prints the table
//! cargo run --release -p campanile-bench-metrics -- --check   # and fails when one is dearer
//! ```

mod callgrind;
#[path = "../../shared/total.rs"]
mod total;
mod work;

use std::alloc::System;
use std::hint::black_box;
use std::io;
use std::process::ExitCode;
use std::time::Instant;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::work::{Pipeline, WORKS, Work};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often a work is repeated for the clock.
const TIMES: u32 = 200_000;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => table(false),
        ["--check"] => table(true),
        ["--run", pipeline, work, times] => run(pipeline, work, times),
        _ => Err(io::Error::other("expected nothing or --check")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Does one work, and nothing else: what runs under callgrind.
fn run(pipeline: &str, work: &str, times: &str) -> io::Result<()> {
    let pipeline = Pipeline::start(pipeline);
    let work = pipeline.open(Work::find(work)?);
    let times: u32 = times.parse().map_err(io::Error::other)?;
    (0..times).for_each(|n| work(black_box(n)));
    Ok(())
}

fn table(check: bool) -> io::Result<()> {
    println!("| what | own series | | | the SDK's | | |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    println!("| | instructions | ns | allocations | instructions | ns | allocations |");
    let mut dearer = Vec::new();
    for work in WORKS {
        let mut row = format!("| {} |", work.title);
        for name in ["lean", "stock"] {
            let instructions = callgrind::count(name, work.name)?;
            let (nanos, allocations) = clock(&Pipeline::start(name), work);
            row += &format!(" {instructions:.0} | {nanos:.0} | {allocations:.1} |");
            if name == "lean" && (instructions > work.limit || allocations > 0.0) {
                let limit = work.limit;
                dearer.push(format!("{}: {instructions:.0} > {limit}", work.title));
            }
        }
        println!("{row}");
    }
    if check && !dearer.is_empty() {
        return Err(io::Error::other(dearer.join("\n")));
    }
    Ok(())
}

/// Nanoseconds and allocations for one.
fn clock(pipeline: &Pipeline, work: &Work) -> (f64, f64) {
    let work = pipeline.open(work);
    // Opens what is opened by the first.
    (0..100).for_each(|n| work(black_box(n)));
    let region = Region::new(GLOBAL);
    let began = Instant::now();
    (0..TIMES).for_each(|n| work(black_box(n)));
    let nanos = began.elapsed().as_nanos() as f64;
    let allocations = region.change().allocations as f64;
    let times = f64::from(TIMES);
    // What other threads of the process allocate meanwhile is not ours.
    (nanos / times, (allocations / times * 10.0).round() / 10.0)
}
