use std::collections::HashMap;

use super::*;
use crate::Telemetry;
use crate::transport::{Compression, Destination, Outlet, Protocol};

fn read(variables: &[(&str, &str)]) -> Config {
    let variables: HashMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let builder = Telemetry::from_env("shop").environment(move |name| variables.get(name).cloned());
    Config::read(&builder)
}

fn destination(config: &Config, signal: Signal) -> &Destination {
    let found = config.signals.iter().find(|found| found.signal == signal);
    match &found.expect("all signals are there").outlet {
        Some(Outlet::Otlp(destination)) => destination,
        other => panic!("{other:?}"),
    }
}

fn endpoint(config: &Config, signal: Signal) -> String {
    destination(config, signal).endpoint.to_string()
}

#[test]
fn nothing_set_means_grpc_to_localhost_without_a_note() {
    let config = read(&[]);
    assert_eq!(config.off(), None);
    assert!(config.notes.is_empty(), "{:?}", config.notes);
    assert_eq!(endpoint(&config, Signal::Traces), "http://localhost:4317/");
    assert_eq!(destination(&config, Signal::Logs).protocol, Protocol::Grpc);
    assert_eq!(config.metric_interval, Duration::from_secs(15));
    assert_eq!(config.service(), "shop");
}

#[test]
fn http_adds_its_path_to_the_common_endpoint_only() {
    let config = read(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/base/"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs:9/as-is"),
    ]);
    assert_eq!(
        endpoint(&config, Signal::Traces),
        "http://collector:4318/base/v1/traces"
    );
    assert_eq!(
        endpoint(&config, Signal::Metrics),
        "http://collector:4318/base/v1/metrics"
    );
    assert_eq!(endpoint(&config, Signal::Logs), "http://logs:9/as-is");
    let default = read(&[("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")]);
    assert_eq!(
        endpoint(&default, Signal::Traces),
        "http://localhost:4318/v1/traces"
    );
    assert_eq!(endpoint(&default, Signal::Logs), "http://localhost:4317/");
}

#[test]
fn the_environment_wins_over_code_however_specific_that_is() {
    let builder = Telemetry::from_env("shop")
        .environment(|name| {
            (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://ops:1".to_owned())
        })
        .setting("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://code:2")
        .setting("OTEL_EXPORTER_OTLP_TIMEOUT", "1234");
    let config = Config::read(&builder);
    assert_eq!(endpoint(&config, Signal::Traces), "http://ops:1/");
    assert_eq!(
        destination(&config, Signal::Traces).timeout,
        Duration::from_millis(1234)
    );
}

#[test]
fn attempts_never_follow_each_other_without_a_pause() {
    let config = read(&[
        ("CAMPANILE_TELEMETRY_RETRY_FIRST", "0"),
        ("CAMPANILE_TELEMETRY_RETRY_MAX", "0"),
    ]);
    for signal in &config.signals {
        let backoff = &signal.pace.backoff;
        let waits = [backoff.first, backoff.fresh, backoff.stale];
        assert_eq!(waits, [Duration::from_millis(1); 3]);
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let config = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", " "),
        ("OTEL_SERVICE_NAME", ""),
    ]);
    assert_eq!(config.off(), None);
    assert_eq!(config.service(), "shop");
}

#[test]
fn endpoints_that_cannot_work_are_refused_with_a_remedy() {
    for (value, word) in [
        ("localhost:4317", "has no scheme"),
        ("collecter", "has no scheme"),
        ("ftp://host:21", "neither http nor https"),
        ("http://", "invalid endpoint"),
        ("http://[::1", "invalid endpoint"),
        ("http://host:99999", "port"),
        ("http://host:0", "port"),
        ("http://user:secret@host:4317", "credentials"),
    ] {
        let config = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", value)]);
        let off = config.off().expect(value);
        assert!(off.contains(word), "{value}: {off}");
        assert!(!off.contains("secret"), "{off}");
        assert!(config.check().is_err());
    }
}

#[test]
fn a_bare_host_is_taken_when_insecure_says_what_it_means() {
    let config = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
    ]);
    assert_eq!(endpoint(&config, Signal::Traces), "http://collector:4317/");
}

#[test]
fn https_needs_the_feature() {
    let config = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317")]);
    let off = config.off();
    if cfg!(feature = "tls") {
        // Without roots on the machine it says so.
        assert!(off.is_none_or(|off| off.contains("roots")));
    } else {
        assert!(off.expect("no TLS").contains("feature `tls`"));
    }
}

#[test]
fn headers_are_decoded_sent_and_never_shown() {
    let config = read(&[(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "authorization=Bearer%20s3cret, x-tenant=blue",
    )]);
    let headers = &destination(&config, Signal::Metrics).headers;
    assert_eq!(headers["authorization"], "Bearer s3cret");
    assert_eq!(headers["x-tenant"], "blue");
    let shown = config.check().expect("valid");
    assert!(shown.contains("authorization=***"), "{shown}");
    assert!(!shown.contains("s3cret") && !format!("{config:?}").contains("s3cret"));
    for bad in ["no-value", "bad key=1", "=x", "k=%00"] {
        let config = read(&[("OTEL_EXPORTER_OTLP_HEADERS", bad)]);
        assert!(config.off().is_some(), "{bad}");
    }
}

#[test]
fn numbers_that_are_none_are_noted_and_left_at_their_default() {
    let config = read(&[
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
    ]);
    assert_eq!(config.off(), None);
    assert_eq!(config.notes.len(), 3, "{:?}", config.notes);
    assert_eq!(
        destination(&config, Signal::Traces).timeout,
        Duration::from_secs(10)
    );
    assert_eq!(config.check().expect_err("three notes").problems().len(), 3);
}

#[test]
fn processors_are_sized_by_their_variables() {
    let config = read(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "700"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "7"),
        ("CAMPANILE_TELEMETRY_MEMORY", "4000"),
    ]);
    let traces = &config.signals[0];
    // A batch is never larger than the queue.
    assert_eq!((traces.bounds.items, traces.bounds.batch), (100, 100));
    assert_eq!(traces.bounds.bytes, 2000);
    assert_eq!(traces.pace.delay, Duration::from_millis(50));
    assert_eq!(
        destination(&config, Signal::Traces).timeout,
        Duration::from_millis(700)
    );
    assert_eq!(config.signals[2].bounds.items, 7);
}

#[test]
fn exporters_are_chosen_for_each_signal() {
    let config = read(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_LOGS_EXPORTER", "zipkin"),
    ]);
    assert!(config.signals[0].outlet.is_none());
    assert!(matches!(config.signals[1].outlet, Some(Outlet::Console)));
    assert!(config.signals[2].outlet.is_none());
    assert!(
        config.notes[0].contains("log records are not exported"),
        "{:?}",
        config.notes
    );
    assert!(read(&[("OTEL_SDK_DISABLED", "TRUE")]).off().is_some());
    assert!(read(&[("OTEL_SDK_DISABLED", "1")]).off().is_none());
}

#[test]
fn samplers_are_read_by_their_names() {
    let sampling = |name: &str, argument: &str| {
        let config = read(&[
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ]);
        (config.sampling.parent_based, config.sampling.base.ratio())
    };
    assert_eq!(sampling("always_off", ""), (false, 0.0));
    assert_eq!(sampling("parentbased_always_on", ""), (true, 1.0));
    assert_eq!(sampling("parentbased_traceidratio", "0.25"), (true, 0.25));
    assert_eq!(sampling("traceidratio", "0.5"), (false, 0.5));
    assert_eq!(sampling("jaeger_remote", ""), (true, 1.0));
}

#[test]
fn the_resource_is_what_the_environment_says() {
    let config = read(&[
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=lost,deployment.environment.name=test,team=a%20b",
        ),
        ("OTEL_SERVICE_NAME", "won"),
    ]);
    let text = |key| resource::text(&config.resource, key);
    assert_eq!(config.service(), "won");
    assert_eq!(
        text(attribute::DEPLOYMENT_ENVIRONMENT_NAME).as_deref(),
        Some("test")
    );
    assert_eq!(text("team").as_deref(), Some("a b"));
    assert!(text(attribute::SERVICE_INSTANCE_ID).is_some());
    assert_eq!(
        text(attribute::TELEMETRY_SDK_NAME).as_deref(),
        Some("opentelemetry")
    );
    assert_eq!(
        text(attribute::TELEMETRY_DISTRO_NAME).as_deref(),
        Some("campanile")
    );
    let bad = read(&[("OTEL_RESOURCE_ATTRIBUTES", "fine=1,broken")]);
    assert_eq!(resource::text(&bad.resource, "fine"), None);
    assert_eq!(bad.notes.len(), 1);
}

#[test]
fn compression_and_temporality_are_obeyed() {
    let config = read(&[
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "base2_exponential_bucket_histogram",
        ),
    ]);
    assert_eq!(
        destination(&config, Signal::Logs).compression,
        Compression::Gzip
    );
    assert_eq!(config.temporality, Temporality::Delta);
    assert!(config.exponential_histograms);
}

#[test]
fn limits_fall_back_to_the_general_ones() {
    let config = read(&[
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "5"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "6"),
        ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3"),
    ]);
    assert_eq!(config.span_limits.max_attributes_per_span, 6);
    assert_eq!(config.span_limits.max_attributes_per_link, 5);
    assert_eq!(config.value_limits.span_value_length, Some(10));
    assert_eq!(config.value_limits.log_value_length, Some(3));
    assert_eq!(config.value_limits.log_attributes, Some(5));
}

#[test]
fn what_has_no_effect_is_named() {
    let config = read(&[
        ("OTEL_CONFIG_FILE", "/etc/otel.yaml"),
        ("RUST_LOG", "a=b=c"),
    ]);
    assert_eq!(config.notes.len(), 2, "{:?}", config.notes);
    assert_eq!(
        config.filter,
        "info,opentelemetry=warn,opentelemetry_sdk=warn"
    );
}

/// The guide's table is complete, both ways round.
#[test]
fn the_guide_names_every_variable_that_is_read_and_no_other() {
    let guide = include_str!("../../../../docs/guide/environment.md");
    let sources = [
        include_str!("../config.rs"),
        include_str!("destination.rs"),
        include_str!("limits.rs"),
        include_str!("signal.rs"),
        include_str!("resource.rs"),
    ];
    let mut read: Vec<String> = sources
        .iter()
        .flat_map(|source| variables_in(source))
        .collect();
    for rest in [
        "PROTOCOL",
        "ENDPOINT",
        "INSECURE",
        "HEADERS",
        "COMPRESSION",
        "TIMEOUT",
    ] {
        read.push(format!("OTEL_EXPORTER_OTLP_{rest}"));
    }
    for rest in ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"] {
        read.push(format!("OTEL_EXPORTER_OTLP_{rest}"));
    }
    for prefix in ["OTEL_BSP", "OTEL_BLRP"] {
        for rest in ["MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE", "SCHEDULE_DELAY"] {
            read.push(format!("{prefix}_{rest}"));
        }
    }
    for signal in ["TRACES", "METRICS", "LOGS"] {
        read.push(format!("OTEL_{signal}_EXPORTER"));
    }
    for rest in ["FIRST", "MAX"] {
        read.push(format!("CAMPANILE_TELEMETRY_RETRY_{rest}"));
    }
    // The recorder reads this one for the HTTP layers.
    read.push("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS".into());
    let told: Vec<String> = variables_in(guide).collect();
    for name in &read {
        assert!(told.contains(name), "{name} is read and not in the guide");
    }
    for name in &told {
        assert!(read.contains(name), "{name} is in the guide and not read");
    }
}

/// Whole names of variables: `OTEL_..` and `CAMPANILE_..` that do not end half-way.
fn variables_in(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    words
        .filter(|word| word.starts_with("OTEL_") || word.starts_with("CAMPANILE_TELEMETRY_"))
        .filter(|word| !word.ends_with('_') && word.matches('_').count() > 1)
        .map(str::to_owned)
}

#[test]
fn words_are_understood_in_any_case() {
    let config = read(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/Protobuf"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP"),
        ("OTEL_LOGS_EXPORTER", "None"),
        ("OTEL_TRACES_SAMPLER", "Always_Off"),
        ("OTEL_PROPAGATORS", "TraceContext"),
    ]);
    assert_eq!(config.off(), None);
    assert!(config.notes.is_empty(), "{:?}", config.notes);
    let traces = destination(&config, Signal::Traces);
    assert_eq!(traces.protocol, Protocol::Http);
    assert_eq!(traces.compression, Compression::Gzip);
    assert!(config.signals.iter().any(|one| one.outlet.is_none()));
    assert_eq!(config.sampling.base, Base::Ratio(0.0));
    assert!(config.formats.trace_context && !config.formats.baggage);
}

/// As if it were not set (specification, "Enum"): the ratio in code stays.
#[test]
fn a_sampler_that_is_not_known_leaves_what_the_code_says() {
    let get = |name: &str| (name == "OTEL_TRACES_SAMPLER").then(|| "xray".to_owned());
    let builder = Telemetry::from_env("shop")
        .sampling(Sampling::ratio(0.1))
        .environment(get);
    let config = Config::read(&builder);
    assert_eq!(config.sampling.base, Base::Ratio(0.1));
    assert_eq!(config.notes.len(), 1, "{:?}", config.notes);
}
