//! What the environment asks for.
//!
//! The environment wins over what was said in code, as operators must be able to correct a binary.
//! What would send telemetry to the wrong place is a problem: telemetry is then off. Anything else
//! that cannot be obeyed is noted and left at its default, as the specification asks.

mod destination;
mod limits;
mod resource;
mod signal;
#[cfg(test)]
mod tests;
mod variables;

use std::fmt::Write;
use std::time::Duration;

use campanile_logs::Format;
use campanile_propagation::Formats;
use campanile_semconv::attribute;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::trace::SpanLimits;

pub(crate) use self::limits::ValueLimits;
use self::signal::{SignalConfig, signal_config};
pub(crate) use self::variables::FOR_EVER;
use self::variables::{Variables, lower};
use crate::builder::Builder;
use crate::lean::metrics::Filter;
use crate::pipeline::Bounds;
use crate::sampling::{Base, Sampling};
use crate::{ConfigError, Signal};

/// Everything that was understood.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) resource: Resource,
    /// Switched off on purpose.
    pub(crate) disabled: bool,
    pub(crate) signals: Vec<SignalConfig>,
    /// How many audit records wait for a collector.
    pub(crate) audit_bounds: Bounds,
    pub(crate) sampling: Sampling,
    pub(crate) span_limits: SpanLimits,
    pub(crate) value_limits: ValueLimits,
    pub(crate) metric_interval: Duration,
    pub(crate) temporality: Temporality,
    pub(crate) exponential_histograms: bool,
    /// Which measurements of our own series may become exemplars.
    pub(crate) exemplars: Filter,
    /// Who records what our layers report.
    pub(crate) recording: Recording,
    /// Who makes spans of those of `tracing`.
    pub(crate) bridge: TraceBridge,
    /// Events are events of their spans, too.
    pub(crate) span_events: bool,
    /// Attribute sets of an instrument; the SDK's 2000 when none.
    pub(crate) cardinality: Option<usize>,
    pub(crate) formats: Formats,
    /// Directives of the log filter.
    pub(crate) filter: String,
    /// How log lines look.
    pub(crate) log_format: Format,
    /// How much the pipeline says about itself.
    pub(crate) own_level: tracing::level_filters::LevelFilter,
    pub(crate) problems: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// Who records what our layers report (`CAMPANILE_PIPELINE`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Recording {
    /// Our own pipeline.
    #[default]
    Lean,
    /// The SDK, for everything.
    Stock,
}

/// Who makes OpenTelemetry spans of those of `tracing` (`CAMPANILE_TRACING_BRIDGE`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum TraceBridge {
    /// The crate of that name.
    #[default]
    TracingOpentelemetry,
    /// We do, which needs the lean pipeline.
    Own,
}

/// Variables that concern an application and that nothing here obeys.
pub(crate) const UNSUPPORTED: &[&str] = &[
    "OTEL_CONFIG_FILE",
    "OTEL_EXPERIMENTAL_CONFIG_FILE",
    "OTEL_EXPORTER_PROMETHEUS_HOST",
    "OTEL_EXPORTER_PROMETHEUS_PORT",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
];

/// Audit records held while the collector is away, where nothing else was said.
const AUDIT_QUEUE: u64 = 4096;

/// Bytes of audit records held at most: 16 MiB.
const AUDIT_BYTES: usize = 16 * 1024 * 1024;

impl Config {
    pub(crate) fn read(builder: &Builder) -> Self {
        let variables = Variables::new(&builder.environment, &builder.defaults);
        let signals = Signal::ALL
            .into_iter()
            .map(|signal| signal_config(&variables, signal))
            .collect();
        variables.unsupported(UNSUPPORTED);
        let config = Self {
            resource: resource::detect(&variables, &builder.service, builder.version.as_deref()),
            disabled: variables.is_true("OTEL_SDK_DISABLED"),
            signals,
            sampling: sampling(&variables, builder.sampling.clone()),
            span_limits: limits::span_limits(&variables),
            value_limits: limits::value_limits(&variables),
            metric_interval: variables
                .millis("OTEL_METRIC_EXPORT_INTERVAL")
                .filter(|interval| !interval.is_zero())
                .unwrap_or(Duration::from_secs(15)),
            temporality: temporality(&variables),
            exponential_histograms: variables
                .word(
                    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                    &[
                        ("explicit_bucket_histogram", false),
                        ("base2_exponential_bucket_histogram", true),
                    ],
                )
                .unwrap_or(false),
            audit_bounds: Bounds {
                items: variables
                    .number("CAMPANILE_AUDIT_QUEUE")
                    .unwrap_or(AUDIT_QUEUE)
                    .max(1),
                bytes: AUDIT_BYTES,
                batch: 512,
            },
            exemplars: exemplars(&variables),
            recording: variables
                .word(
                    "CAMPANILE_PIPELINE",
                    &[("lean", Recording::Lean), ("stock", Recording::Stock)],
                )
                .unwrap_or_default(),
            bridge: TraceBridge::default(),
            span_events: variables.is_true("CAMPANILE_SPAN_EVENTS"),
            cardinality: variables
                .number("CAMPANILE_TELEMETRY_CARDINALITY")
                .filter(|cap| *cap > 0),
            formats: formats(&variables),
            filter: filter(&variables),
            log_format: variables
                .word(
                    "CAMPANILE_LOG_FORMAT",
                    &[("json", Format::Json), ("pretty", Format::Pretty)],
                )
                .unwrap_or_default(),
            own_level: own_level(&variables),
            problems: Vec::new(),
            notes: Vec::new(),
        };
        let bridge = bridge(&variables, config.recording);
        let (problems, notes) = variables.into_findings();
        Self {
            bridge,
            problems,
            notes,
            ..config
        }
    }

    pub(crate) fn service(&self) -> String {
        resource::text(&self.resource, attribute::SERVICE_NAME).unwrap_or_default()
    }

    /// Why telemetry is off, if it is.
    pub(crate) fn off(&self) -> Option<String> {
        if self.disabled {
            return Some("OTEL_SDK_DISABLED=true".into());
        }
        (!self.problems.is_empty()).then(|| self.problems.join("; "))
    }

    /// What was understood, secrets masked; or everything that was not.
    pub(crate) fn check(&self) -> Result<String, ConfigError> {
        if self.problems.is_empty() && self.notes.is_empty() {
            return Ok(self.describe());
        }
        let findings = self.problems.iter().chain(&self.notes).cloned();
        Err(ConfigError::new(findings.collect()))
    }

    /// What was understood, in a few lines, secrets masked.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("service {}", self.service());
        if self.disabled {
            text.push_str("\ntelemetry is disabled by OTEL_SDK_DISABLED=true");
            return text;
        }
        for signal in &self.signals {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "\n{}", signal.describe());
        }
        let _ = write!(
            text,
            "\nsampler {}\nmetrics every {} ms, {:?}\nlog filter {}",
            self.sampling,
            self.metric_interval.as_millis(),
            self.temporality,
            self.filter
        );
        text
    }
}

fn sampling(variables: &Variables<'_>, sampling: Sampling) -> Sampling {
    let name = "OTEL_TRACES_SAMPLER";
    let ratio = || {
        let ratio = variables.number("OTEL_TRACES_SAMPLER_ARG").unwrap_or(1.0);
        if (0.0..=1.0).contains(&ratio) {
            return ratio;
        }
        variables.note(format!(
            "OTEL_TRACES_SAMPLER_ARG=\"{ratio}\" is not between 0 and 1: 1 is used"
        ));
        1.0
    };
    let Some(value) = variables.get(name) else {
        return sampling;
    };
    let (parent_based, base) = match lower(value.clone()).as_str() {
        "always_on" => (false, Base::Ratio(1.0)),
        "always_off" => (false, Base::Ratio(0.0)),
        "traceidratio" => (false, Base::Ratio(ratio())),
        "parentbased_always_on" => (true, Base::Ratio(1.0)),
        "parentbased_always_off" => (true, Base::Ratio(0.0)),
        "parentbased_traceidratio" => (true, Base::Ratio(ratio())),
        _ => {
            variables.note(format!(
                "{name}=\"{value}\" is not supported: {sampling} is used, as if it were not set"
            ));
            return sampling;
        }
    };
    sampling.with_base(parent_based, base)
}

fn temporality(variables: &Variables<'_>) -> Temporality {
    let words = [
        ("cumulative", Temporality::Cumulative),
        ("delta", Temporality::Delta),
        ("lowmemory", Temporality::LowMemory),
    ];
    let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    variables.word(name, &words).unwrap_or_default()
}

fn bridge(variables: &Variables<'_>, recording: Recording) -> TraceBridge {
    let name = "CAMPANILE_TRACING_BRIDGE";
    let words = [
        ("own", TraceBridge::Own),
        ("tracing-opentelemetry", TraceBridge::TracingOpentelemetry),
    ];
    let bridge = variables.word(name, &words).unwrap_or_default();
    if (bridge, recording) == (TraceBridge::Own, Recording::Stock) {
        variables.note(format!(
            "{name}=\"own\" needs CAMPANILE_PIPELINE=lean: tracing-opentelemetry is used"
        ));
        return TraceBridge::TracingOpentelemetry;
    }
    bridge
}

fn exemplars(variables: &Variables<'_>) -> Filter {
    let words = [
        ("trace_based", Filter::TraceBased),
        ("always_on", Filter::AlwaysOn),
        ("always_off", Filter::AlwaysOff),
    ];
    let filter = variables.word("OTEL_METRICS_EXEMPLAR_FILTER", &words);
    filter.unwrap_or_default()
}

fn formats(variables: &Variables<'_>) -> Formats {
    let name = "OTEL_PROPAGATORS";
    let Some(value) = variables.get(name) else {
        return Formats::default();
    };
    let mut formats = Formats {
        trace_context: false,
        baggage: false,
    };
    for word in value.split(',').map(str::trim) {
        match lower(word.to_owned()).as_str() {
            "tracecontext" => formats.trace_context = true,
            "baggage" => formats.baggage = true,
            "none" | "" => {}
            _ => variables.note(format!(
                "{name}: \"{word}\" is not supported and left out, write tracecontext, baggage or none"
            )),
        }
    }
    formats
}

/// The application's lines from INFO on; what the OpenTelemetry crates say of themselves only from
/// WARN on.
const DEFAULT_FILTER: &str = "info,opentelemetry=warn,opentelemetry_sdk=warn";

fn filter(variables: &Variables<'_>) -> String {
    let value = variables
        .get("RUST_LOG")
        .unwrap_or_else(|| DEFAULT_FILTER.into());
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&value) {
        variables.note(format!(
            "RUST_LOG=\"{value}\": {error}: {DEFAULT_FILTER} is used"
        ));
        return DEFAULT_FILTER.into();
    }
    value
}

fn own_level(variables: &Variables<'_>) -> tracing::level_filters::LevelFilter {
    use tracing::level_filters::LevelFilter;

    let words = [
        ("none", LevelFilter::OFF),
        ("off", LevelFilter::OFF),
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    let level = variables.word("OTEL_LOG_LEVEL", &words);
    level.unwrap_or(LevelFilter::INFO)
}
