//! Ids beside a trace bridge, and records of the `log` crate.

use tracing_log::log;

use super::*;

/// Runs `work` under lines and `tracing-opentelemetry`; says the lines.
fn bridged(lines: impl FnOnce(Lines) -> Lines, activates: bool, work: impl FnOnce()) -> Vec<Line> {
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::default();
    let (sink, captured) = Sink::captured();
    let bridge = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("test"))
        .with_context_activation(activates);
    let ours = Lines::new("shop", sink).with_span_contexts(tracing_opentelemetry::get_otel_context);
    let subscriber = tracing_subscriber::registry()
        .with(lines(ours))
        .with(bridge);
    tracing::subscriber::with_default(subscriber, work);
    let text = captured.text();
    text.lines()
        .map(|line| serde_json::from_str(line).expect("one object"))
        .collect()
}

fn ids(span: &tracing::Span) -> SpanContext {
    use tracing_opentelemetry::OpenTelemetrySpanExt;
    span.context().span().span_context().clone()
}

fn has_ids(line: &Line, ids: &SpanContext) {
    assert_eq!(line["trace_id"], ids.trace_id().to_string());
    assert_eq!(line["span_id"], ids.span_id().to_string());
}

#[test]
fn an_entered_span_s_ids_need_no_look_up() {
    let mut expected = None;
    let lines = bridged(
        |lines| lines,
        true,
        || {
            let span = tracing::info_span!("work").entered();
            let inner = tracing::info_span!("inner").entered();
            expected = Some((ids(&span), ids(&inner)));
            tracing::info!("inner");
            drop(inner);
            tracing::info!("outer");
            drop(span);
            tracing::info!("outside");
        },
    );
    let (outer, inner) = expected.expect("two spans");
    has_ids(&lines[0], &inner);
    has_ids(&lines[1], &outer);
    assert!(lines[2]["trace_id"].is_null());
}

#[test]
fn an_event_that_names_its_span_has_that_span_s_ids() {
    let mut expected = None;
    let lines = bridged(
        |lines| lines,
        true,
        || {
            let far = tracing::info_span!("far", request_id = "r-far", domain = "chat");
            let _near = tracing::info_span!("near", request_id = "r-near").entered();
            expected = Some(ids(&far));
            tracing::info!(parent: &far, "far");
            tracing::info!(parent: None, "nowhere");
        },
    );
    has_ids(&lines[0], &expected.expect("a span"));
    assert_eq!(
        (&lines[0]["request_id"], &lines[0]["domain"]),
        (&"r-far".into(), &"chat".into())
    );
    for name in ["trace_id", "request_id", "domain"] {
        assert!(lines[1][name].is_null(), "{name}");
    }
}

#[test]
fn a_bridge_that_does_not_attach_is_asked_for_each_event() {
    let mut expected = None;
    let lines = bridged(Lines::with_look_up_always, false, || {
        let span = tracing::info_span!("work").entered();
        expected = Some(ids(&span));
        tracing::info!("inside");
    });
    has_ids(&lines[0], &expected.expect("a span"));
}

#[test]
fn a_record_of_the_log_crate_keeps_its_target_and_loses_the_bridge_s_own_fields() {
    let line = only(|| {
        let record = log::Record::builder()
            .args(format_args!("from afar"))
            .level(log::Level::Warn)
            .target("far::away")
            .file(Some("far.rs"))
            .line(Some(7))
            .module_path(Some("far::away"))
            .build();
        tracing_log::format_trace(&record).expect("a record");
    });
    for (name, value) in [
        ("level", "WARN"),
        ("target", "far::away"),
        ("message", "from afar"),
    ] {
        assert_eq!(line[name], value);
    }
    assert!(line["event"].is_null());
    assert_eq!(line.len(), 12, "{line:?}");
}

#[test]
fn a_field_that_is_only_called_like_the_bridge_s_stays() {
    let line = only(|| tracing::info!(log.target = "mine", "x"));
    assert_eq!(line["log.target"], "mine");
}
