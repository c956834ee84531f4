//! Running telemetry.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use campanile_logs::{Lines, Sink};
use campanile_recorder::{Handle, Source, Stock};
use opentelemetry::global;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Dispatch;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;

use crate::builder::Builder;
use crate::lifecycle::{self, Goal};
use crate::pipeline::{Backoff, Bounds, Notices, Pace, Pipeline, Route};
use crate::transport::{Compression, Destination, Endpoint, Protocol, Tls};
use crate::{Report, Signal, Status, sdk, stop};

/// How long a drop without a shutdown may take.
const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// Running telemetry. Clones are the same one.
///
/// Dropping the last clone without [`shutdown`](Self::shutdown) shuts down too, for at most five
/// seconds.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    tracers: SdkTracerProvider,
    meters: SdkMeterProvider,
    recorder: Handle,
    subscriber: Dispatch,
    pipeline: Option<Arc<Pipeline>>,
    off: Option<String>,
    ended: AtomicBool,
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
        let resource = Resource::builder()
            .with_service_name(builder.service.clone())
            .build();
        let voice = Dispatch::new(
            tracing_subscriber::registry()
                .with(Lines::new(&builder.service, builder.lines.clone())),
        );
        let notices = Arc::new(Notices::new(voice));
        let endpoint = (builder.environment)("OTEL_EXPORTER_OTLP_ENDPOINT")
            .or_else(|| builder.default_endpoint.clone())
            .unwrap_or_else(|| "http://localhost:4317".into());
        let (pipeline, off) = match Endpoint::parse(&endpoint) {
            Ok(endpoint) => {
                let destination = Destination {
                    protocol: Protocol::Grpc,
                    endpoint,
                    headers: http::HeaderMap::new(),
                    compression: Compression::None,
                    timeout: Duration::from_secs(10),
                    tls: Tls::default(),
                };
                let routes = Signal::ALL
                    .into_iter()
                    .map(|signal| Route {
                        signal,
                        bounds: Bounds {
                            items: 65_536,
                            bytes: 32 << 20,
                            batch: 512,
                        },
                        pace: Pace {
                            delay: Duration::from_millis(500),
                            max_age: Duration::from_secs(60),
                            concurrency: 16,
                            max_request: 3_500_000,
                            backoff: Backoff::default(),
                        },
                        destination: destination.clone(),
                        may_fall_back: true,
                    })
                    .collect();
                match Pipeline::start(routes, &resource, &notices) {
                    Ok(pipeline) => (Some(Arc::new(pipeline)), None),
                    Err(error) => (None, Some(error.to_string())),
                }
            }
            Err(problem) => (None, Some(problem)),
        };
        let mut tracers = SdkTracerProvider::builder().with_resource(resource.clone());
        let mut meters = SdkMeterProvider::builder().with_resource(resource.clone());
        let mut loggers = SdkLoggerProvider::builder().with_resource(resource);
        if let Some(pipeline) = &pipeline {
            if let Some(lane) = pipeline.lane(Signal::Traces) {
                tracers = tracers.with_span_processor(sdk::Spans(lane.clone()));
            }
            if let Some(lane) = pipeline.lane(Signal::Logs) {
                loggers = loggers.with_log_processor(sdk::Logs(lane.clone()));
            }
            if let Some(lane) = pipeline.lane(Signal::Metrics) {
                let exporter = sdk::Metrics {
                    lane: lane.clone(),
                    temporality: Temporality::Cumulative,
                };
                meters = meters.with_reader(
                    PeriodicReader::builder(exporter)
                        .with_interval(Duration::from_secs(15))
                        .build(),
                );
            }
        }
        let (tracers, meters, loggers) = (tracers.build(), meters.build(), loggers.build());
        let scope = Stock::<SdkTracer>::scope();
        let recorder = Handle::new(Stock::new(
            tracers.tracer_with_scope(scope.clone()),
            meters.meter_with_scope(scope),
        ));
        let subscriber = Dispatch::new(
            tracing_subscriber::registry()
                .with(
                    EnvFilter::try_new((builder.environment)("RUST_LOG").unwrap_or_else(|| "info".into()))
                        .unwrap_or_else(|_| EnvFilter::new("info")),
                )
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
            recorder,
            subscriber,
            pipeline,
            off,
            ended: AtomicBool::new(false),
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
        self.0.meters.meter(name)
    }

    /// The state of export now, exact to the item.
    pub fn status(&self) -> Status {
        let pipeline = self.0.pipeline.as_ref();
        Status {
            off: self.0.off.clone(),
            signals: pipeline.map_or_else(Vec::new, |pipeline| lifecycle::report(pipeline).signals),
        }
    }

    /// Delivers what was recorded until now, for at most `deadline` over all signals.
    ///
    /// It works on any executor, and keeps none busy.
    pub async fn flush(&self, deadline: Duration) -> Report {
        self.0.finish(Goal::Flush, deadline).await
    }

    /// Delivers what was recorded until now, for at most `deadline` over all signals, and stops.
    ///
    /// What is recorded later is counted as lost, and nothing else happens to it.
    pub async fn shutdown(&self, deadline: Duration) -> Report {
        self.0.finish(Goal::Shutdown, deadline).await
    }

    /// Like [`shutdown`](Self::shutdown), for where nothing can be awaited.
    pub fn shutdown_blocking(&self, deadline: Duration) -> Report {
        self.0.finish_blocking(Goal::Shutdown, deadline)
    }

    /// Like [`flush`](Self::flush), for where nothing can be awaited.
    pub fn flush_blocking(&self, deadline: Duration) -> Report {
        self.0.finish_blocking(Goal::Flush, deadline)
    }

    /// Resolves at the first SIGINT or SIGTERM; a second one ends the process at once.
    ///
    /// The signals are caught from the first call on.
    pub fn stop_requested(&self) -> impl Future<Output = ()> + Send + 'static {
        stop::requested()
    }
}

impl Inner {
    /// Whether there is anything to do; a second shutdown finds nothing.
    fn begin(
        &self,
        goal: Goal,
        deadline: Duration,
    ) -> Result<tokio::sync::oneshot::Receiver<Report>, Report> {
        let ended = match goal {
            Goal::Flush => self.ended.load(Ordering::SeqCst),
            Goal::Shutdown => self.ended.swap(true, Ordering::SeqCst),
        };
        let Some(pipeline) = &self.pipeline else {
            return Err(Report::default());
        };
        if ended {
            let mut report = lifecycle::report(pipeline);
            report.ended = true;
            return Err(report);
        }
        Ok(lifecycle::begin(pipeline, &self.meters, goal, deadline))
    }

    async fn finish(&self, goal: Goal, deadline: Duration) -> Report {
        match self.begin(goal, deadline) {
            Ok(report) => match report.await {
                Ok(report) => report,
                Err(_) => self.books(),
            },
            Err(report) => report,
        }
    }

    fn finish_blocking(&self, goal: Goal, deadline: Duration) -> Report {
        match self.begin(goal, deadline) {
            Ok(report) => lifecycle::wait(report, deadline).unwrap_or_else(|| self.books()),
            Err(report) => report,
        }
    }

    fn books(&self) -> Report {
        let pipeline = self.pipeline.as_deref();
        pipeline.map(lifecycle::report).unwrap_or_default()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !*self.ended.get_mut() {
            let _ = self.finish_blocking(Goal::Shutdown, DROP_DEADLINE);
        }
    }
}

/// Targets of the crates that carry the export itself: what they say must not be exported.
fn is_transport(target: &str) -> bool {
    const CRATES: [&str; 10] = [
        "campanile",
        "h2",
        "hyper",
        "hyper_util",
        "opentelemetry",
        "opentelemetry_sdk",
        "reqwest",
        "rustls",
        "tonic",
        "tower",
    ];
    let krate = target.split("::").next().unwrap_or(target);
    CRATES.contains(&krate) || krate.starts_with("opentelemetry-")
}

impl Source for Telemetry {
    fn recorder(&self) -> Handle {
        self.0.recorder.clone()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
