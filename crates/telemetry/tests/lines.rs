//! Log lines of an installed telemetry, in processes whose standard error is read, not read, or
//! closed.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use campanile_logs::{Captured, Sink};
use campanile_telemetry::{Builder, Telemetry};
use serde_json::Value;
use tracing_log::log;

const SOON: Duration = Duration::from_secs(60);

/// Runs one of the tests below as a process of its own.
fn spawn(role: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env("CHILD", role)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the child says on standard output after `name`.
fn heard(stdout: &mut impl BufRead, name: &str) -> u64 {
    let mut line = String::new();
    while stdout.read_line(&mut line).unwrap() > 0 {
        if let Some((_, said)) = line.split_once(&format!("{name}: ")) {
            return said.trim().parse().unwrap();
        }
        line.clear();
    }
    panic!("the child never said {name}");
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}")))
        .collect()
}

fn settings() -> Builder {
    Telemetry::from_env("child")
        .environment(|name| (name == "OTEL_SDK_DISABLED").then(|| "true".into()))
}

/// The processes that the other tests start; without a role it does nothing.
#[test]
fn child() {
    let Ok(role) = std::env::var("CHILD") else {
        return;
    };
    let telemetry = settings().install().unwrap();
    match role.as_str() {
        "flood" => flood(&telemetry),
        "panic" => {
            let panicking = || panic!("no postgres://app:hunter2@db/x");
            let named = std::thread::Builder::new().name("worker".into());
            assert!(named.spawn(panicking).unwrap().join().is_err());
            telemetry.set_log_filter("off").unwrap();
            assert!(std::panic::catch_unwind(|| panic!("quiet")).is_err());
        }
        _ => {
            log::warn!(target: "far::away", "from {}", "afar");
            log::debug!(target: "far::away", "too quiet");
            telemetry.set_log_filter("debug").unwrap();
            log::debug!(target: "far::away", "loud enough");
            let _ = telemetry.shutdown_blocking(SOON);
            tracing::info!("after the end");
            // No destructor runs, nobody flushes.
            std::process::exit(0);
        }
    }
}

fn flood(telemetry: &Telemetry) {
    let filler = "x".repeat(200);
    for number in 0..20_000 {
        tracing::info!(number, filler, "flood");
    }
    println!("dropped: {}", telemetry.status().lines_dropped);
    let begin = Instant::now();
    let _ = telemetry.shutdown_blocking(Duration::from_millis(300));
    println!("stopped: {}", begin.elapsed().as_millis());
    std::io::stdin().read_line(&mut String::new()).unwrap();
    assert!(Sink::stderr().flush(SOON) || telemetry.status().lines_dropped == 20_000);
    tracing::info!("after");
    println!("dropped: {}", telemetry.status().lines_dropped);
}

#[test]
fn a_reader_that_stops_reading_holds_up_neither_the_service_nor_its_shutdown_and_misses_one_gap() {
    let mut child = spawn("flood");
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let dropped = heard(&mut stdout, "dropped");
    assert!((1..20_000).contains(&dropped), "{dropped}");
    let stopped = heard(&mut stdout, "stopped");
    assert!((300..10_000).contains(&stopped), "{stopped}");

    let mut stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    writeln!(child.stdin.take().unwrap(), "go").unwrap();
    assert_eq!(heard(&mut stdout, "dropped"), dropped);
    assert!(child.wait().unwrap().success());
    let lines = parsed(&reader.join().unwrap());
    let numbers: Vec<u64> = lines
        .iter()
        .filter_map(|line| line["number"].as_u64())
        .collect();
    let written = 20_000 - dropped;
    assert_eq!(numbers, (0..written).collect::<Vec<_>>());
    let rest: Vec<&Value> = lines
        .iter()
        .skip_while(|line| line["number"].as_u64() != Some(written - 1))
        .skip(1)
        .collect();
    let events: Vec<&Value> = rest.iter().map(|line| &line["event"]).collect();
    assert_eq!(
        events,
        [&Value::from("campanile.log.dropped"), &Value::Null]
    );
    assert_eq!(
        (&rest[0]["lost"], &rest[0]["service"]),
        (&dropped.into(), &"child".into())
    );
    assert_eq!(rest[1]["message"], "after");
}

#[test]
fn a_closed_standard_error_is_no_reason_to_end() {
    let mut child = spawn("flood");
    drop(child.stderr.take());
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    heard(&mut stdout, "dropped");
    writeln!(child.stdin.take().unwrap(), "go").unwrap();
    assert!(heard(&mut stdout, "dropped") >= 20_000);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_panic_is_one_line_without_its_secrets_even_when_no_log_is_wanted() {
    let output = spawn("panic").wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let lines = parsed(&text);
    let panics: Vec<&Value> = lines
        .iter()
        .filter(|line| line["event"] == "campanile.panic")
        .collect();
    assert_eq!(panics.len(), 2, "{text}");
    assert_eq!(
        panics[0]["exception.message"],
        "no postgres://app:REDACTED@db/x"
    );
    assert_eq!(
        (&panics[0]["thread.name"], &panics[0]["level"]),
        (&"worker".into(), &"ERROR".into())
    );
    assert!(
        panics[0]["code.file.path"]
            .as_str()
            .unwrap()
            .ends_with("lines.rs")
    );
    assert_eq!(panics[1]["exception.message"], "quiet");
}

#[test]
fn log_records_follow_the_filter_and_a_line_after_the_end_is_written() {
    let output = spawn("log").wait_with_output().unwrap();
    let lines = parsed(&String::from_utf8(output.stderr).unwrap());
    let far: Vec<&Value> = lines
        .iter()
        .filter(|line| line["target"] == "far::away")
        .collect();
    let messages: Vec<&Value> = far.iter().map(|line| &line["message"]).collect();
    assert_eq!(messages, ["from afar", "loud enough"]);
    assert_eq!(far[0]["level"], "WARN");
    assert_eq!(lines.last().unwrap()["message"], "after the end");
}

fn captured(set: impl FnOnce(Builder) -> Builder) -> (Telemetry, Captured) {
    let (sink, captured) = Sink::captured();
    (set(settings().lines(sink)).build(), captured)
}

#[test]
fn the_environment_says_how_lines_look() {
    let (telemetry, captured) = captured(|builder| {
        builder.environment(|name| match name {
            "OTEL_SDK_DISABLED" => Some("true".into()),
            "CAMPANILE_LOG_FORMAT" => Some("pretty".into()),
            _ => None,
        })
    });
    tracing::dispatcher::with_default(&telemetry.subscriber(), || {
        tracing::info!(room = 7, "stored");
    });
    let text = captured.text();
    assert!(
        text.lines()
            .last()
            .unwrap()
            .ends_with("INFO  lines stored room=7"),
        "{text}"
    );
    let (_, captured) = self::captured(|builder| builder.setting("CAMPANILE_LOG_FORMAT", "yaml"));
    assert!(captured.text().contains("CAMPANILE_LOG_FORMAT"));
    parsed(&captured.text());
}

#[test]
fn the_handle_changes_the_filter_and_named_span_fields_are_written() {
    let (telemetry, captured) = captured(|builder| builder.log_span_fields(["room"]));
    let say = || {
        let _span = tracing::info_span!("visit", room = 7).entered();
        tracing::debug!("quiet");
    };
    tracing::dispatcher::with_default(&telemetry.subscriber(), || {
        say();
        telemetry.set_log_filter("debug").unwrap();
        say();
    });
    let text = captured.text();
    let lines: Vec<_> = parsed(&text)
        .into_iter()
        .filter(|line| line["message"] == "quiet")
        .collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert_eq!(lines[0]["room"], 7);
    let error = telemetry.set_log_filter("=").unwrap_err().to_string();
    assert!(error.contains("\"=\""), "{error}");
}
