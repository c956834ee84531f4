//! Starts and ends of real processes: each case is a child of this test's binary, killed hard when
//! it hangs. A hang is a failure.
//!
//! The child runs the function of the case's name in `child`, with the endpoint of a receiver that
//! lives here.

#![allow(clippy::unwrap_used)]

use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use campanile_otlp_receiver::{Network, Receiver};

/// A child that lives longer hangs.
const HANG: Duration = Duration::from_secs(20);

struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    took: Duration,
}

/// Runs a case in a child; `meet` may do something to it once it says that it is ready.
async fn child(case: &str, endpoint: &str, meet: impl FnOnce(u32) + Send + 'static) -> Ended {
    let (case, endpoint) = (case.to_owned(), endpoint.to_owned());
    tokio::task::spawn_blocking(move || run(&case, &endpoint, meet))
        .await
        .unwrap()
}

fn run(case: &str, endpoint: &str, meet: impl FnOnce(u32)) -> Ended {
    let began = Instant::now();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "in_a_child", "--nocapture", "--include-ignored"])
        .env("CAMPANILE_TEST_CASE", case)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let err = child.stderr.take().unwrap();
    let stderr = std::thread::spawn(move || std::io::read_to_string(err).unwrap_or_default());
    let mut line = String::new();
    while std::io::BufRead::read_line(&mut out, &mut line).unwrap_or(0) > 0
        && !line.contains("READY")
    {
        line.clear();
    }
    // Keep reading, so that it never blocks on a full pipe.
    let stdout = std::thread::spawn(move || std::io::read_to_string(out).unwrap_or_default());
    meet(child.id());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > HANG {
            child.kill().unwrap();
            panic!("{case} hangs: {}", stderr.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ended {
        status,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
        took: began.elapsed(),
    }
}

/// Runs a case to its end, and checks that its 50 spans and 50 records were delivered.
async fn delivers(case: &'static str, meet: fn(u32), code: Option<i32>) {
    let receiver = Receiver::start().await.unwrap();
    let ended = child(case, receiver.grpc_endpoint(), meet).await;
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
    let ended = child("deaf", receiver.grpc_endpoint(), |pid| {
        terminate(pid);
        // Two signals of one kind that come together may be one; the second comes until it is heard.
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(50));
            let _ = Command::new("kill")
                .args(["-TERM", &pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    })
    .await;
    assert_eq!(ended.status.code(), Some(143), "{}", ended.stderr);
}

#[tokio::test]
async fn a_dead_collector_costs_a_shutdown_its_deadline_and_no_more() {
    let receiver = Receiver::start().await.unwrap();
    receiver.set_network(Network::BlackHole).await.unwrap();
    let ended = child("short_shutdown", receiver.grpc_endpoint(), |_| {}).await;
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
    let ended = child("bad_configuration", "localhost:4317", |_| {}).await;
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
    let ended = child("disabled", receiver.grpc_endpoint(), |_| {}).await;
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
    let ended = child("console", "http://127.0.0.1:9", |_| {}).await;
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
    let ended = tokio::task::spawn_blocking(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "in_a_child", "--nocapture", "--include-ignored"])
            .env("CAMPANILE_TEST_CASE", "full_console")
            .stdout(writer)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if began.elapsed() > HANG {
                child.kill().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        drop(reader);
        status
    })
    .await
    .unwrap();
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}

/// Nobody reads what the service says on standard error: a shutdown still ends on time.
#[tokio::test]
async fn a_reader_that_stopped_reading_does_not_hold_the_export_up() {
    let receiver = Receiver::start().await.unwrap();
    receiver.set_network(Network::Refuse).await.unwrap();
    let endpoint = receiver.grpc_endpoint().to_owned();
    let status = tokio::task::spawn_blocking(move || {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "in_a_child", "--nocapture", "--include-ignored"])
            .env("CAMPANILE_TEST_CASE", "full_pipe")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .stdout(Stdio::null())
            .stderr(writer)
            .spawn()
            .unwrap();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if began.elapsed() > HANG {
                child.kill().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        drop(reader);
        status
    });
    assert_eq!(status.await.unwrap().expect("it hangs").code(), Some(0));
}

/// An application that lets every `trace` event through and is idle feeds nothing back.
#[tokio::test]
async fn nothing_the_export_does_is_exported() {
    let receiver = Receiver::start().await.unwrap();
    let ended = child("feedback", receiver.grpc_endpoint(), |_| {}).await;
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

mod cases {
    use std::time::Duration;

    use campanile_telemetry::Telemetry;
    use opentelemetry::trace::Tracer;
    use tokio::runtime::Builder;

    const DEADLINE: Duration = Duration::from_secs(5);

    fn install() -> Telemetry {
        Telemetry::from_env("child")
            .install()
            .expect("the first install")
    }

    fn ready() {
        println!("READY");
    }

    fn work(telemetry: &Telemetry, times: i64) {
        let worked = telemetry.meter("child").u64_counter("worked").build();
        let tracer = telemetry.tracer("child");
        for n in 0..times {
            tracer.in_span("work", |_| tracing::info!(n, "worked"));
            worked.add(1, &[]);
        }
        ready();
    }

    fn end(code: i32) -> ! {
        std::process::exit(code)
    }

    pub(super) fn run(case: &str) -> ! {
        match case {
            "current_thread" => {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(served());
            }
            "multi_thread" => {
                let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
                runtime.block_on(served());
            }
            "one_worker" => {
                let runtime = Builder::new_multi_thread()
                    .worker_threads(1)
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async { tokio::spawn(served()).await.unwrap() });
            }
            "no_runtime" => {
                let telemetry = install();
                work(&telemetry, 50);
                assert!(telemetry.shutdown_blocking(DEADLINE).is_complete());
            }
            "dropped_runtime" => {
                let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
                let telemetry = runtime.block_on(async { install() });
                runtime.block_on(async { work(&telemetry, 50) });
                drop(runtime);
                assert!(telemetry.shutdown_blocking(DEADLINE).is_complete());
            }
            "return_from_main" => {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let telemetry = install();
                    work(&telemetry, 50);
                });
            }
            "panic" => {
                // The harness of the tests catches panics; a thread shows what unwinding does.
                let main = std::thread::spawn(|| {
                    let telemetry = install();
                    work(&telemetry, 50);
                    panic!("on purpose");
                });
                end(if main.join().is_err() { 101 } else { 0 });
            }
            "signal" => {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let telemetry = install();
                    let stop = tokio::spawn(telemetry.stop_requested());
                    work(&telemetry, 50);
                    stop.await.unwrap();
                    telemetry.shutdown(DEADLINE).await.log();
                });
            }
            "deaf" => {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let telemetry = install();
                    let stop = tokio::spawn(telemetry.stop_requested());
                    ready();
                    stop.await.unwrap();
                    std::future::pending::<()>().await;
                });
            }
            "short_shutdown" => {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let telemetry = install();
                    work(&telemetry, 50);
                    telemetry.shutdown(Duration::from_secs(1)).await.log();
                });
            }
            "two_installs" => {
                let telemetry = install();
                let error = Telemetry::from_env("other").install().unwrap_err();
                assert!(error.is_already_installed());
                let meter = opentelemetry::global::meter("child");
                meter.u64_counter("worked").build().add(1, &[]);
                work(&telemetry, 50);
                assert!(telemetry.shutdown_blocking(DEADLINE).is_complete());
            }
            "bad_configuration" => {
                let telemetry = install();
                work(&telemetry, 50);
                assert!(telemetry.status().off.is_some());
                assert!(telemetry.shutdown_blocking(DEADLINE).signals.is_empty());
            }
            "disabled" => {
                let telemetry = Telemetry::from_env("child")
                    .setting("OTEL_SDK_DISABLED", "true")
                    .install()
                    .unwrap();
                work(&telemetry, 50);
                assert!(telemetry.shutdown_blocking(DEADLINE).signals.is_empty());
            }
            "full_pipe" => {
                let telemetry = install();
                // Fill the pipe from a thread that then hangs, as nobody reads.
                std::thread::spawn(|| {
                    loop {
                        eprintln!("{}", "x".repeat(4096));
                    }
                });
                std::thread::sleep(Duration::from_millis(200));
                let tracer = telemetry.tracer("child");
                for _ in 0..50 {
                    tracer.in_span("work", |_| {});
                }
                let report = telemetry.shutdown_blocking(Duration::from_millis(300));
                end(if report.is_complete() { 1 } else { 0 });
            }
            "console" => {
                let telemetry = Telemetry::from_env("child")
                    .setting("OTEL_TRACES_EXPORTER", "console")
                    .setting("OTEL_METRICS_EXPORTER", "console")
                    .setting("OTEL_LOGS_EXPORTER", "console")
                    .install()
                    .unwrap();
                work(&telemetry, 50);
                assert!(telemetry.shutdown_blocking(DEADLINE).is_complete());
            }
            "full_console" => {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let telemetry = Telemetry::from_env("child")
                        .setting("OTEL_TRACES_EXPORTER", "console")
                        .setting("OTEL_METRICS_EXPORTER", "none")
                        .setting("OTEL_LOGS_EXPORTER", "none")
                        .install()
                        .unwrap();
                    let tracer = telemetry.tracer("child");
                    // more than a pipe holds
                    (0..4000).for_each(|_| tracer.in_span("work", |_| {}));
                    let report = telemetry.shutdown(Duration::from_millis(300)).await;
                    assert!(report.signals.iter().all(|signal| signal.is_balanced()));
                    assert!(!report.is_complete());
                });
            }
            "feedback" => {
                let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let telemetry = Telemetry::from_env("child")
                        .setting("RUST_LOG", "trace")
                        .setting("OTEL_BSP_SCHEDULE_DELAY", "10")
                        .setting("OTEL_BLRP_SCHEDULE_DELAY", "10")
                        .setting("OTEL_METRIC_EXPORT_INTERVAL", "50")
                        .install()
                        .unwrap();
                    work(&telemetry, 5);
                    for _ in 0..10 {
                        let _ = telemetry.flush(DEADLINE).await;
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    assert!(telemetry.shutdown(DEADLINE).await.is_complete());
                });
            }
            other => panic!("no case {other}"),
        }
        end(0)
    }

    async fn served() {
        let telemetry = install();
        work(&telemetry, 50);
        let report = telemetry.shutdown(DEADLINE).await;
        assert!(report.is_complete(), "{report}");
    }
}
