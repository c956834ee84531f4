//! The contract of log lines, over a noisy run of the real server: strict JSON, every field, and the
//! ids of the spans and records.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use campanile_otlp_receiver::Receiver;
use campanile_tests::peers;
use campanile_tests::server::{HANG, Server, vc_server};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

/// The event of a panic.
const PANIC: &str = "campanile.panic";

/// A line: an object in which no name stands twice.
#[derive(Debug)]
struct Line(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strict;

        impl<'de> Visitor<'de> for Strict {
            type Value = Line;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object without a name given twice")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.insert(name.clone(), value).is_some() {
                        return Err(A::Error::custom(format!("{name} is there twice")));
                    }
                }
                Ok(Line(fields))
            }
        }

        deserializer.deserialize_map(Strict)
    }
}

impl Line {
    fn text(&self, name: &str) -> Option<&str> {
        self.0[name].as_str()
    }
}

#[test]
fn the_parser_is_strict() {
    assert!(serde_json::from_str::<Line>(r#"{"a":1,"b":{}}"#).is_ok());
    for bad in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":NaN}"#,
        "[1]",
        r#"{"a":1} x"#,
        "",
    ] {
        assert!(serde_json::from_str::<Line>(bad).is_err(), "{bad}");
    }
}

/// Every line has these: a text, or null where null is allowed.
fn check(line: &Line) {
    for name in ["timestamp", "level", "service", "message", "target"] {
        assert!(line.text(name).is_some(), "{name}: {line:?}");
    }
    let names = [
        "domain",
        "trace_id",
        "span_id",
        "request_id",
        "event",
        "outcome",
    ];
    for name in names {
        let value = line.0.get(name);
        let value = value.unwrap_or_else(|| panic!("{name} is missing: {line:?}"));
        assert!(value.is_string() || value.is_null(), "{name}: {line:?}");
    }
    assert_eq!(line.text("service"), Some("vc-server"), "{line:?}");
    let timestamp = line.text("timestamp").unwrap();
    assert!(
        timestamp.len() == 27 && timestamp.ends_with('Z'),
        "{line:?}"
    );
    let level = line.text("level").unwrap();
    assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level));
    let length = |name| line.text(name).map(str::len);
    match &line.0["trace_sampled"] {
        Value::Bool(_) => {
            assert_eq!(
                (length("trace_id"), length("span_id")),
                (Some(32), Some(16))
            );
        }
        other => {
            assert!(other.is_null(), "{line:?}");
            assert_eq!((length("trace_id"), length("span_id")), (None, None));
        }
    }
}

#[tokio::test]
async fn every_line_of_a_noisy_run_keeps_the_contract_and_agrees_with_spans_and_records() {
    let receiver = Receiver::start().await.unwrap();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.grpc_endpoint()),
        (
            "RUST_LOG",
            "info,vc_server=trace,sqlx=debug,tower=debug,campanile=debug",
        ),
    ];
    let server = Server::start(&vc_server(), &["--fault-routes"], &environment);
    let url = server.url("chat").await;
    let client = reqwest::Client::new();
    let post = |path: &str, body: &'static str| {
        let request = client.post(format!("{url}{path}"));
        let request = request.header("content-type", "application/json");
        request.body(body).send()
    };
    for (path, body, status) in [
        ("/rooms", r#"{"name":"A \"quoted\" room"}"#, 201),
        (
            "/rooms/general/messages",
            r#"{"author":"Ines","text":"line\nfeed \u001b[31m"}"#,
            422,
        ),
        (
            "/rooms/general/messages",
            r#"{"author":"Ines","text":"hello"}"#,
            201,
        ),
        ("/rooms/general/messages", "not json", 400),
        (
            "/rooms/none/messages",
            r#"{"author":"Ines","text":"hello"}"#,
            404,
        ),
    ] {
        let answer = post(path, body).await.unwrap();
        assert_eq!(answer.status(), status, "{path} {body}");
    }
    for (path, status) in [
        ("/", 200),
        ("/about", 200),
        ("/health", 204),
        ("/nowhere", 404),
    ] {
        let answer = client.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
    for (path, status) in [
        ("/faults/error", Some(500)),
        ("/faults/slow", Some(204)),
        ("/faults/task", Some(202)),
        ("/faults/panic", None),
    ] {
        let answer = client.get(format!("{url}{path}")).send().await;
        let answered = answer.ok().map(|answer| answer.status().as_u16());
        assert_eq!(answered, status, "{path}");
    }
    let foreign = client
        .get(format!("{url}/live?author=Mallory"))
        .header("origin", "https://elsewhere.example")
        .header("upgrade", "websocket")
        .send();
    assert_eq!(foreign.await.unwrap().status(), 403);
    let has_python = match peers::python() {
        Some(mut python) => {
            let script = peers::root().join("tests/peers/python/chat.py");
            let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            let chat = python
                .arg(script)
                .arg(&url)
                .arg(parent)
                .kill_on_drop(true)
                .output();
            let output = tokio::time::timeout(HANG, chat).await.unwrap().unwrap();
            assert!(output.status.success());
            true
        }
        None => false,
    };
    let (status, stderr) = server.stop().await;
    assert!(status.success(), "{stderr}");

    let lines: Vec<Line> = stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        check(line);
    }
    let domains: BTreeSet<_> = lines
        .iter()
        .filter_map(|line| line.text("domain"))
        .collect();
    for domain in ["chat", "fault", "server", "ws"] {
        assert!(
            domains.contains(domain) || domain == "ws" && !has_python,
            "{domains:?}"
        );
    }
    let audits: Vec<_> = lines
        .iter()
        .filter(|line| line.text("event") == Some("campanile.audit"))
        .map(|line| {
            (
                line.text("campanile.audit.action").unwrap(),
                line.text("outcome").unwrap(),
            )
        })
        .collect();
    assert_eq!(audits, [("room.open", "done"), ("live.connect", "denied")]);
    assert!(!stderr.contains("Mallory"), "a person is a pseudonym");

    let spans: BTreeSet<_> = receiver
        .spans()
        .iter()
        .map(|span| (span.trace_id.to_string(), span.span_id.to_string()))
        .collect();
    let ids = |line: &Line| {
        let text = |name| line.text(name).map(str::to_owned);
        Some((text("trace_id")?, text("span_id")?))
    };

    // What goes wrong in a request, or in a task that it began, is told with the ids of its span.
    let span_of = |name: &str| {
        let all = receiver.spans();
        let span = all.iter().find(|span| span.name == name);
        let span = span.unwrap_or_else(|| panic!("no span {name}"));
        (span.trace_id.to_string(), span.span_id.to_string())
    };
    let told = |event: &str, span: &str| {
        let found = lines
            .iter()
            .filter(|line| line.text("event") == Some(event) && ids(line) == Some(span_of(span)));
        found.collect::<Vec<_>>()
    };
    for (event, span) in [
        ("chat.fault.task", "GET /faults/task"),
        (PANIC, "GET /faults/task"),
        (PANIC, "GET /faults/panic"),
        ("chat.message.stored", "chat.fan_out"),
    ] {
        assert_eq!(told(event, span).len(), 1, "{event} in {span}: {stderr}");
    }
    for (span, outcome, status) in [
        ("GET /faults/error", "completed", Some(500)),
        ("GET /faults/slow", "completed", Some(204)),
        ("GET /faults/panic", "panic", None),
    ] {
        let [access] = told("campanile.access", span)[..] else {
            panic!("not one access event of {span}: {stderr}")
        };
        assert_eq!(access.text("outcome"), Some(outcome), "{access:?}");
        assert_eq!(access.text("domain"), Some("fault"), "{access:?}");
        let told_status = access.0.get("http.response.status_code");
        assert_eq!(told_status.and_then(Value::as_u64), status, "{access:?}");
    }
    let of_task = told("campanile.access", "GET /faults/task");
    assert!(of_task.is_empty(), "it was answered well: {of_task:?}");

    let mut in_spans = 0;
    for line in &lines {
        if let Some(ids) = ids(line)
            && line.0["trace_sampled"] == true
        {
            assert!(spans.contains(&ids), "no such span: {line:?}");
            in_spans += 1;
        }
    }
    assert!(in_spans >= 4, "{stderr}");

    // Each record has its line: the same event, ids and text.
    let of_lines: BTreeSet<_> = lines
        .iter()
        .map(|line| {
            (
                line.text("event").map(str::to_owned),
                ids(line),
                line.text("message").map(str::to_owned),
            )
        })
        .collect();
    let records = receiver.logs();
    assert!(records.len() >= 6, "{}", records.len());
    for record in &records {
        let ids = record.trace_id.zip(record.span_id);
        let ids = ids.map(|(trace, span)| (trace.to_string(), span.to_string()));
        let named = Some(record.event_name.clone());
        let event = named.filter(|name| !name.is_empty() && !name.starts_with("event "));
        let of_record = (event, ids, Some(record.body.to_string()));
        assert!(
            of_lines.contains(&of_record),
            "{of_record:?} among {of_lines:#?}"
        );
    }
}
