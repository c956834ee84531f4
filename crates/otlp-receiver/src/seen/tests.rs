#![allow(clippy::unwrap_used)]

use std::time::SystemTime;

use super::*;
use crate::model::*;
use crate::shared::{Items, Shared};
use crate::stats::Transport;
use crate::store::Sample;

/// Makes a span of trace 1, with an id and a parent's id (0 for none).
pub(crate) fn span(id: u8, parent: u8, name: &str) -> Span {
    Span {
        seq: 0,
        received: SystemTime::UNIX_EPOCH,
        trace_id: TraceId([1; 16]),
        span_id: SpanId([id; 8]),
        parent_span_id: (parent > 0).then_some(SpanId([parent; 8])),
        trace_state: String::new(),
        flags: 1,
        name: name.to_owned(),
        kind: SpanKind::Internal,
        start_unix_nano: u64::from(id) * 1_000_000,
        end_unix_nano: u64::from(id) * 1_000_000 + 1_500_000,
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: Status::default(),
        resource: Arc::new(Resource {
            attributes: Attributes::from([("service.name", "shop")]),
            ..Resource::default()
        }),
        scope: Arc::default(),
    }
}

pub(crate) fn seen_spans(spans: Vec<Span>) -> Seen {
    seen(vec![Items::Spans(spans)])
}

pub(crate) fn seen(items: Vec<Items>) -> Seen {
    let shared = Shared::new(1 << 20, 100);
    for items in items {
        shared.accept(Transport::Grpc, items);
    }
    shared.seen()
}

fn counted(kind: MetricKind, route: &str, start: u64, value: f64) -> Sample {
    Sample {
        instrument: Arc::new(Instrument {
            name: "orders".to_owned(),
            description: String::new(),
            unit: "{order}".to_owned(),
            kind,
            resource: Arc::default(),
            scope: Arc::default(),
        }),
        attributes: Attributes::from([("route", route)]),
        point: Point {
            seq: 0,
            received: SystemTime::UNIX_EPOCH,
            start_unix_nano: start,
            time_unix_nano: start + 1,
            flags: 0,
            exemplars: Vec::new(),
            value: PointValue::Number(Some(Number::Double(value))),
        },
    }
}

fn total(kind: MetricKind, points: &[(&str, u64, f64)]) -> Option<f64> {
    let samples = points
        .iter()
        .map(|(route, start, value)| counted(kind, route, *start, *value));
    seen(vec![Items::Samples(samples.collect())])
        .metric("orders")
        .total()
}

#[test]
fn counters_add_up_over_attribute_sets_and_restarts() {
    let temporality = Temporality::Cumulative;
    let counter = MetricKind::Sum {
        temporality,
        monotonic: true,
    };
    let points = [
        ("/a", 1, 3.0),
        ("/a", 1, 5.0),
        ("/b", 1, 2.0),
        ("/a", 9, 1.0),
        ("/a", 9, 4.0),
    ];
    assert_eq!(total(counter, &points), Some(5.0 + 4.0 + 2.0));
    // A restart that keeps its start time shows by the value falling.
    assert_eq!(total(counter, &[("/a", 1, 7.0), ("/a", 1, 2.0)]), Some(9.0));
    let up_down = MetricKind::Sum {
        temporality,
        monotonic: false,
    };
    assert_eq!(total(up_down, &[("/a", 1, 7.0), ("/a", 1, 2.0)]), Some(2.0));
    let temporality = Temporality::Delta;
    let delta = MetricKind::Sum {
        temporality,
        monotonic: true,
    };
    assert_eq!(total(delta, &[("/a", 1, 7.0), ("/a", 2, 2.0)]), Some(9.0));
    assert_eq!(
        total(MetricKind::Gauge, &[("/a", 0, 7.0), ("/a", 0, 2.0)]),
        Some(2.0)
    );
}

#[test]
fn questions_narrow_down_and_types_count() {
    let mut answered = span(2, 1, "GET");
    answered.attributes = Attributes::from([("status", 200)]);
    let seen = seen_spans(vec![span(1, 0, "GET"), answered]);
    assert_eq!(seen.spans().named("GET").len(), 2);
    assert_eq!(seen.spans().named("GET").with("status", 200).len(), 1);
    assert!(seen.spans().with("status", "200").is_empty());
    assert_eq!(
        seen.spans()
            .without("status")
            .roots()
            .of_service("shop")
            .len(),
        1
    );
    assert!(seen.spans().named("GET").one().is_none(), "two are not one");
}

#[test]
fn traces_are_trees_and_orphans_stand_at_the_top() {
    let trace = TraceId([1; 16]);
    let seen = seen_spans(vec![
        span(3, 1, "c"),
        span(2, 1, "b"),
        span(1, 0, "a"),
        span(8, 7, "orphan"),
    ]);
    let tree = seen.trace(trace);
    assert!(tree.root().is_none(), "two spans are at the top");
    let root = seen.spans().named("a").one().unwrap();
    let children = seen.children_of(&root);
    let names: Vec<_> = children.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["b", "c"]);
    let expected = "trace 01010101010101010101010101010101 (shop)
   a 1.500 ms
   ├─ b 1.500 ms
   └─ c 1.500 ms
   orphan 1.500 ms (parent 0707070707070707 did not arrive)
";
    assert_eq!(tree.to_string(), expected);
}

#[test]
fn spans_that_are_each_others_parents_are_printed_too() {
    let seen = seen_spans(vec![span(1, 2, "a"), span(2, 1, "b"), span(3, 3, "self")]);
    let text = seen.to_string();
    assert!(text.contains("self") && text.contains("3 spans"), "{text}");
}
