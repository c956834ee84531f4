//! Who is measured: the same router, and what was put around it.

use std::io;
use std::time::Duration;

use campanile_http::ServerLayer;
use campanile_recorder::{Handle, Stock};
use campanile_telemetry::{Signal, Telemetry};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;

use crate::sdk::Sdk;
use crate::server::run;
use crate::work::router;

/// One server.
pub struct Contender {
    pub name: &'static str,
    pub is_sampled: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    /// No telemetry.
    Bare,
    /// `ServerLayer` over our own pipeline.
    Lean,
    /// `ServerLayer` over the SDK.
    Sdk,
    /// `opentelemetry-instrumentation-tower` over the SDK.
    Usual,
}

const fn contender(name: &'static str, is_sampled: bool, kind: Kind) -> Contender {
    Contender {
        name,
        is_sampled,
        kind,
    }
}

/// What the others are compared with.
pub const BARE: &str = "bare";
/// The same once more: what it differs by is noise.
pub const CONTROL: &str = "bare-again";

pub const ALL: &[Contender] = &[
    contender(BARE, true, Kind::Bare),
    contender(CONTROL, true, Kind::Bare),
    contender("lean-sampled", true, Kind::Lean),
    contender("lean-unsampled", false, Kind::Lean),
    contender("server-sampled", true, Kind::Sdk),
    contender("usual-sampled", true, Kind::Usual),
];

impl Contender {
    /// Whether spans are to arrive at the sink.
    pub fn has_spans(&self) -> bool {
        self.is_sampled && self.kind != Kind::Bare
    }
}

/// Room for more than a second's spans, for everyone.
pub const QUEUE: usize = 1 << 16;

/// Serves until the input ends, then prints how many spans were delivered.
pub fn serve(name: &str, endpoint: &str) -> io::Result<()> {
    let found = ALL.iter().find(|contender| contender.name == name);
    let contender = found.ok_or_else(|| io::Error::other("no such contender"))?;
    let delivered = match contender.kind {
        Kind::Bare => run(router()).map(|()| 0)?,
        Kind::Lean => {
            let telemetry = lean(endpoint);
            run(router().layer(ServerLayer::new(&telemetry)))?;
            let report = telemetry.shutdown_blocking(Duration::from_secs(10));
            let traces = report
                .signals
                .iter()
                .find(|signal| signal.signal == Signal::Traces);
            traces.map_or(0, |traces| traces.delivered)
        }
        Kind::Sdk => {
            let sdk = Sdk::new(endpoint)?;
            let tracer = sdk.tracers.tracer("bench");
            let recorder = Handle::new(Stock::new(tracer, sdk.meters.meter("bench")));
            run(router().layer(ServerLayer::new(&recorder)))?;
            sdk.shutdown()
        }
        Kind::Usual => {
            let sdk = Sdk::new(endpoint)?;
            sdk.set_global();
            let layer = opentelemetry_instrumentation_tower::http::server::Layer::new();
            run(router().layer(layer))?;
            sdk.shutdown()
        }
    };
    println!("{delivered}");
    Ok(())
}

fn lean(endpoint: &str) -> Telemetry {
    Telemetry::from_env("bench")
        .environment(|_| None)
        .setting("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .setting("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .setting("OTEL_LOGS_EXPORTER", "none")
        .setting("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE.to_string())
        .lines(campanile_logs::Sink::nowhere())
        .build()
}
