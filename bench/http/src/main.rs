//! Counts what the HTTP layers cost per request over the plain OpenTelemetry API, and fails when
//! that grows: `docs/performance.md` says how it is done and what came out.
//!
//! ```text
//! cargo run --release -p campanile-bench-http              # prints the table
//! cargo run --release -p campanile-bench-http -- --check   # and fails when something is dearer
//! cargo run --release -p campanile-bench-http -- --update  # and commits to what was measured
//! ```

mod baseline;
mod callgrind;
mod contenders;
mod lean;
mod nobody;
mod pipeline;
mod sink;
mod work;

use std::io;
use std::process::ExitCode;

use crate::callgrind::Cost;
use crate::contenders::{ALL, Contender};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => measure().map(|_| ()),
        ["--check"] => measure().and_then(|measured| check(&measured)),
        ["--update"] => measure().and_then(|measured| baseline::write(&measured)),
        ["--run", name, count] => run(name, count),
        ["--sink"] => sink::run(),
        _ => Err(io::Error::other("expected nothing, --check or --update")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Sends requests, and nothing else: what runs under callgrind.
fn run(name: &str, count: &str) -> io::Result<()> {
    let contender = Contender::find(name).ok_or_else(|| io::Error::other("no such contender"))?;
    contender.run(count.parse().map_err(io::Error::other)?);
    Ok(())
}

/// Measures everyone, and prints what each adds to its base.
fn measure() -> io::Result<Vec<(&'static str, Cost)>> {
    println!("| contender | instructions, request thread | all threads | allocations |");
    println!("|---|---|---|---|");
    let mut bases: Vec<(&str, Cost)> = Vec::new();
    let mut measured = Vec::new();
    for contender in ALL {
        let cost = callgrind::count(contender)?;
        let base = bases.iter().find(|(name, _)| *name == contender.base);
        let (name, shown) = match base {
            Some((_, base)) => (
                format!("{} over {}", contender.name, contender.base),
                cost.over(*base),
            ),
            None => (contender.name.to_owned(), cost),
        };
        println!(
            "| {name} | {:.0} | {:.0} | {:.1} |",
            shown.request_thread, shown.all_threads, shown.allocations
        );
        bases.push((contender.name, cost));
        measured.push((contender.name, shown));
    }
    Ok(measured)
}

fn check(measured: &[(&str, Cost)]) -> io::Result<()> {
    let problems = baseline::judge(&baseline::read()?, measured);
    if problems.is_empty() {
        println!("nothing is dearer than committed");
        return Ok(());
    }
    Err(io::Error::other(problems.join("\n")))
}
