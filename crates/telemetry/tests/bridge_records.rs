//! Log records written by us say what those of the stock appender and the SDK say, and more where
//! that says too little.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use campanile_logs::Sink;
use campanile_otlp_receiver::Receiver;
use campanile_otlp_receiver::model::{LogRecord, Value};
use campanile_telemetry::{Builder, Telemetry};
use fastrand::Rng;
use opentelemetry::trace::Tracer;
use tracing::field::Empty;
use tracing::{Level, info_span};

const DEADLINE: Duration = Duration::from_secs(20);

/// What `work` leaves at a receiver.
async fn records(
    set: impl FnOnce(Builder) -> Builder,
    work: impl FnOnce(&Telemetry),
) -> Vec<LogRecord> {
    let receiver = Receiver::start().await.unwrap();
    let builder = Telemetry::from_env("test")
        .environment(|_| None)
        .default_endpoint(receiver.grpc_endpoint())
        .lines(Sink::nowhere())
        .setting("RUST_LOG", "trace,hyper=off,h2=off")
        .setting("OTEL_METRICS_EXPORTER", "none");
    let telemetry = set(builder).build();
    tracing::dispatcher::with_default(&telemetry.subscriber(), || work(&telemetry));
    let report = telemetry.shutdown(DEADLINE).await;
    assert!(report.is_complete(), "{report}");
    let records = receiver.logs();
    records
        .iter()
        .map(|record| LogRecord::clone(record))
        .collect()
}

#[derive(Debug)]
struct Broken(Option<Box<Broken>>);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "outer" } else { "inner" })
    }
}

impl std::error::Error for Broken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_deref().map(|cause| cause as _)
    }
}

/// What an event says.
#[derive(Debug)]
struct Told {
    n: i64,
    kind: u8,
    text: Option<&'static str>,
    count: Option<i64>,
    ratio: Option<f64>,
    flag: Option<bool>,
    large: Option<u64>,
    huge: Option<u128>,
    bytes: Option<&'static [u8]>,
    domain: Option<&'static str>,
    in_span: bool,
}

const TEXTS: [&str; 6] = [
    "",
    "plain",
    "Bearer mF_9.B5f-4.1JqM",
    "ünï\u{1f600}\n",
    "https://a:b@c.example/?token=x",
    "card 4111 1111 1111 1111",
];

fn maybe<T: Copy>(rng: &mut Rng, of: &[T]) -> Option<T> {
    rng.bool().then(|| of[rng.usize(..of.len())])
}

fn told(rng: &mut Rng, n: i64) -> Told {
    Told {
        n,
        kind: rng.u8(..6),
        text: maybe(rng, &TEXTS),
        count: maybe(rng, &[0, -1, i64::MAX, 4_111_111_111_111_111]),
        ratio: maybe(rng, &[0.0, -1.5, f64::INFINITY]),
        flag: maybe(rng, &[true, false]),
        large: maybe(rng, &[0, 7, u64::MAX]),
        huge: maybe(rng, &[3, u128::MAX]),
        bytes: maybe(rng, &[&b"\xff\0"[..], b"", b"password=hunter2"]),
        domain: maybe(rng, &["auth", "chat"]),
        in_span: rng.bool(),
    }
}

macro_rules! tell {
    ($told:expr, $level:ident) => {{
        let text = $told.text.unwrap_or("nothing");
        tracing::event!(
            Level::$level,
            http.n = $told.n,
            text = $told.text,
            email = $told.text,
            password = $told.text,
            shown = $told.text.map(tracing::field::display),
            shape = ?$told.count,
            count = $told.count,
            pin = $told.count,
            ratio = $told.ratio,
            otp = $told.ratio,
            pwd = $told.flag,
            flag = $told.flag,
            large = $told.large,
            huge = $told.huge,
            bytes = $told.bytes,
            campanile.domain = $told.domain,
            "told {text}"
        )
    }};
}

fn tell(told: &Told) {
    match told.kind {
        0 => tell!(told, TRACE),
        1 => tell!(told, DEBUG),
        2 => tell!(told, INFO),
        3 => tell!(told, WARN),
        4 => tell!(told, ERROR),
        _ => {
            tracing::info!(name: "shop.sold", target: "shop", { http.n = told.n, domain = told.domain, text = told.text }, "sold");
        }
    }
}

/// What is told of a record.
#[derive(Debug, PartialEq)]
struct Facts {
    scope: String,
    severity: (i32, String),
    event: String,
    body: Value,
    attributes: BTreeMap<String, Value>,
    dropped: u32,
    /// Whether it has ids, and the flags.
    ids: (bool, bool, u32),
}

fn facts(records: &[LogRecord]) -> BTreeMap<i64, Facts> {
    let facts = |record: &LogRecord| {
        let attributes = record.attributes.iter();
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value.clone()));
        // the place in the source: see `where_the_records_differ`
        let is_place = record.event_name.starts_with("event ");
        Facts {
            scope: record.scope.name.clone(),
            severity: (record.severity_number, record.severity_text.clone()),
            event: if is_place {
                String::new()
            } else {
                record.event_name.clone()
            },
            body: record.body.clone(),
            attributes: attributes
                .filter(|(key, _)| !key.starts_with("code."))
                .collect(),
            dropped: record.dropped_attributes_count,
            ids: (
                record.trace_id.is_some(),
                record.span_id.is_some(),
                record.flags,
            ),
        }
    };
    let number = |record: &LogRecord| record.attributes.get("http.n").unwrap().as_int().unwrap();
    records
        .iter()
        .map(|record| (number(record), facts(record)))
        .collect()
}

#[tokio::test]
async fn random_events_say_the_same_through_either_way() {
    for seed in 0..20 {
        let mut rng = Rng::with_seed(seed);
        let all: Vec<_> = (0..60).map(|n| told(&mut rng, n)).collect();
        let work = |telemetry: &Telemetry| {
            for told in &all {
                if told.in_span {
                    telemetry.tracer("test").in_span("work", |_| tell(told));
                } else {
                    tell(told);
                }
            }
        };
        let limits = |builder: Builder| match seed % 3 {
            0 => builder,
            1 => builder.setting("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3"),
            _ => builder.setting("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "4"),
        };
        let ours = facts(&records(limits, work).await);
        let theirs = facts(&records(|builder| limits(builder).stock(), work).await);
        assert_eq!(ours.len(), all.len());
        for (n, ours) in &ours {
            assert_eq!(
                Some(ours),
                theirs.get(n),
                "seed {seed}: {:#?}",
                all[*n as usize]
            );
        }
        assert_eq!(ours.len(), theirs.len());
    }
}

fn about<'a>(records: &'a [LogRecord], body: &str) -> &'a LogRecord {
    let found = records.iter().find(|record| record.body == *body);
    found.unwrap_or_else(|| panic!("no {body} among {records:#?}"))
}

#[tokio::test]
async fn where_the_records_differ() {
    let broken = Broken(Some(Box::new(Broken(None))));
    let error: &(dyn std::error::Error + 'static) = &broken;
    let work = |_: &Telemetry| {
        tracing::info!("placed");
        tracing::warn!(problem = error, "failed");
        let far = info_span!("far");
        let far_id = far.in_scope(opentelemetry::Context::current);
        let _near = info_span!("near").entered();
        tracing::info!(parent: &far, "far");
        tracing::info!(parent: None, "nowhere");
        tracing::info!("near");
        drop(far_id);
    };
    let ours = records(|builder| builder, work).await;
    let own_bridge = records(Builder::own_bridge, work).await;
    let theirs = records(Builder::stock, work).await;

    // the place in the source is told by the conventions' names, and is no event's name
    let placed = about(&ours, "placed");
    assert_eq!(placed.event_name, "");
    let file = placed.attributes.get_str("code.file.path").unwrap();
    assert!(file.ends_with("bridge_records.rs"), "{file}");
    assert!(placed.attributes.get("code.line.number").unwrap().as_int() > Some(100));
    assert!(about(&theirs, "placed").event_name.starts_with("event "));
    // when it happened is known
    assert!(placed.time_unix_nano > 0 && placed.time_unix_nano == placed.observed_time_unix_nano);
    assert_eq!(about(&theirs, "placed").time_unix_nano, 0);
    // an error stands under its field's name, too, with its causes
    let failed = about(&ours, "failed");
    assert_eq!(
        failed.attributes.get_str("exception.message"),
        Some("outer")
    );
    assert_eq!(failed.attributes.get_str("problem"), Some("outer: inner"));
    assert_eq!(about(&theirs, "failed").attributes.get("problem"), None);
    // the span that an event names, or does not want, counts
    let ids = |records: &[LogRecord], body| about(records, body).span_id.map(|id| id.to_string());
    for records in [&ours, &own_bridge] {
        assert!(ids(records, "far").is_some() && ids(records, "far") != ids(records, "near"));
        assert_eq!(ids(records, "nowhere"), None);
    }
    assert_eq!(ids(&theirs, "far"), ids(&theirs, "near"));
}

#[tokio::test]
async fn a_name_given_twice_is_there_once_and_what_is_empty_is_not_there() {
    let work = |_: &Telemetry| {
        tracing::info!(a = 1, a = 2, b = Empty, "twice");
        tracing::info!(a = Empty, a = 2, "late");
    };
    let records = records(|builder| builder, work).await;
    let of = |body| -> Vec<_> {
        let attributes = about(&records, body).attributes.iter();
        let own = attributes.filter(|(key, _)| !key.starts_with("code."));
        own.map(|(key, value)| (key.to_owned(), value.as_int()))
            .collect()
    };
    assert_eq!(of("twice"), [("a".to_owned(), Some(1))]);
    assert_eq!(of("late"), [("a".to_owned(), Some(2))]);
}

#[tokio::test]
async fn records_of_the_log_crate_stand_under_their_own_target_and_place() {
    use tracing_log::log;

    let work = |_: &Telemetry| {
        let record = |target| {
            tracing_log::format_trace(
                &log::Record::builder()
                    .args(format_args!("from {}", "afar"))
                    .level(log::Level::Warn)
                    .target(target)
                    .module_path(Some("far::away"))
                    .file(Some("far.rs"))
                    .line(Some(7))
                    .build(),
            )
            .unwrap();
        };
        record("far::away");
        record("hyper::proto");
    };
    let records = records(|builder| builder, work).await;
    let [record] = &records[..] else {
        panic!("{records:#?}");
    };
    assert_eq!(
        (record.scope.name.as_str(), record.severity_text.as_str()),
        ("far::away", "WARN")
    );
    assert_eq!(
        (record.body.as_str(), record.event_name.as_str()),
        (Some("from afar"), "")
    );
    let attributes: Vec<_> = record.attributes.iter().collect();
    let expected = [
        ("code.file.path", &"far.rs".into()),
        ("code.line.number", &7.into()),
    ];
    assert_eq!(attributes, expected);
}
