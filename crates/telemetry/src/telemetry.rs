//! Running telemetry.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use campanile_logs::{Lines, Sink};
use campanile_recorder::{Handle, Source, Stock};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, global};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Dispatch;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;

use crate::builder::Builder;
use crate::{Report, stop};

/// Running telemetry. Clones are the same one.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    tracers: SdkTracerProvider,
    meters: SdkMeterProvider,
    loggers: SdkLoggerProvider,
    recorder: Handle,
    subscriber: Dispatch,
}

impl Telemetry {
    /// Settings from the environment (`OTEL_*`), for the service of this name.
    ///
    /// `OTEL_SERVICE_NAME` wins over `service`.
    pub fn from_env(service: &str) -> Builder {
        Builder::new(service)
    }

    /// Exports to `endpoint` over OTLP/gRPC, and touches no global: many of them can live in one
    /// test process. The environment is not read; JSON lines are discarded.
    pub fn for_test(endpoint: impl AsRef<str>) -> Self {
        Builder::new("test")
            .environment(|_| None)
            .default_endpoint(endpoint.as_ref())
            .lines(Sink::nowhere())
            .build()
    }

    pub(crate) fn start(builder: &Builder) -> Self {
        let tracers = SdkTracerProvider::builder().build();
        let meters = SdkMeterProvider::builder().build();
        let loggers = SdkLoggerProvider::builder().build();
        let scope = Stock::<SdkTracer>::scope();
        let recorder = Handle::new(Stock::new(
            tracers.tracer_with_scope(scope.clone()),
            meters.meter_with_scope(scope),
        ));
        let subscriber = Dispatch::new(
            tracing_subscriber::registry()
                .with(EnvFilter::new("info"))
                .with(Lines::new(&builder.service, builder.lines.clone()))
                .with(
                    tracing_opentelemetry::layer()
                        .with_tracer(tracers.tracer("tracing"))
                        .with_location(false)
                        .with_threads(false)
                        .with_target(false)
                        .with_tracked_inactivity(false)
                        .with_filter(filter_fn(|metadata| !is_transport(metadata.target()))),
                )
                .with(
                    OpenTelemetryTracingBridge::new(&loggers)
                        .with_filter(filter_fn(|metadata| !is_transport(metadata.target()))),
                ),
        );
        Self(Arc::new(Inner {
            tracers,
            meters,
            loggers,
            recorder,
            subscriber,
        }))
    }

    pub(crate) fn set_globals(&self) {
        global::set_tracer_provider(self.0.tracers.clone());
        global::set_meter_provider(self.0.meters.clone());
    }

    /// A `tracing` subscriber with the same layers that `install` sets globally, for
    /// `tracing::dispatcher::set_default` and `with_subscriber` in tests.
    pub fn subscriber(&self) -> Dispatch {
        self.0.subscriber.clone()
    }

    /// A tracer of this pipeline.
    pub fn tracer(&self, name: &'static str) -> SdkTracer {
        self.0.tracers.tracer(name)
    }

    /// A meter of this pipeline.
    pub fn meter(&self, name: &'static str) -> opentelemetry::metrics::Meter {
        self.0
            .meters
            .meter_with_scope(InstrumentationScope::builder(name).build())
    }

    /// Delivers what was recorded until now, for at most `deadline` over all signals.
    pub async fn flush(&self, _deadline: Duration) -> Report {
        let _ = self.0.loggers.force_flush();
        Report::default()
    }

    /// Delivers what was recorded until now, for at most `deadline` over all signals, and stops.
    pub async fn shutdown(&self, _deadline: Duration) -> Report {
        Report::default()
    }

    /// Resolves at the first SIGINT or SIGTERM; a second one ends the process at once.
    pub fn stop_requested(&self) -> impl Future<Output = ()> + Send + 'static {
        stop::requested()
    }
}

/// Targets of the crates that carry the export itself: what they say must not be exported.
fn is_transport(target: &str) -> bool {
    const CRATES: [&str; 10] = [
        "h2",
        "hyper",
        "hyper_util",
        "tonic",
        "tower",
        "reqwest",
        "rustls",
        "opentelemetry",
        "opentelemetry_sdk",
        "opentelemetry-otlp",
    ];
    let krate = target.split("::").next().unwrap_or(target);
    CRATES.contains(&krate)
}

impl Source for Telemetry {
    fn recorder(&self) -> Handle {
        self.0.recorder.clone()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}
