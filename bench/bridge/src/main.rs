//! Counts what one `tracing` span with two fields costs inside a request: our bridge and
//! `tracing-opentelemetry`, below a parent that is sampled and one that is not. `docs/performance.md`
//! says how it is done and what came out.
//!
//! ```text
//! cargo run --release -p campanile-bench-bridge              # prints the table
//! cargo run --release -p campanile-bench-bridge -- --check   # and fails when a span is dearer
//! cargo run --release -p campanile-bench-bridge -- --update  # and commits to what was measured
//! ```

mod baseline;
#[path = "../../http/src/callgrind.rs"]
mod callgrind;
mod contenders;
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

/// Makes spans, and nothing else: what runs under callgrind.
fn run(name: &str, count: &str) -> io::Result<()> {
    let contender = Contender::find(name).ok_or_else(|| io::Error::other("no such contender"))?;
    contender.run(count.parse().map_err(io::Error::other)?);
    Ok(())
}

/// What each costs over the same work without a span.
fn measure() -> io::Result<Vec<(&'static str, Cost)>> {
    println!("| contender | instructions | all threads | allocations |");
    println!("|---|---:|---:|---:|");
    let mut bare = Cost::default();
    let mut measured = Vec::new();
    for contender in ALL {
        let cost = callgrind::count(contender)?;
        if contender.name == "bare" {
            bare = cost;
            continue;
        }
        let cost = cost.over(bare);
        println!(
            "| {} | {:.0} | {:.0} | {:.2} |",
            contender.name, cost.request_thread, cost.all_threads, cost.allocations
        );
        measured.push((contender.name, cost));
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
