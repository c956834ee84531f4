use super::*;
use crate::model::*;
use std::time::Duration;

fn span(name: &str) -> Span {
    Span {
        seq: 0,
        received: SystemTime::UNIX_EPOCH,
        trace_id: TraceId([1; 16]),
        span_id: SpanId([2; 8]),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 1,
        name: name.to_owned(),
        kind: SpanKind::Internal,
        start_unix_nano: 1,
        end_unix_nano: 2,
        attributes: Attributes::from([("padding", "x".repeat(1000).as_str())]),
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

fn sample(route: &str, count: i64) -> Sample {
    let temporality = Temporality::Cumulative;
    Sample {
        instrument: Arc::new(Instrument {
            name: "orders".to_owned(),
            description: String::new(),
            unit: "{order}".to_owned(),
            kind: MetricKind::Sum {
                temporality,
                monotonic: true,
            },
            resource: Arc::default(),
            scope: Arc::default(),
        }),
        attributes: Attributes::from([("route", route)]),
        point: Point {
            seq: 0,
            received: SystemTime::UNIX_EPOCH,
            start_unix_nano: 0,
            time_unix_nano: 0,
            flags: 0,
            exemplars: Vec::new(),
            value: PointValue::Number(Some(Number::Int(count))),
        },
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn oldest_of_any_signal_goes_first_and_is_counted() {
    let mut store = Store::new(10_000, 100);
    store.add_samples(vec![sample("/a", 1)], at(1));
    for second in 2..20 {
        store.add_spans(vec![span(&format!("span {second}"))], at(second));
    }
    let held = store.held();
    assert!(held.bytes <= 10_000, "{held:?}");
    assert_eq!(
        (held.points, held.series),
        (0, 0),
        "the point was the oldest"
    );
    assert_eq!(held.evicted(Signal::Metrics), 1);
    assert_eq!(held.evicted(Signal::Traces) as usize + held.spans, 18);
    assert_eq!(held.last_seq, 19);
    let spans = store.spans_since(0);
    assert_eq!(spans.last().map(|span| span.name.as_str()), Some("span 19"));
    assert_eq!(held.oldest, Some(spans[0].received));
}

#[test]
fn equal_resources_are_held_once_and_forgotten_with_their_last_user() {
    let mut store = Store::new(1 << 20, 100);
    store.add_spans(vec![span("a")], at(1));
    store.add_spans(vec![span("b")], at(2));
    let spans = store.spans_since(0);
    assert!(Arc::ptr_eq(&spans[0].resource, &spans[1].resource));
    assert!(store.shared.bytes() > 0);
    store.limit(0);
    assert_eq!(store.held().bytes, 0);
}

#[test]
fn since_returns_only_what_is_newer() {
    let mut store = Store::new(1 << 20, 100);
    store.add_spans(vec![span("a"), span("b")], at(1));
    store.add_samples(
        vec![sample("/a", 1), sample("/b", 1), sample("/a", 2)],
        at(2),
    );
    assert_eq!(store.spans_since(1).len(), 1);
    assert!(store.spans_since(2).is_empty());
    let metrics = store.metrics_since(4);
    assert_eq!(metrics.len(), 1);
    assert_eq!(metrics[0].series.len(), 1, "only /a got a point after 4");
    assert_eq!(metrics[0].series[0].points.len(), 1);
}

#[test]
fn points_join_the_series_of_their_attributes_and_overflow_is_counted() {
    let mut store = Store::new(1 << 20, 3);
    for count in 0..5000 {
        store.add_samples(vec![sample("/a", count)], at(1));
    }
    store.add_samples(vec![sample("/b", 7)], at(2));
    let held = store.held();
    assert_eq!((held.series, held.points), (2, 4));
    assert_eq!(held.evicted(Signal::Metrics), 4997);
    assert!(
        store.series.order_len() < 2048,
        "stale entries are forgotten"
    );
    let values = store.metrics_since(0)[0].series[0].points.clone();
    let values: Vec<_> = values.iter().map(|point| point.value.as_f64()).collect();
    assert_eq!(values, [Some(4997.0), Some(4998.0), Some(4999.0)]);
    store.limit(0);
    let held = store.held();
    assert_eq!((held.bytes, held.series, held.points), (0, 0, 0));
}
