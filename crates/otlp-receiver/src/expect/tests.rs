#![allow(clippy::unwrap_used)]

use std::panic::catch_unwind;

use super::*;
use crate::model::{SpanKind, Status, StatusCode, TraceId};
use crate::seen::tests::{seen_spans, span};
use crate::seen::{Seen, Trace};

fn failure(check: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let failed = catch_unwind(check).expect_err("expected a failure");
    *failed.downcast::<String>().unwrap()
}

fn order() -> Seen {
    let mut root = span(1, 0, "GET /orders");
    root.kind = SpanKind::Server;
    root.attributes = Attributes::from([
        ("http.route", Value::from("/orders, all")),
        ("code", Value::from(200)),
        ("port", Value::from(4321)),
    ]);
    let mut query = span(2, 1, "SELECT");
    query.kind = SpanKind::Client;
    query.status = Status {
        code: StatusCode::Error,
        message: "gone".to_owned(),
    };
    seen_spans(vec![query, span(3, 1, "cache"), span(4, 3, "get"), root])
}

fn trace() -> Trace {
    order().trace(TraceId([1; 16]))
}

#[test]
fn attributes_are_compared_by_value_and_type_and_others_may_be_there() {
    let attributes =
        Attributes::from([("code", Value::from(200)), ("httpRoute", Value::from("/a"))]);
    assert_eq!(
        attributes.include(&Attributes::from([("code", 200)])),
        Ok(())
    );
    let expected = Attributes::from([
        ("code", Value::from("200")),
        ("http.route", Value::from("/a")),
        ("gone", 1.into()),
    ]);
    let difference = attributes.include(&expected).unwrap_err().to_string();
    let lines = [
        r#"- code="200""#,
        "+ code=200",
        r#"- http.route="/a""#,
        r#"+ httpRoute="/a""#,
        "- gone=1",
    ];
    assert_eq!(difference, lines.join("\n"));
    let message = failure(|| span(1, 0, "a").assert_has([("x", 1)]));
    assert_eq!(message, "attributes of span \"a\" differ:\n- x=1");
}

#[test]
fn an_outline_says_as_much_as_it_wants_and_siblings_have_no_order() {
    trace().assert_outline(
        r#"
        GET /orders [server] {code=200, http.route="/orders, all"}
          cache
            get
          SELECT [client] ERROR
        "#,
    );
    trace().assert_outline("GET /orders\n SELECT\n cache\n  get");
}

#[test]
fn an_outline_that_differs_shows_where() {
    let message = failure(|| {
        trace().assert_outline("GET /orders\n  SELECT [client]\n    row\n  cache {hit=1}\n    get");
    });
    let (_, lines) = message.split_once('\n').unwrap();
    let expected = "  GET /orders
    SELECT [client]
-     row
-   cache {hit=1}
+   cache
      get
";
    assert_eq!(lines, expected);
    let message = failure(|| trace().assert_outline("GET /orders [client]"));
    assert!(
        message.contains("- GET /orders [client]\n+ GET /orders [server] {"),
        "{message}"
    );
}

#[test]
fn golden_files_ignore_what_differs_from_run_to_run() {
    let folder = std::env::temp_dir().join(format!("golden-{}", std::process::id()));
    let golden = Golden::file(folder.join("order.txt")).ignoring("port");
    let problem = golden.compare(&order(), false).unwrap_err();
    assert!(problem.contains("UPDATE_GOLDEN=1"), "{problem}");
    golden.compare(&order(), true).unwrap();
    golden.compare(&order(), false).unwrap();

    let mut spans: Vec<_> = order().spans.iter().map(|span| (**span).clone()).collect();
    for span in &mut spans {
        span.trace_id = TraceId([9; 16]);
        span.start_unix_nano += 1_000_000_000;
        span.end_unix_nano += 3_000_000_000;
    }
    let again = |change: fn(&mut Span)| {
        let mut spans = spans.clone();
        spans.reverse();
        change(&mut spans[0]);
        seen_spans(spans)
    };
    let other_port = |span: &mut Span| {
        span.attributes = Attributes::from([
            ("port", Value::from(5)),
            ("code", 200.into()),
            ("http.route", "/orders, all".into()),
        ]);
    };
    golden.compare(&again(other_port), false).unwrap();
    let other_code =
        |span: &mut Span| span.attributes = Attributes::from([("code", 201), ("port", 5)]);
    let problem = golden.compare(&again(other_code), false).unwrap_err();
    assert!(problem.contains("-       code = 200\n-       http.route = \"/orders, all\"\n+       code = 201\n        port = ..\n"), "{problem}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_difference_is_as_short_as_it_can_be() {
    assert_eq!(
        diff::lines("a\nb\nc\nd", "a\nc\nx\nd"),
        "  a\n- b\n  c\n+ x\n  d\n"
    );
    assert_eq!(diff::lines("", "a"), "+ a\n");
}
