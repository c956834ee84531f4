use opentelemetry::trace::{SpanContext, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use proptest::prelude::*;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

mod any;
mod bridges;
mod peer;
mod privacy;
mod readable;

type Line = serde_json::Map<String, serde_json::Value>;

fn text(lines: impl FnOnce(Sink) -> Lines, work: impl FnOnce()) -> String {
    let (sink, captured) = Sink::captured();
    let subscriber = tracing_subscriber::registry().with(lines(sink));
    tracing::subscriber::with_default(subscriber, work);
    captured.text()
}

fn lines(work: impl FnOnce()) -> Vec<Line> {
    let text = text(|sink| Lines::new("shop", sink), work);
    text.lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect()
}

fn only(work: impl FnOnce()) -> Line {
    let mut lines = lines(work);
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

#[test]
fn every_required_field_is_there_and_null_when_unknown() {
    let line = only(|| tracing::info!("hello"));
    for name in [
        "domain",
        "trace_id",
        "span_id",
        "trace_sampled",
        "request_id",
        "event",
        "outcome",
    ] {
        assert_eq!(line.get(name), Some(&serde_json::Value::Null), "{name}");
    }
    for (name, value) in [("service", "shop"), ("level", "INFO"), ("message", "hello")] {
        assert_eq!(line[name], value);
    }
    assert!(line["timestamp"].as_str().expect("text").ends_with('Z'));
}

#[test]
fn a_line_inside_a_span_names_its_trace() {
    let provider = SdkTracerProvider::default();
    let span = provider.tracer("test").start("work");
    let context = Context::new().with_span(span);
    let ids = context.span().span_context().clone();
    let _guard = context.attach();
    let line = only(|| tracing::info!("inside"));
    assert_eq!(line["trace_id"], ids.trace_id().to_string());
    assert_eq!(line["span_id"], ids.span_id().to_string());
    assert_eq!(line["trace_sampled"], true);
}

#[test]
fn spans_pass_on_domain_and_request_id_and_nothing_else() {
    let line = only(|| {
        let outer = tracing::info_span!(
            "outer",
            domain = "chat",
            request_id = "r-1",
            token = "secret"
        );
        let inner = tracing::info_span!("inner", request_id = tracing::field::Empty);
        inner.record("request_id", "r-2");
        outer.in_scope(|| inner.in_scope(|| tracing::info!("inside")));
    });
    // `inner` was made outside `outer`, so only its own value is seen.
    assert_eq!(line["request_id"], "r-2");
    let line = only(|| {
        let outer = tracing::info_span!(
            "outer",
            domain = "chat",
            request_id = "r-1",
            token = "secret"
        );
        outer.in_scope(|| tracing::info_span!("inner").in_scope(|| tracing::info!("inside")));
    });
    assert_eq!(line["domain"], "chat");
    assert_eq!(line["request_id"], "r-1");
    assert!(!line.contains_key("token"));
}

#[test]
fn a_field_named_like_the_line_s_own_is_kept_under_another_name() {
    let line = only(|| tracing::warn!(level = 3, trace_id = "mine", event = "sale", "x"));
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["level_"], 3);
    assert_eq!(line["trace_id_"], "mine");
    assert_eq!(line["event"], "sale");
}

#[test]
fn attributes_of_the_same_meaning_go_to_the_line_s_own_places() {
    let line = only(|| {
        tracing::info!(
            campanile.domain = "chat",
            campanile.event.outcome = "stored",
            campanile.request.id = "r-1",
            "x"
        );
    });
    for (name, value) in [
        ("domain", "chat"),
        ("outcome", "stored"),
        ("request_id", "r-1"),
    ] {
        assert_eq!(line[name], value);
    }
    assert!(!line.keys().any(|name| name.starts_with("campanile")));
}

#[test]
fn named_span_fields_are_written_the_innermost_first_and_the_event_s_own_wins() {
    let with = |sink| Lines::new("shop", sink).with_span_fields(["room", "kind", "size"]);
    let text = text(with, || {
        let outer = tracing::info_span!("outer", room = 1, kind = "outer", token = "secret");
        let _outer = outer.enter();
        let inner = tracing::info_span!("inner", room = 2, size = tracing::field::Empty);
        let _inner = inner.enter();
        inner.record("size", 2.5);
        tracing::info!(kind = "own", "inside");
    });
    let line: Line = serde_json::from_str(&text).expect("one object");
    assert_eq!(
        (&line["room"], &line["kind"], &line["size"]),
        (&2.into(), &"own".into(), &2.5.into())
    );
    assert!(!line.contains_key("token"));
    assert_eq!(text.matches("\"kind\":").count(), 1);
}

#[test]
fn two_layers_write_about_the_same_spans() {
    let (one, first) = Sink::captured();
    let (other, second) = Sink::captured();
    let subscriber = tracing_subscriber::registry()
        .with(Lines::new("shop", one))
        .with(Lines::new("shop", other).with_span_fields(["room"]));
    tracing::subscriber::with_default(subscriber, || {
        let _span = tracing::info_span!("visit", domain = "chat", room = 7).entered();
        // a field that one of them alone wants
        let _room = tracing::info_span!("room", room = 7).entered();
        tracing::info!("inside");
    });
    let parse = |text: String| -> Line { serde_json::from_str(&text).expect("one object") };
    let (first, second) = (parse(first.text()), parse(second.text()));
    assert_eq!(
        (&first["domain"], first.get("room")),
        (&"chat".into(), None)
    );
    assert_eq!(
        (&second["domain"], &second["room"]),
        (&"chat".into(), &7.into())
    );
}

#[test]
fn a_name_given_twice_is_written_once() {
    let (sink, captured) = Sink::captured();
    let subscriber = tracing_subscriber::registry().with(Lines::new("shop", sink));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(size = 1, size = 2, message = "named", "given");
    });
    let text = captured.text();
    assert_eq!(text.matches("\"size\":").count(), 1, "{text}");
    assert_eq!(text.matches("\"message\":").count(), 1, "{text}");
}

#[test]
fn an_error_is_written_with_its_causes() {
    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot save")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let error = Outer(std::io::Error::other("disk full"));
    let error: &(dyn std::error::Error + 'static) = &error;
    let line = only(|| tracing::error!(error));
    assert_eq!(line["error"], "cannot save: disk full");
}

#[test]
fn a_value_that_logs_while_it_is_formatted_gets_its_own_line() {
    struct Chatty;
    impl std::fmt::Debug for Chatty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            tracing::info!("within");
            f.write_str("chatty")
        }
    }
    // `tracing` itself keeps a subscriber from being entered twice; what counts is valid lines.
    let lines = lines(|| tracing::info!(value = ?Chatty, "outside"));
    assert!(lines.iter().any(|line| line["message"] == "outside"));
}

proptest! {
    #[test]
    fn any_field_value_makes_a_valid_line(text in any::<String>(), number in any::<f64>(), large in any::<i128>()) {
        let line = only(|| tracing::info!(text = text.as_str(), number, large, debug = ?text, "{text}"));
        prop_assert_eq!(&line["text"], &text);
        prop_assert_eq!(&line["message"], &text);
        prop_assert_eq!(&line["large"], &large.to_string());
    }
}

#[test]
fn a_named_event_says_its_name() {
    let line =
        only(|| tracing::event!(name: "chat.message.stored", Level::INFO, { room = 7 }, "stored"));
    assert_eq!(
        (&line["event"], &line["room"]),
        (&"chat.message.stored".into(), &7.into())
    );
    let line = only(|| tracing::info!(event = "by.field", "stored"));
    assert_eq!(line["event"], "by.field");
}

#[test]
fn domain_and_request_id_are_those_of_the_exchange_under_way() {
    use campanile_recorder::{Method, RequestId, Route, RouteKey, RouteScope};
    let route = Route::find(&RouteKey {
        method: Method::new("GET"),
        version: None,
        scheme: "http",
        template: None,
        domain: Some("chat"),
    });
    let id = RequestId::random();
    let line = only(|| {
        let _scope = RouteScope::enter(route);
        let _attached = Context::current_with_value(id.clone()).attach();
        tracing::info!("inside");
    });
    assert_eq!(line["domain"], "chat");
    assert_eq!(line["request_id"], id.as_str());
}

#[test]
fn allowed_baggage_of_the_exchange_is_on_its_lines_and_takes_no_name_away() {
    use campanile_recorder::LogAttributes;
    let pairs = [
        ("tenant", "acme"),
        ("room", "from baggage"),
        ("level", "from baggage"),
    ];
    let pairs = pairs.map(|(key, value)| (key, value.to_owned()));
    let carried = LogAttributes::new(pairs.into()).expect("there are some");
    let line = only(|| {
        let _attached = Context::current_with_value(carried).attach();
        tracing::info!(room = 7, "inside");
    });
    assert_eq!(
        (&line["tenant"], &line["room"], &line["level"]),
        (&"acme".into(), &7.into(), &"INFO".into())
    );
}
