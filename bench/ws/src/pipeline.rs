//! Whole pipelines, as an application starts them, that export to nobody.

use std::time::Duration;

use campanile_logs::Sink;
use campanile_telemetry::Telemetry;

/// Starts the pipeline of this name: `lean`, our own series, which is the default, or `stock`, the
/// SDK's aggregation. Metrics are exported every hour.
pub fn pipeline(name: &str) -> Telemetry {
    Telemetry::from_env("bench")
        .environment(|_| None)
        .default_endpoint("http://127.0.0.1:1")
        .setting("CAMPANILE_PIPELINE", name)
        .setting("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
        .lines(Sink::nowhere())
        .drop_deadline(Duration::ZERO)
        .build()
}
