//! A panic that ends the process at once, as `panic = "abort"` wants it: what was recorded leaves
//! by the panic hook.
//!
//! Everything has to be compiled once more for it, which takes minutes: only with
//! `CAMPANILE_FULL=1`.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use campanile_otlp_receiver::{Network, Receiver};

/// The signal of `abort`.
const SIGABRT: i32 = 6;

/// The hook's second, and what a loaded machine adds.
const SOON: Duration = Duration::from_secs(10);

/// The example, built with `panic = "abort"` in a folder of its own, as the one of the tests is
/// locked while they are built.
fn build() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("abort");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "campanile-telemetry"])
        .args(["--example", "panics"])
        .args(["--config", "profile.dev.panic=\"abort\""])
        .arg("--target-dir")
        .arg(&folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    folder.join("debug/examples/panics")
}

fn run(program: &PathBuf, endpoint: &str, keeps_hook: bool) -> (Output, Duration) {
    let began = Instant::now();
    let mut command = Command::new(program);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env_remove("RUST_BACKTRACE");
    if keeps_hook {
        command.env("KEEP_HOOK", "1");
    }
    (command.output().unwrap(), began.elapsed())
}

fn panics(stderr: &str) -> Vec<serde_json::Value> {
    let lines = stderr.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["event"] == "campanile.panic")
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_that_aborts_leaves_its_line_and_the_last_batch() {
    if std::env::var_os("CAMPANILE_FULL").is_none_or(|value| value != "1") {
        println!("skipped: it is for CAMPANILE_FULL=1");
        return;
    }
    let program = build();
    for keeps_hook in [false, true] {
        let receiver = Receiver::start().await.unwrap();
        let (output, took) = run(&program, receiver.grpc_endpoint(), keeps_hook);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.signal(), Some(SIGABRT), "{stderr}");
        assert!(took < SOON, "{took:?}");

        let told = panics(&stderr);
        assert_eq!(told.len(), 1, "{stderr}");
        let message = "no postgres://app:REDACTED@db/x";
        assert_eq!(told[0]["exception.message"], message);
        assert_eq!(told[0]["thread.name"], "worker");
        // The standard library's own words show what was in the message.
        assert_eq!(stderr.contains("hunter2"), keeps_hook, "{stderr}");
        assert_eq!(stderr.contains("panicked at"), keeps_hook, "{stderr}");

        let (spans, logs) = (receiver.spans(), receiver.logs());
        let spans: BTreeSet<_> = spans
            .iter()
            .filter_map(|span| span.attributes.get("n")?.as_int())
            .collect();
        assert_eq!(spans, (0..50).collect());
        let numbers: BTreeSet<_> = logs
            .iter()
            .filter_map(|log| log.attributes.get("n")?.as_int())
            .collect();
        assert_eq!(numbers, (0..50).collect());
        let told: Vec<_> = logs
            .iter()
            .filter_map(|log| log.attributes.get("exception.message")?.as_str())
            .collect();
        assert_eq!(told, [message]);
    }

    // Nobody takes the last batch: the process ends all the same.
    let receiver = Receiver::start().await.unwrap();
    receiver.set_network(Network::BlackHole).await.unwrap();
    let (output, took) = run(&program, receiver.grpc_endpoint(), false);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.signal(), Some(SIGABRT), "{stderr}");
    assert_eq!(panics(&stderr).len(), 1, "{stderr}");
    assert!(took < SOON, "{took:?}");
}
