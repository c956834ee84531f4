use super::*;

fn pretty(work: impl FnOnce()) -> String {
    let text = text(
        |sink| Lines::new("shop", sink).with_format(Format::Pretty),
        work,
    );
    let (time, rest) = text.split_once(' ').expect("a time");
    assert_eq!(time.len(), "2026-11-22T12:00:00.000001Z".len());
    rest.to_owned()
}

#[test]
fn a_readable_line_has_level_domain_event_message_fields_and_a_short_trace_id() {
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::default();
    let context = Context::new().with_span(provider.tracer("test").start("work"));
    let trace = context.span().span_context().trace_id().to_string();
    let _guard = context.attach();
    let line = pretty(|| {
        tracing::event!(name: "chat.stored", Level::INFO, { domain = "chat", room = 7, by = "a b", outcome = "ok" }, "stored");
    });
    let expected = format!(
        "INFO  chat [chat.stored] stored outcome=ok room=7 by=\"a b\" trace={}\n",
        &trace[..8]
    );
    assert_eq!(line, expected);
}

#[test]
fn without_a_domain_the_target_says_where_a_line_comes_from() {
    let line = pretty(|| tracing::warn!(target: "shop::till", total = 0.5, "odd\u{1b}[31m\ntotal"));
    assert_eq!(line, "WARN  shop::till odd\\u{1b}[31m\\ntotal total=0.5\n");
}

#[test]
fn colour_is_for_terminals_only() {
    let with = |sink| Lines::new("shop", sink).with_format(Format::Pretty);
    assert!(!text(with, || tracing::error!("x")).contains('\u{1b}'));
    let coloured = text(|sink| with(sink).with_colour(true), || tracing::error!("x"));
    assert!(
        coloured.contains(" \u{1b}[31mERROR\u{1b}[0m "),
        "{coloured}"
    );
}
