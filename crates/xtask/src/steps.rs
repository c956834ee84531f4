//! What `cargo xtask test` runs, in order.

use std::process::Command;
use std::time::Instant;

use crate::provision::{self, run};

/// One step: its name, the folder of its workspace, and the cargo command behind it.
struct Step {
    name: &'static str,
    folder: &'static str,
    cargo: &'static [&'static str],
    /// What is added to the command.
    more: &'static [&'static str],
    /// Set for it beside what every step gets.
    variable: Option<(&'static str, &'static str)>,
}

/// A step in the workspace that users see.
const fn here(
    name: &'static str,
    cargo: &'static [&'static str],
    more: &'static [&'static str],
) -> Step {
    Step {
        name,
        folder: ".",
        cargo,
        more,
        variable: None,
    }
}

/// A step in the workspace of the benches.
const fn bench(name: &'static str, more: &'static [&'static str]) -> Step {
    Step {
        folder: "bench",
        ..here(name, RUN, more)
    }
}

const LICENCES: &str = "licences and bans";

const TEST: &[&str] = &[
    "test",
    "--workspace",
    "--all-features",
    "--quiet",
    "--no-fail-fast",
];
/// Tests whose times or sizes want an optimised build.
const TEST_RELEASE: &[&str] = &["test", "--release", "--quiet"];
const RUN: &[&str] = &["run", "--release", "--quiet"];

/// The suites that see a pipeline from outside, once more: what holds over ours has to hold over the
/// SDK.
const STOCK: &[&str] = &[
    // of campanile-telemetry
    "--test=audit",
    "--test=collector",
    "--test=end_to_end",
    "--test=faults",
    "--test=hand_over",
    "--test=lifecycle",
    "--test=memory",
    "--test=tls",
    // across crates
    "--test=client",
    "--test=contract",
    "--test=fail_open",
    "--test=first_light",
    "--test=http_sockets",
    "--test=secrets",
];

/// The suites in which spans of `tracing` matter, once more: what holds over one bridge has to hold
/// over the other.
const BRIDGE: &[&str] = &[
    // of campanile-telemetry
    "--test=audit",
    "--test=collector",
    "--test=end_to_end",
    "--test=lifecycle",
    // of vc-server
    "--test=telemetry",
    // across crates
    "--test=client",
    "--test=contract",
    "--test=first_light",
    "--test=log_context",
    "--test=neighbours",
    "--test=secrets",
];

/// What `.ci/run` does.
const STEPS: &[Step] = &[
    here("format", &["fmt", "--all", "--check"], &[]),
    here(
        LICENCES,
        &["deny", "--workspace", "check", "--hide-inclusion-graph"],
        &["bans", "licenses", "sources"],
    ),
    here(
        "lints",
        &["clippy", "--workspace", "--all-targets", "--all-features"],
        &["--quiet", "--", "-D", "warnings"],
    ),
    here("tests", TEST, &[]),
    Step {
        variable: Some(("CAMPANILE_PIPELINE", "stock")),
        ..here("tests over the SDK", TEST, STOCK)
    },
    Step {
        variable: Some(("CAMPANILE_TRACING_BRIDGE", "own")),
        ..here("tests over our own bridge", TEST, BRIDGE)
    },
    here(
        "docs",
        &["doc", "--workspace", "--all-features"],
        &["--no-deps", "--quiet"],
    ),
];

/// What takes long: `--full` only. Suites whose full size wants an optimised build look at that, too:
/// among the long tests they run at their ordinary size.
const LONG: &[Step] = &[
    here("long tests", TEST, &[]),
    here(
        "simulated fleet",
        TEST_RELEASE,
        &[
            "-p",
            "campanile-ws",
            "--features",
            "tungstenite-030",
            "--test",
            "simulation_resume",
        ],
    ),
    here(
        "drain of a crowd",
        TEST_RELEASE,
        &["-p", "campanile-tests", "--test=drain_crowd"],
    ),
    bench(
        "instructions",
        &["-p", "campanile-bench-http", "--", "--check"],
    ),
    bench(
        "cost of a span",
        &["-p", "campanile-bench-bridge", "--", "--check"],
    ),
    bench(
        "cost of a message",
        &["-p", "campanile-bench-ws", "--", "--check"],
    ),
    bench(
        "cost of a line",
        &["-p", "campanile-bench-logs", "--", "--check"],
    ),
    bench(
        "cost of redaction",
        &["-p", "campanile-bench-redaction", "--", "--check"],
    ),
    bench(
        "cost of a measurement",
        &["-p", "campanile-bench-metrics", "--", "--check"],
    ),
    bench(
        "receiver ingest",
        &["--bin", "receiver-ingest", "--", "compare", "200000"],
    ),
    FAULTS,
    bench(
        "loopback",
        &["-p", "campanile-bench-loopback", "--", "--check"],
    ),
];

const FAULTS: Step = here(
    "faults",
    RUN,
    &[
        "-p",
        "campanile-telemetry",
        "--example",
        "faults",
        "--",
        "--write",
        "docs/faults.md",
    ],
);

/// Measures the table of `docs/faults.md`.
pub(crate) fn faults() -> Result<(), String> {
    FAULTS.run(false, true)
}

/// How long each fuzz target runs: a short look, as its corpus is replayed by every test run.
const FUZZ_TIME: &str = "-max_total_time=20";

/// Provisions, then runs every step, and stops at the first that fails.
pub(crate) fn run_all(install: bool, full: bool) -> Result<(), String> {
    let complete = provision::run_all(install)?;
    for step in STEPS {
        if step.name == LICENCES && !provision::has("cargo-deny") {
            println!("== {}: SKIPPED, cargo-deny is missing", step.name);
            continue;
        }
        step.run(complete, false)?;
    }
    if full {
        for step in LONG {
            step.run(complete, true)?;
        }
        fuzz(install)?;
    }
    Ok(())
}

impl Step {
    fn run(&self, complete: bool, full: bool) -> Result<(), String> {
        let Self {
            name,
            folder,
            cargo,
            more,
            variable,
        } = self;
        let began = Instant::now();
        let arguments = [*cargo, *more].concat();
        println!("== {name}: cargo {}", arguments.join(" "));
        let mut command = Command::new("cargo");
        command
            .args(arguments)
            .current_dir(crate::root().join(folder));
        command.env("RUSTDOCFLAGS", "-D warnings");
        command.envs(*variable);
        if complete {
            command.env("CAMPANILE_REQUIRE_PEERS", "1");
        }
        if full {
            // the sizes that take minutes: 19,000 sockets, a minute without a collector
            command.env("CAMPANILE_FULL", "1");
        }
        run(&mut command)?;
        println!(
            "== {name}: passed in {:.0} s",
            began.elapsed().as_secs_f64()
        );
        Ok(())
    }
}

/// Runs every fuzz target for a moment.
fn fuzz(install: bool) -> Result<(), String> {
    if !provision::has("cargo-fuzz") {
        if !install {
            println!("== fuzz: SKIPPED, cargo-fuzz is missing; `--install` installs it");
            return Ok(());
        }
        run(Command::new("cargo").args([
            "install",
            "--locked",
            "--quiet",
            "cargo-fuzz",
            "--version",
            "0.13.2",
        ]))?;
    }
    let folder = crate::root().join("fuzz");
    let mut list = Command::new("cargo");
    let list = list.args(["fuzz", "list"]).current_dir(&folder).output();
    let list = list.map_err(|error| format!("cannot list the fuzz targets: {error}"))?;
    for target in String::from_utf8_lossy(&list.stdout).lines() {
        println!("== fuzz: {target}");
        let mut command = Command::new("cargo");
        // libFuzzer's coverage is asked for by an unstable flag of a stable compiler
        command.env("RUSTC_BOOTSTRAP", "1").current_dir(&folder);
        run(command.args([
            "fuzz",
            "run",
            "--sanitizer",
            "none",
            target,
            "--",
            FUZZ_TIME,
        ]))?;
    }
    Ok(())
}
