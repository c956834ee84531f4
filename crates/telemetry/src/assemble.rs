//! Puts the parts together: pipeline, providers, subscriber.

use std::io;
use std::sync::Arc;

use campanile_logs::audit::{self, Audit, Way};
use campanile_logs::{Lines, LogFilter, SpanContexts};
use campanile_recorder::{Handle, Meter as OurMeter, Stock, StockMeter};
use campanile_redaction::Redactor;
use campanile_semconv::SCHEMA_URL;
use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, PeriodicReader, SdkMeterProvider, Stream,
};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Dispatch;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;

use crate::builder::Builder;
use crate::config::{Config, FOR_EVER, Recording, TraceBridge};
use crate::lean::bridge::{Bridge, Records};
use crate::lean::metrics::{DEFAULT_CAP, Registry, WithoutHistograms};
use crate::lean::{self, values::Values};
use crate::pipeline::{Lane, Notices, Pace, Pipeline, Route};
use crate::sampling::Sampler;
use crate::tracer::{Tracer, Tracers};
use crate::{Signal, own_metrics, sdk};

/// The three providers of the SDK, and our own series.
pub(crate) struct Providers {
    /// None on the stock path, and when metrics are not exported.
    pub(crate) own_series: Option<Arc<Registry>>,
    pub(crate) tracers: Tracers,
    pub(crate) meters: SdkMeterProvider,
    pub(crate) loggers: SdkLoggerProvider,
}

/// Starts the pipeline that the configuration asks for; none when nothing is to be exported.
pub(crate) fn pipeline(
    config: &Config,
    redactor: &Redactor,
    notices: &Arc<Notices>,
) -> io::Result<Option<Arc<Pipeline>>> {
    let mut routes = Vec::new();
    for signal in &config.signals {
        let Some(outlet) = signal.outlet.clone() else {
            continue;
        };
        routes.push(Route {
            signal: signal.signal,
            bounds: signal.bounds.clone(),
            pace: signal.pace.clone(),
            outlet,
        });
    }
    if routes.is_empty() {
        return Ok(None);
    }
    let (resource, limits) = (&config.resource, config.value_limits);
    let audit = audit(config);
    let pipeline = Pipeline::start(routes, audit, resource, limits, redactor, notices)?;
    Ok(Some(Arc::new(pipeline)))
}

/// How audit records are exported: as the logs, but with a queue of their own, and however long the
/// collector is away.
fn audit(config: &Config) -> Option<Route> {
    let logs = config
        .signals
        .iter()
        .find(|signal| signal.signal == Signal::Logs)?;
    Some(Route {
        signal: Signal::Logs,
        bounds: config.audit_bounds.clone(),
        pace: Pace {
            max_age: FOR_EVER,
            ..logs.pace.clone()
        },
        outlet: logs.outlet.clone()?,
    })
}

/// Where audit records go: to the lines, and to OTLP if logs are exported.
pub(crate) fn audit_ways(
    config: &Config,
    builder: &Builder,
    providers: &Providers,
    pipeline: Option<&Pipeline>,
) -> Audit {
    let lines = &builder.lines;
    let stream: Option<Arc<dyn Way>> =
        (!lines.is_nowhere()).then(|| audit::Lines::new(&config.service(), lines.clone()).into());
    let otlp = pipeline.and_then(Pipeline::audit).map(|lane| {
        let way: Arc<dyn Way> = Arc::new(sdk::Audit::new(lane.clone(), &providers.loggers));
        way
    });
    Audit::new(stream.into_iter().chain(otlp)).with_redactor(builder.redactor.clone())
}

/// Builds the providers; what has no lane in the pipeline records nothing.
pub(crate) fn providers(
    config: &Config,
    builder: &Builder,
    pipeline: Option<&Pipeline>,
) -> Providers {
    let (redactor, lines) = (&builder.redactor, &builder.lines);
    let resource = &config.resource;
    let lane = |signal| pipeline.and_then(|pipeline| pipeline.lane(signal)).cloned();
    let sampler = Sampler::new(config.sampling.clone());

    let mut meters = SdkMeterProvider::builder().with_resource(resource.clone());
    let mut own_series = None;
    if let Some(lane) = lane(Signal::Metrics) {
        if config.recording == Recording::Lean {
            let cap = config.cardinality.unwrap_or(DEFAULT_CAP);
            let registry = Registry::new(config.temporality, cap, config.exemplars);
            own_series = Some(Arc::new(registry));
        }
        let exporter = sdk::Metrics {
            lane,
            temporality: config.temporality,
            own: own_series.clone(),
        };
        let reader = PeriodicReader::builder(exporter).with_interval(config.metric_interval);
        meters = meters.with_reader(reader.build());
    }
    if config.exponential_histograms || config.cardinality.is_some() {
        let (exponential, cap) = (config.exponential_histograms, config.cardinality);
        meters =
            meters.with_view(move |instrument: &Instrument| view(instrument, exponential, cap));
    }
    let meters = meters.build();
    let own = own_meter(&meters);
    own_metrics::observe_redactor(&own, redactor);
    own_metrics::observe_lines(&own, lines);
    for route in pipeline.map(Pipeline::routes).unwrap_or_default() {
        if let Some(lane) = lane(route.0) {
            own_metrics::observe(&own, &lane, &route.1, 0);
            if let Some(audit) = pipeline.and_then(Pipeline::audit)
                && route.0 == Signal::Logs
            {
                own_metrics::observe(&own, audit, &route.1, 1);
            }
        }
    }

    let traces = lane(Signal::Traces);
    if traces.is_some() {
        own_metrics::observe_sampler(&own, &sampler);
    }
    let tracers = match config.recording {
        Recording::Lean => Tracers::Lean(lean::TracerProvider::new(
            traces,
            sampler,
            config.span_limits,
            Values {
                redactor: redactor.clone(),
                length: config.value_limits.span_value_length,
            },
        )),
        Recording::Stock => Tracers::Stock(stock_tracers(config, builder, traces, sampler)),
    };

    let mut loggers = SdkLoggerProvider::builder().with_resource(resource.clone());
    if let Some(lane) = lane(Signal::Logs) {
        loggers = loggers.with_log_processor(sdk::Logs(lane));
    }
    Providers {
        own_series,
        tracers,
        meters,
        loggers: loggers.build(),
    }
}

/// The tracer provider of the SDK, with what the user adds to it.
fn stock_tracers(
    config: &Config,
    builder: &Builder,
    lane: Option<Arc<Lane>>,
    sampler: Sampler,
) -> SdkTracerProvider {
    let mut tracers = SdkTracerProvider::builder()
        .with_resource(config.resource.clone())
        .with_span_limits(config.span_limits);
    let Some(lane) = lane else {
        // Ids for the log lines are made all the same; nothing is recorded.
        return tracers
            .with_sampler(opentelemetry_sdk::trace::Sampler::AlwaysOff)
            .build();
    };
    tracers = tracers
        .with_sampler(sampler.clone())
        .with_span_processor(sdk::Spans {
            lane,
            sampler,
            redactor: builder.redactor.clone(),
        });
    if let Some(adjust) = &builder.adjust_tracers {
        tracers = adjust(tracers);
    }
    tracers.build()
}

/// The recorder of the layers: over our own series, or over the SDK for everything.
pub(crate) fn recorder(config: &Config, providers: &Providers) -> Handle {
    let scope = Stock::<Tracer>::scope();
    let tracer = providers.tracers.tracer_with_scope(scope.clone());
    let sdk = || providers.meters.meter_with_scope(scope.clone());
    let lean = tracer.lean().cloned();
    let Some(registry) = providers.own_series.clone() else {
        let stock = Stock::new(tracer, sdk()).with_formats(config.formats);
        return match lean {
            Some(tracer) => {
                let meter = Arc::new(StockMeter::new(sdk()));
                Handle::new(lean::Server::new(tracer, meter, Handle::new(stock)))
            }
            None => Handle::new(stock),
        };
    };
    let meter: Arc<dyn OurMeter> = if config.exponential_histograms {
        let histograms = StockMeter::new(sdk());
        Arc::new(WithoutHistograms {
            registry,
            histograms,
        })
    } else {
        registry
    };
    let stock = Stock::with_meter(tracer, meter.clone()).with_formats(config.formats);
    match lean {
        Some(tracer) => Handle::new(lean::Server::new(tracer, meter, Handle::new(stock))),
        None => Handle::new(stock),
    }
}

/// Exponential histograms, another cap of attribute sets, or both.
fn view(instrument: &Instrument, exponential: bool, cap: Option<usize>) -> Option<Stream> {
    let mut stream = Stream::builder();
    if exponential && instrument.kind() == InstrumentKind::Histogram {
        stream = stream.with_aggregation(Aggregation::Base2ExponentialHistogram {
            max_size: 160,
            max_scale: 20,
            record_min_max: true,
        });
    }
    if let Some(cap) = cap {
        stream = stream.with_cardinality_limit(cap);
    }
    stream.build().ok()
}

/// The meter of everything that we tell about ourselves.
pub(crate) fn own_meter(meters: &SdkMeterProvider) -> Meter {
    let scope = InstrumentationScope::builder("campanile.telemetry")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(SCHEMA_URL)
        .build();
    meters.meter_with_scope(scope)
}

/// The layer that writes lines.
fn lines(config: &Config, builder: &Builder) -> Lines {
    Lines::new(&config.service(), builder.lines.clone())
        .with_format(config.log_format)
        .with_redactor(builder.redactor.clone())
        .with_span_fields(builder.span_fields.iter().cloned())
        .with_span_contexts(span_contexts(config))
}

/// How the OpenTelemetry context of a `tracing` span is found.
fn span_contexts(config: &Config) -> SpanContexts {
    match config.bridge {
        TraceBridge::Own => Bridge::context,
        TraceBridge::TracingOpentelemetry => tracing_opentelemetry::get_otel_context,
    }
}

/// The voice of the pipeline itself: lines only, so that it cannot feed itself.
pub(crate) fn voice(config: &Config, builder: &Builder) -> Dispatch {
    let lines = lines(config, builder).with_filter(config.own_level);
    Dispatch::new(tracing_subscriber::registry().with(lines))
}

/// The filter over all layers; directives that cannot be read were noted before.
pub(crate) fn filter(config: &Config) -> LogFilter {
    LogFilter::new(&config.filter).unwrap_or_default()
}

/// The subscriber with all layers: lines always, spans and records where they are exported.
pub(crate) fn subscriber(
    config: &Config,
    builder: &Builder,
    filter: &LogFilter,
    providers: &Providers,
    pipeline: Option<&Pipeline>,
) -> Dispatch {
    let lane = |signal| pipeline.and_then(|pipeline| pipeline.lane(signal));
    let traces = lane(Signal::Traces).map(|_| &providers.tracers);
    let own_spans = traces.and_then(|tracers| match (tracers, config.bridge) {
        (Tracers::Lean(tracers), TraceBridge::Own) => {
            let bridge = Bridge::new(tracers.tracer("tracing"), is_the_application_s);
            Some(bridge.with_events(config.span_events))
        }
        _ => None,
    });
    let span_events = config.span_events;
    let spans = traces.filter(|_| own_spans.is_none()).map(|tracers| {
        tracing_opentelemetry::layer()
            .with_tracer(tracers.tracer("tracing"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            // events are log records, once; on spans they are deprecated
            .with_filter(filter_fn(move |metadata| {
                (span_events || metadata.is_span()) && is_the_application_s(metadata.target())
            }))
    });
    let (stock, lean) = match config.recording {
        Recording::Stock => (lane(Signal::Logs), None),
        Recording::Lean => (None, lane(Signal::Logs)),
    };
    let records = stock.map(|_| {
        OpenTelemetryTracingBridge::new(&providers.loggers).with_filter(filter_fn(|metadata| {
            is_the_application_s(metadata.target())
        }))
    });
    let own_records = Records::new(
        lean.cloned(),
        Values {
            redactor: builder.redactor.clone(),
            length: config.value_limits.log_value_length,
        },
        config.value_limits.log_attributes,
        is_the_application_s,
        span_contexts(config),
    );
    // One layer of layers: each that stands on the registry by itself looks for the registry, through
    // all that are below it, whenever a span closes. The filter is the outermost, as its interest and
    // its level then are those of all.
    let layers = lines(config, builder)
        .and_then(spans)
        .and_then(own_spans)
        .and_then(records)
        .and_then(own_records)
        .and_then(filter.clone());
    Dispatch::new(tracing_subscriber::registry().with(layers))
}

/// Whether it may be exported: what the crates that carry the export say must not, whatever the
/// user's filter lets through, and neither what the pipeline says about itself.
fn is_the_application_s(target: &str) -> bool {
    const OTHERS: [&str; 12] = [
        "campanile",
        "h2",
        "hyper",
        "hyper_rustls",
        "hyper_util",
        "opentelemetry",
        "opentelemetry_sdk",
        "reqwest",
        "rustls",
        "tokio_util",
        "tonic",
        "tower",
    ];
    let krate = target.split("::").next().unwrap_or(target);
    !OTHERS.contains(&krate) && !krate.starts_with("opentelemetry-")
}
