//! Our own pipeline, down to OTLP bytes in another process that throws them away.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use campanile_telemetry::{Signal, Telemetry};

/// Starts a sink, and the pipeline that sends to it.
pub fn telemetry() -> Telemetry {
    let this = std::env::current_exe().expect("a path to this program");
    let mut sink = Command::new(this)
        .arg("--sink")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a sink");
    let mut address = String::new();
    let told = sink.stdout.take().expect("a pipe");
    BufReader::new(told)
        .read_line(&mut address)
        .expect("an address");
    // it ends when its input does, which is at our own end
    std::mem::forget(sink);
    Telemetry::from_env("bench")
        .environment(|_| None)
        .setting(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://{}", address.trim()),
        )
        .setting("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .setting("OTEL_LOGS_EXPORTER", "none")
        .setting("OTEL_BSP_MAX_QUEUE_SIZE", "65536")
        .lines(campanile_logs::Sink::nowhere())
        .build()
}

/// Asserts that so many spans were delivered, and nothing was lost.
pub fn check(telemetry: &Telemetry, spans: usize) {
    let report = telemetry.shutdown_blocking(Duration::from_secs(60));
    let traces = report
        .signals
        .iter()
        .find(|signal| signal.signal == Signal::Traces);
    let traces = traces.expect("traces are exported");
    assert_eq!(traces.delivered, spans as u64, "{report:?}");
}
