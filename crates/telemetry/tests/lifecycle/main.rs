//! Starts and ends of real processes: each case is a child of this test's binary, killed hard when
//! it hangs. A hang is a failure.
//!
//! The child runs what `cases` says under the case's name, with the endpoint of a receiver that lives
//! here.

#![allow(clippy::unwrap_used)]

mod cases;
mod child;

use std::process::{Command, Stdio};
use std::time::Duration;

use campanile_otlp_receiver::{Network, Receiver};
use child::{Watched, child, command, hear};

/// Runs a case to its end, and checks that its 50 spans and 50 records were delivered.
async fn delivers(case: &'static str, meet: fn(u32), code: Option<i32>) {
    let receiver = Receiver::start().await.unwrap();
    let ended = child(case, receiver.grpc_endpoint(), move |pid, _| meet(pid)).await;
    assert_eq!(ended.status.code(), code, "{}", ended.stderr);
    assert_eq!(receiver.spans().len(), 50, "{}", ended.stderr);
    assert_eq!(
        receiver
            .logs()
            .iter()
            .filter(|log| log.attributes.get("n").is_some())
            .count(),
        50
    );
    assert!(
        receiver
            .metrics()
            .iter()
            .any(|metric| metric.name() == "worked")
    );
    assert!(ended.took < Duration::from_secs(8), "{:?}", ended.took);
}

fn terminate(pid: u32) {
    let status = Command::new("kill")
        .args(["-TERM", &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

fn interrupt(pid: u32) {
    let status = Command::new("kill")
        .args(["-INT", &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn a_current_thread_runtime_delivers() {
    delivers("current_thread", |_| {}, Some(0)).await;
}

#[tokio::test]
async fn one_worker_and_a_shutdown_from_a_task_delivers() {
    delivers("one_worker", |_| {}, Some(0)).await;
}

#[tokio::test]
async fn several_workers_deliver() {
    delivers("multi_thread", |_| {}, Some(0)).await;
}

#[tokio::test]
async fn no_runtime_at_all_delivers() {
    delivers("no_runtime", |_| {}, Some(0)).await;
}

#[tokio::test]
async fn a_runtime_that_ended_first_does_not_matter() {
    delivers("dropped_runtime", |_| {}, Some(0)).await;
}

#[tokio::test]
async fn a_return_from_main_delivers() {
    delivers("return_from_main", |_| {}, Some(0)).await;
}

#[tokio::test]
async fn a_panic_in_main_delivers() {
    delivers("panic", |_| {}, Some(101)).await;
}

#[tokio::test]
async fn sigterm_delivers() {
    delivers("signal", terminate, Some(0)).await;
}

#[tokio::test]
async fn sigint_delivers() {
    delivers("signal", interrupt, Some(0)).await;
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let receiver = Receiver::start().await.unwrap();
    let ended = child("deaf", receiver.grpc_endpoint(), |pid, said| {
        terminate(pid);
        // Two signals of one kind that come together may be one.
        hear(said, "HEARD");
        terminate(pid);
    })
    .await;
    assert_eq!(ended.status.code(), Some(143), "{}", ended.stderr);
}

#[tokio::test]
async fn a_dead_collector_costs_a_shutdown_its_deadline_and_no_more() {
    let receiver = Receiver::start().await.unwrap();
    receiver.set_network(Network::BlackHole).await.unwrap();
    let ended = child("short_shutdown", receiver.grpc_endpoint(), |_, _| {}).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    assert!(
        ended.stderr.contains("lost (already_shutdown)"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_second_install_is_an_error_that_changes_nothing() {
    delivers("two_installs", |_| {}, Some(0)).await;
}

#[tokio::test]
async fn bad_configuration_switches_off_and_says_how_to_mend_it() {
    let ended = child("bad_configuration", "localhost:4317", |_, _| {}).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let line = ended
        .stderr
        .lines()
        .find(|line| line.contains("telemetry is off"))
        .unwrap();
    assert!(
        line.contains("write for example http://localhost:4317"),
        "{line}"
    );
}

#[tokio::test]
async fn a_disabled_sdk_exports_nothing_and_keeps_its_lines() {
    let receiver = Receiver::start().await.unwrap();
    let ended = child("disabled", receiver.grpc_endpoint(), |_, _| {}).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("\"message\":\"worked\""),
        "{}",
        ended.stderr
    );
    assert!(receiver.spans().is_empty() && receiver.logs().is_empty());
    assert!(receiver.metrics().is_empty());
}

#[tokio::test]
async fn the_console_exporter_writes_for_people() {
    let ended = child("console", "http://127.0.0.1:9", |_, _| {}).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let lines = |start: &str| {
        ended
            .stdout
            .lines()
            .filter(|line| line.starts_with(start))
            .count()
    };
    assert_eq!(lines("span \"work\" "), 50, "{}", ended.stdout);
    assert_eq!(lines("log INFO \"worked\" trace="), 50, "{}", ended.stdout);
    assert!(ended.stdout.contains("metric worked "), "{}", ended.stdout);
}

/// The same for the console exporter: its lines are lost, and nothing waits for them.
#[tokio::test]
async fn standard_output_that_nobody_reads_does_not_hold_a_shutdown_up() {
    let status = tokio::task::spawn_blocking(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        let child = command("full_console", "http://127.0.0.1:9")
            .stdout(writer)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let status = Watched::over(child).end();
        drop(reader);
        status
    })
    .await
    .unwrap();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

/// Nobody reads what the service says on standard error: a shutdown still ends on time.
#[tokio::test]
async fn a_reader_that_stopped_reading_does_not_hold_the_export_up() {
    let receiver = Receiver::start().await.unwrap();
    receiver.set_network(Network::Refuse).await.unwrap();
    let endpoint = receiver.grpc_endpoint().to_owned();
    let status = tokio::task::spawn_blocking(move || {
        let (reader, writer) = std::io::pipe().unwrap();
        let child = command("full_pipe", &endpoint)
            .stdout(Stdio::null())
            .stderr(writer)
            .spawn()
            .unwrap();
        let status = Watched::over(child).end();
        drop(reader);
        status
    });
    assert_eq!(status.await.unwrap().expect("it hangs").code(), Some(0));
}

/// An application that lets every `trace` event through and is idle feeds nothing back.
#[tokio::test]
async fn nothing_the_export_does_is_exported() {
    let receiver = Receiver::start().await.unwrap();
    let ended = child("feedback", receiver.grpc_endpoint(), |_, _| {}).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let foreign: Vec<_> = receiver
        .logs()
        .iter()
        .filter(|log| log.attributes.get("n").is_none())
        .map(|log| format!("{}: {:?}", log.scope.name, log.body))
        .collect();
    assert_eq!(foreign, Vec::<String>::new());
    assert_eq!(receiver.logs().len(), 5);
    assert_eq!(receiver.spans().len(), 5);
}

/// What the children do; does nothing when it is run as a test.
#[test]
#[ignore = "runs in children of the other tests"]
fn in_a_child() {
    if let Ok(case) = std::env::var("CAMPANILE_TEST_CASE") {
        cases::run(&case);
    }
}
