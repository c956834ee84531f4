//! Requests a second over loopback, beside a bare axum server in the same second or the next:
//! `docs/performance.md` says how it is done and what came out.
//!
//! ```text
//! cargo run --release -p campanile-bench-loopback              # prints the table
//! cargo run --release -p campanile-bench-loopback -- --check   # and fails below the budget
//! ```

mod contenders;
mod judge;
mod load;
mod sdk;
mod server;
#[path = "../../http/src/sink.rs"]
mod sink;
mod turns;
#[allow(
    dead_code,
    reason = "the requests and the router; these are not driven in process"
)]
#[path = "../../http/src/work.rs"]
mod work;

use std::io;
use std::process::ExitCode;

/// Turns of each contender.
const ROUNDS: usize = 20;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => turns::measure(ROUNDS).map(|_| ()),
        ["--check"] => turns::measure(ROUNDS).and_then(|measured| judge::check(&measured)),
        ["--sink"] => sink::run(),
        ["--serve", name, endpoint] => contenders::serve(name, endpoint),
        ["--load", port, flags, server] => load::run(port, flags, server),
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
