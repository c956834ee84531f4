//! What the children do.

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

pub(crate) fn run(case: &str) -> ! {
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
                println!("HEARD");
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
            let (written, lines) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                loop {
                    eprintln!("{}", "x".repeat(4096));
                    let _ = written.send(());
                }
            });
            while lines.recv_timeout(Duration::from_millis(200)).is_ok() {}
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
