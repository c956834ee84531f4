//! A real collector (rotel, from PyPI) is killed with -9 in mid-run and restarted: nothing that it
//! had not acknowledged is lost.
//!
//! Needs `rotel-agent`: `cargo xtask test --install` puts it into `.provision`. Without it the
//! test says so and passes, unless `CAMPANILE_REQUIRE_PEERS=1`.

#![allow(clippy::unwrap_used)]

mod harness;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use campanile_otlp_receiver::Receiver;
use campanile_telemetry::Signal;
use harness::{Over, Watcher, logs, offer, spans, telemetry};

/// The collector's program, or the reason why the test cannot run.
fn program() -> Option<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.provision/venv/lib");
    let given = std::env::var_os("CAMPANILE_ROTEL").map(PathBuf::from);
    let pythons = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found = pythons.map(|python| python.path().join("site-packages/rotel/rotel-agent"));
    let program = given.or_else(|| found.find(|path| path.exists()));
    if program.is_none() {
        let message = "SKIPPED: no rotel-agent in .provision: run `cargo xtask test --install`";
        let required = std::env::var("CAMPANILE_REQUIRE_PEERS").is_ok_and(|value| value == "1");
        assert!(!required, "{message}");
        eprintln!("{message}");
    }
    program
}

struct Collector {
    program: PathBuf,
    grpc: SocketAddr,
    http: SocketAddr,
    to: String,
    child: Option<Child>,
}

impl Collector {
    fn new(program: PathBuf, to: &str) -> Self {
        // Both are taken at the same time, so that they differ; freed for the collector then.
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (grpc, http) = (free(), free());
        Self {
            program,
            grpc: grpc.local_addr().unwrap(),
            http: http.local_addr().unwrap(),
            to: to.to_owned(),
            child: None,
        }
    }

    fn start(&mut self) {
        let files = std::env::temp_dir().join(format!("campanile-rotel-{}", self.grpc.port()));
        let child = Command::new(&self.program)
            .arg("start")
            .args(["--otlp-grpc-endpoint", &self.grpc.to_string()])
            .args(["--otlp-http-endpoint", &self.http.to_string()])
            .args(["--otlp-exporter-endpoint", &self.to])
            .args(["--batch-timeout", "50ms"])
            .arg("--pid-file")
            .arg(files.with_extension("pid"))
            .arg("--log-file")
            .arg(files.with_extension("log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGKILL.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn killed_and_restarted(over: Over) {
    let Some(program) = program() else {
        return;
    };
    let receiver = Receiver::start().await.unwrap();
    let mut collector = Collector::new(program, receiver.grpc_endpoint());
    collector.start();
    let endpoint = match over {
        Over::Grpc => format!("http://{}", collector.grpc),
        Over::Http => format!("http://{}", collector.http),
    };
    let telemetry = telemetry(over, &endpoint, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "5000")]);
    let watcher = Watcher::new(&telemetry);
    let pause = || tokio::time::sleep(Duration::from_millis(10));

    for n in 0..100 {
        offer(&telemetry, n * 5..n * 5 + 5);
        pause().await;
    }
    receiver
        .wait_for(|seen| (!seen.spans().is_empty()).then_some(()))
        .await
        .expect("the collector forwards");
    let books = telemetry.status();
    collector.kill();
    // Whatever it had acknowledged and not forwarded is gone with its memory.
    let acknowledged: Vec<u64> = books
        .signals
        .iter()
        .map(|s| s.delivered + s.in_flight)
        .collect();
    for n in 100..200 {
        offer(&telemetry, n * 5..n * 5 + 5);
        pause().await;
    }
    collector.start();
    for n in 200..300 {
        offer(&telemetry, n * 5..n * 5 + 5);
        pause().await;
    }
    let report = telemetry.shutdown(Duration::from_secs(15)).await;
    assert!(report.is_complete(), "{report}");
    watcher.finish();

    let all: BTreeSet<i64> = (0..1500).collect();
    let after_kill: BTreeSet<i64> = (500..1500).collect();
    let _ = receiver
        .wait_for(|seen| (seen.spans().len() >= 1000 && seen.logs().len() >= 1000).then_some(()))
        .await;
    let settled = receiver.wait_for(|_| {
        let (spans, logs) = (spans(&receiver), logs(&receiver));
        (after_kill.is_subset(&spans) && after_kill.is_subset(&logs)).then_some(())
    });
    settled.await.expect("what was not acknowledged arrives");
    for (signal, arrived) in [
        (Signal::Traces, spans(&receiver)),
        (Signal::Logs, logs(&receiver)),
    ] {
        let missing = all.difference(&arrived).count() as u64;
        let index = books
            .signals
            .iter()
            .position(|s| s.signal == signal)
            .unwrap();
        assert!(
            missing <= acknowledged[index],
            "{missing} of {}",
            acknowledged[index]
        );
        println!(
            "{over:?}: {} of {} acknowledged {} went down with the collector",
            missing,
            acknowledged[index],
            signal.items()
        );
    }
}

#[tokio::test]
async fn over_grpc_nothing_unacknowledged_is_lost() {
    killed_and_restarted(Over::Grpc).await;
}

#[tokio::test]
async fn over_http_nothing_unacknowledged_is_lost() {
    killed_and_restarted(Over::Http).await;
}
