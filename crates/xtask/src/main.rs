//! `cargo xtask`: provisions what the suites need, runs everything, writes generated pages.

mod provision;
mod registry;
mod signals;
mod steps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every check and test of the workspace.
    Test {
        /// Installs what is missing: Debian packages, Python wheels, npm packages.
        #[arg(long)]
        install: bool,
        /// Adds what takes long: fuzzing, benchmarks, load.
        #[arg(long)]
        full: bool,
    },
    /// Measures what each fault of a collector costs, ours beside the plain SDK's (`docs/faults.md`).
    Faults,
    /// Writes `docs/signals.md` and `docs/signals/` from the constants of `crates/semconv`.
    Signals {
        /// Writes nothing; fails when something is stale.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Test { install, full } => steps::run_all(install, full),
        Command::Faults => steps::faults(),
        Command::Signals { check } => signals::run(check),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}
