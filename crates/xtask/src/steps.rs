//! What `cargo xtask test` runs, in order.

use std::process::Command;
use std::time::Instant;

use crate::provision::{self, run};

/// One step: its name, and the cargo command behind it.
struct Step(&'static str, &'static [&'static str]);

const STEPS: &[Step] = &[
    Step("format", &["fmt", "--all", "--check"]),
    Step(
        "licences and bans",
        &[
            "deny",
            "--workspace",
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ],
    ),
    Step(
        "lints",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
    ),
    Step(
        "tests",
        &[
            "test",
            "--workspace",
            "--all-features",
            "--quiet",
            "--no-fail-fast",
        ],
    ),
    Step(
        "docs",
        &[
            "doc",
            "--workspace",
            "--all-features",
            "--no-deps",
            "--quiet",
        ],
    ),
];

/// Runs everything, and stops at the first step that fails.
pub(crate) fn run_steps(complete: bool) -> Result<(), String> {
    for Step(name, arguments) in STEPS {
        if *name == "licences and bans" && !provision::has_cargo_deny() {
            println!("== {name}: SKIPPED, cargo-deny is missing");
            continue;
        }
        let began = Instant::now();
        println!("== {name}: cargo {}", arguments.join(" "));
        let mut cargo = Command::new("cargo");
        cargo.args(*arguments).env("RUSTDOCFLAGS", "-D warnings");
        if complete {
            cargo.env("CAMPANILE_REQUIRE_PEERS", "1");
        }
        run(&mut cargo)?;
        println!(
            "== {name}: passed in {:.0} s",
            began.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// Provisions, then runs every step.
pub(crate) fn run_all(install: bool, full: bool) -> Result<(), String> {
    let complete = provision::run_all(install)?;
    run_steps(complete)?;
    if full {
        println!("== full: nothing long is there yet");
    }
    Ok(())
}
