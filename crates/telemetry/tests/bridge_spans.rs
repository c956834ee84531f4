//! Spans of `tracing` through our bridge say what those through `tracing-opentelemetry` and the SDK
//! say, and more where that says too little.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use campanile_logs::Sink;
use campanile_otlp_receiver::Receiver;
use campanile_otlp_receiver::model::{Span, StatusCode, Value};
use campanile_telemetry::{Builder, Signal, Telemetry};
use fastrand::Rng;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use tracing::field::Empty;
use tracing::{Instrument, info_span};

const DEADLINE: Duration = Duration::from_secs(20);

fn builder(receiver: &Receiver) -> Builder {
    Telemetry::from_env("test")
        .environment(|_| None)
        .default_endpoint(receiver.grpc_endpoint())
        .lines(Sink::nowhere())
        .setting("OTEL_METRICS_EXPORTER", "none")
}

/// What `work` leaves at a receiver.
async fn spans(set: impl FnOnce(Builder) -> Builder, work: impl FnOnce(&Telemetry)) -> Vec<Span> {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = set(builder(&receiver)).build();
    tracing::dispatcher::with_default(&telemetry.subscriber(), || work(&telemetry));
    let report = telemetry.shutdown(DEADLINE).await;
    assert!(report.is_complete(), "{report}");
    receiver
        .spans()
        .iter()
        .map(|span| Span::clone(span))
        .collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("no {name} among {spans:#?}"))
}

fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    span.attributes.get(key)?.as_str()
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

#[derive(Clone, Copy, Debug)]
enum Parent {
    Around,
    None,
    Named(usize),
}

/// A span, and what happens inside it.
#[derive(Debug)]
struct Node {
    n: i64,
    parent: Parent,
    text: Option<&'static str>,
    count: Option<i64>,
    ratio: Option<f64>,
    flag: Option<bool>,
    large: Option<u64>,
    name: Option<&'static str>,
    kind: Option<&'static str>,
    code: Option<&'static str>,
    description: Option<&'static str>,
    domain: Option<&'static str>,
    is_broken: bool,
    late: Option<&'static str>,
    late_code: Option<&'static str>,
    follows: Option<usize>,
    set: bool,
    children: Vec<Node>,
}

const TEXTS: [&str; 5] = [
    "",
    "plain",
    "Bearer mF_9.B5f-4.1JqM",
    "ünï\u{1f600}\n",
    "https://a:b@c.example/?token=x",
];

fn maybe<T: Copy>(rng: &mut Rng, of: &[T]) -> Option<T> {
    rng.bool().then(|| of[rng.usize(..of.len())])
}

fn node(rng: &mut Rng, next: &mut i64, depth: usize) -> Node {
    let n = *next;
    *next += 1;
    let parent = match rng.u8(..6) {
        0 => Parent::None,
        1 if n > 0 => Parent::Named(rng.usize(..n as usize)),
        _ => Parent::Around,
    };
    let follows = (n > 0 && rng.u8(..4) == 0).then(|| rng.usize(..n as usize));
    let code = maybe(rng, &["ok", "OK", "error", "Error", "unset", "?"]);
    let is_ok = code.is_some_and(|code| code.eq_ignore_ascii_case("ok"));
    let children = if depth == 0 { 0 } else { rng.usize(..4) };
    Node {
        n,
        parent,
        text: maybe(rng, &TEXTS),
        count: maybe(rng, &[0, -1, i64::MAX, 4_111_111_111_111_111]),
        ratio: maybe(rng, &[0.0, -1.5, f64::INFINITY]),
        flag: maybe(rng, &[true, false]),
        large: maybe(rng, &[0, 7, u64::MAX]),
        name: maybe(rng, &["GET", "renamed", "sent Bearer mF_9.B5f-4.1JqM"]),
        kind: maybe(rng, &["client", "PRODUCER", "consumer", "internal", "?"]),
        code,
        description: maybe(rng, &TEXTS).filter(|_| !is_ok),
        domain: maybe(rng, &["auth", "chat"]),
        is_broken: rng.bool(),
        late: maybe(rng, &TEXTS),
        late_code: maybe(rng, &["ok", "error"]),
        follows,
        set: rng.bool(),
        children: (0..children).map(|_| node(rng, next, depth - 1)).collect(),
    }
}

macro_rules! span_of {
    ($node:expr, $($parent:tt)*) => {{
        let broken = Broken(Some(Box::new(Broken(None))));
        let error: Option<&(dyn std::error::Error + 'static)> = $node.is_broken.then_some(&broken as _);
        info_span!(
            $($parent)*
            "load item",
            http.n = $node.n,
            text = $node.text,
            email = $node.text,
            password = $node.text,
            shown = $node.text.map(tracing::field::display),
            shape = ?$node.count,
            count = $node.count,
            pin = $node.count,
            ratio = $node.ratio,
            otp = $node.ratio,
            pwd = $node.flag,
            flag = $node.flag,
            large = $node.large,
            otel.name = $node.name,
            otel.kind = $node.kind,
            otel.status_code = $node.code,
            otel.status_description = $node.description,
            campanile.domain = $node.domain,
            error,
            late = Empty,
        )
    }};
}

fn run(node: &Node, opened: &mut Vec<tracing::Span>) {
    let span = match node.parent {
        Parent::Around => span_of!(node,),
        Parent::None => span_of!(node, parent: None,),
        Parent::Named(number) => span_of!(node, parent: &opened[number],),
    };
    opened.push(span.clone());
    let _entered = span.enter();
    if let Some(late) = node.late {
        span.record("late", late);
    }
    if let Some(code) = node.late_code {
        span.record("otel.status_code", code);
    }
    if let Some(followed) = node.follows {
        span.follows_from(&opened[followed]);
    }
    if node.set {
        let context = Context::current();
        context.span().set_attribute(KeyValue::new("set", node.n));
        context
            .span()
            .add_event("happened", vec![KeyValue::new("email", "x")]);
    }
    for child in &node.children {
        run(child, opened);
    }
}

/// What is told of a span: others by their numbers.
#[derive(Debug, PartialEq)]
struct Facts {
    name: String,
    kind: String,
    parent: Option<i64>,
    root: i64,
    status: (StatusCode, String),
    attributes: BTreeMap<String, Value>,
    events: Vec<(String, usize)>,
    links: Vec<i64>,
    flags: u32,
    scope: String,
}

fn facts(spans: &[Span]) -> BTreeMap<i64, Facts> {
    let number = |span: &Span| span.attributes.get("http.n").and_then(Value::as_int);
    let by_id: BTreeMap<_, _> = spans
        .iter()
        .map(|span| (span.span_id.to_string(), span))
        .collect();
    let find = |id: String| by_id.get(&id).and_then(|span| number(span));
    let root = |span: &Span| {
        let mut span = span;
        while let Some(parent) = span.parent_span_id {
            let above = by_id[&parent.to_string()];
            assert_eq!(above.trace_id, span.trace_id);
            span = above;
        }
        number(span).unwrap()
    };
    let facts = |span: &Span| {
        let attributes = span.attributes.iter();
        let attributes = attributes.map(|(key, value)| {
            let value = match (key, value) {
                // see `differences`
                ("large", value) => Value::from(value.to_string()),
                _ => value.clone(),
            };
            (key.to_owned(), value)
        });
        Facts {
            name: span.name.clone(),
            kind: format!("{:?}", span.kind),
            parent: span
                .parent_span_id
                .map(|parent| find(parent.to_string()).unwrap()),
            root: root(span),
            status: (span.status.code, span.status.message.clone()),
            attributes: attributes
                .filter(|(key, _)| key != "exception.stacktrace")
                .collect(),
            events: span
                .events
                .iter()
                .map(|event| (event.name.clone(), event.attributes.len()))
                .collect(),
            links: span
                .links
                .iter()
                .map(|link| find(link.span_id.to_string()).unwrap())
                .collect(),
            flags: span.flags,
            scope: span.scope.name.clone(),
        }
    };
    spans
        .iter()
        .map(|span| (number(span).unwrap(), facts(span)))
        .collect()
}

#[tokio::test]
async fn random_spans_say_the_same_through_either_bridge() {
    for seed in 0..40 {
        let mut rng = Rng::with_seed(seed);
        let mut next = 0;
        let trees: Vec<_> = (0..3).map(|_| node(&mut rng, &mut next, 3)).collect();
        let work = |_: &Telemetry| {
            let mut opened = Vec::new();
            for tree in &trees {
                run(tree, &mut opened);
            }
        };
        let ours = facts(&spans(Builder::own_bridge, work).await);
        let theirs = facts(&spans(Builder::stock, work).await);
        assert_eq!(ours.len(), next as usize);
        for (n, ours) in &ours {
            assert_eq!(
                Some(ours),
                theirs.get(n),
                "seed {seed}, span {n}: {trees:#?}"
            );
        }
        assert_eq!(ours.len(), theirs.len());
    }
}

#[tokio::test]
async fn where_the_bridges_differ() {
    let work = |_: &Telemetry| {
        // a number without a sign is a number
        let _one = info_span!(
            "first",
            room = 7_u64,
            otel.status_code = "ok",
            error = Empty
        );
        let two = info_span!("second", otel.name = Empty, otel.kind = "client").entered();
        // a name may come late
        two.record("otel.name", "renamed");
        // the causes of an error are no stack trace
        let three = info_span!(
            "third",
            problem = &Broken(None) as &(dyn std::error::Error + 'static)
        );
        // the status has the API's order, whatever that of the fields
        let _four = info_span!(
            "fourth",
            otel.status_description = "why",
            otel.status_code = "error"
        );
        drop(three);
    };
    let ours = spans(Builder::own_bridge, work).await;
    let theirs = spans(Builder::stock, work).await;
    let room = |spans| named(spans, "first").attributes.get("room").cloned();
    assert_eq!(
        (room(&ours), room(&theirs)),
        (Some(7.into()), Some("7".into()))
    );
    assert_eq!(named(&ours, "renamed").kind, named(&theirs, "second").kind);
    let has_trace = |spans| {
        named(spans, "third")
            .attributes
            .get("exception.stacktrace")
            .is_some()
    };
    assert_eq!((has_trace(&ours), has_trace(&theirs)), (false, true));
    assert_eq!(
        text(named(&ours, "third"), "exception.message"),
        Some("inner")
    );
    let why = |spans| named(spans, "fourth").status.message.clone();
    assert_eq!(
        (why(&ours), why(&theirs)),
        ("why".to_owned(), String::new())
    );
}

#[tokio::test]
async fn a_late_kind_counts_and_limits_are_kept() {
    let work = |_: &Telemetry| {
        let _root = info_span!("root").entered();
        let span = info_span!("child", a = "12345", b = 2, c = Empty, otel.kind = Empty).entered();
        span.record("otel.kind", "client");
        span.record("c", true);
        Context::current()
            .span()
            .set_attribute(KeyValue::new("d", 4));
    };
    let set = |builder: Builder| {
        builder
            .own_bridge()
            .setting("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2")
            .setting("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3")
    };
    let spans = spans(set, work).await;
    let child = named(&spans, "child");
    assert_eq!(format!("{:?}", child.kind), "Client");
    let attributes: Vec<_> = child.attributes.iter().collect();
    assert_eq!(attributes, [("a", &"123".into()), ("b", &2.into())]);
    assert_eq!(child.dropped_attributes_count, 2);
}

/// A request from elsewhere.
fn caller(is_sampled: bool) -> Context {
    let span = SpanContext::new(
        TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
        SpanId::from(0xb7ad_6b71_6920_3331),
        TraceFlags::default().with_sampled(is_sampled),
        true,
        TraceState::NONE,
    );
    Context::new().with_remote_span_context(span)
}

#[tokio::test]
async fn below_an_unsampled_parent_nothing_is_made_and_the_ids_stay_right_wherever_it_goes() {
    let work = |telemetry: &Telemetry| {
        let trace = caller(false).span().span_context().trace_id();
        let _request = caller(false).attach();
        let entry = info_span!("entry");
        let (child, entry_id) = entry.in_scope(|| {
            let current = Context::current().span().span_context().clone();
            assert_eq!((current.trace_id(), current.is_sampled()), (trace, false));
            (info_span!("child", items = 3), current.span_id())
        });
        child.record("items", 4);
        child.follows_from(&entry);
        // on another thread, where no context is current
        std::thread::scope(|scope| {
            let dispatch = telemetry.subscriber();
            let (child, entry) = (&child, &entry);
            scope.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    assert!(!Context::current().span().span_context().is_valid());
                    child.in_scope(|| {
                        let current = Context::current().span().span_context().clone();
                        assert_eq!((current.trace_id(), current.span_id()), (trace, entry_id));
                    });
                    let named = info_span!(parent: entry, "named");
                    named.in_scope(|| {
                        let current = Context::current().span().span_context().clone();
                        assert_eq!((current.trace_id(), current.is_sampled()), (trace, false));
                    });
                });
            });
        });
        let status = telemetry.status();
        let traces = status
            .signals
            .iter()
            .find(|signal| signal.signal == Signal::Traces);
        assert_eq!(traces.unwrap().offered, 0);
    };
    assert!(spans(Builder::own_bridge, work).await.is_empty());
}

#[tokio::test]
async fn a_span_is_current_in_each_poll_of_its_future_and_only_there() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = builder(&receiver).own_bridge().build();
    let _guard = tracing::dispatcher::set_default(&telemetry.subscriber());
    let _request = caller(true).attach();
    let before = Context::current().span().span_context().span_id();
    let work = async {
        let mut seen = BTreeSet::new();
        for _ in 0..3 {
            seen.insert(
                Context::current()
                    .span()
                    .span_context()
                    .span_id()
                    .to_string(),
            );
            tokio::task::yield_now().await;
        }
        let inner = async { Context::current().span().span_context().clone() };
        let inner = inner.instrument(info_span!("inner")).await;
        assert!(inner.is_sampled());
        seen
    };
    let seen = work.instrument(info_span!("outer")).await;
    assert_eq!(Context::current().span().span_context().span_id(), before);
    assert!(telemetry.shutdown(DEADLINE).await.is_complete());
    let spans = receiver.spans();
    let [inner, outer] = &spans[..] else {
        panic!("{spans:#?}");
    };
    assert_eq!(
        (inner.name.as_str(), outer.name.as_str()),
        ("inner", "outer")
    );
    assert_eq!(seen, BTreeSet::from([outer.span_id.to_string()]));
    assert_eq!(inner.parent_span_id, Some(outer.span_id));
    assert_eq!(
        outer.parent_span_id.unwrap().to_string(),
        before.to_string()
    );
}

#[tokio::test]
async fn events_are_the_span_s_on_request_and_errors_then_count() {
    let work = |_: &Telemetry| {
        let _root = info_span!("root").entered();
        {
            let _entered = info_span!("told").entered();
            tracing::info!(items = 3, password = "hunter2", "sold");
        }
        {
            let _entered = info_span!("failed").entered();
            tracing::error!(error = "cannot store");
        }
        let named = info_span!("named");
        tracing::warn!(parent: &named, "from afar");
        tracing::warn!(parent: None, "about nothing");
    };
    let quiet = spans(Builder::own_bridge, work).await;
    assert!(quiet.iter().all(|span| span.events.is_empty()));
    assert_eq!(named(&quiet, "failed").status.code, StatusCode::Unset);

    for set in [
        |builder: Builder| builder.own_bridge().span_events(),
        |builder: Builder| builder.stock().span_events(),
    ] {
        let spans = spans(set, work).await;
        let told = &named(&spans, "told").events;
        assert_eq!((told.len(), told[0].name.as_str()), (1, "sold"));
        assert_eq!(told[0].attributes.get("items"), Some(&3.into()));
        assert_eq!(told[0].attributes.get_str("password"), Some("REDACTED"));
        let failed = named(&spans, "failed");
        assert_eq!(failed.status.code, StatusCode::Error);
        assert!(failed.status.message.contains("cannot store"), "{failed:?}");
        assert_eq!(failed.events[0].name, "exception");
        let message = failed.events[0].attributes.get_str("exception.message");
        assert!(message.unwrap().contains("cannot store"));
        assert_eq!(named(&spans, "named").events[0].name, "from afar");
        assert!(named(&spans, "root").events.is_empty());
    }
}

/// Places in the source are judged once, and by a filter that may be replaced later.
#[tokio::test]
async fn a_replaced_filter_decides_about_places_that_have_made_spans_already() {
    let work = |telemetry: &Telemetry| {
        let visit = |n: i64| {
            let entered = info_span!("visit", n).entered();
            drop(entered);
        };
        visit(0);
        let filters = ["warn", "info", "off", "warn,bridge_spans=info"];
        for (n, directives) in (1..).zip(filters) {
            telemetry.set_log_filter(directives).unwrap();
            visit(n);
        }
        telemetry.set_log_filter("warn,[visit]=info").unwrap();
        visit(5);
        telemetry.set_log_filter("warn").unwrap();
        visit(6);
    };
    let ways: [fn(Builder) -> Builder; 3] =
        [Builder::own_bridge, |builder| builder, Builder::stock];
    for set in ways {
        let seen = spans(set, work).await;
        let number = |span: &Span| span.attributes.get("n")?.as_int();
        let seen: Vec<_> = seen.iter().filter_map(number).collect();
        assert_eq!(seen, [0, 2, 4, 5]);
    }
}

#[tokio::test]
async fn the_stock_pipeline_keeps_its_own_bridge_and_says_so() {
    let receiver = Receiver::start().await.unwrap();
    let builder = builder(&receiver).stock().own_bridge();
    let problem = builder.check().unwrap_err().to_string();
    assert!(problem.contains("CAMPANILE_TRACING_BRIDGE"), "{problem}");
    let work = |_: &Telemetry| drop(info_span!("work"));
    let spans = spans(|builder| builder.stock().own_bridge(), work).await;
    assert_eq!(spans.len(), 1);
}
