//! Metrics of our own layers, to a real OTLP server: beside the SDK's, with exemplars, exact over
//! flushes and the shutdown, and the same over either pipeline.
#![allow(clippy::unwrap_used)]

mod harness;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use campanile_otlp_receiver::Receiver;
use campanile_otlp_receiver::model::{Metric, Number, Point, PointValue};
use campanile_propagation::{Baggage, Unread};
use campanile_recorder::{
    Caller, Exchange, Handle, Head, Method, Outcome, Route, RouteKey, Sizes, Source, Tick, Tracing,
};
use campanile_semconv::metric as m;
use campanile_telemetry::Telemetry;
use harness::Over;
use http::HeaderValue;

const DEADLINE: Duration = Duration::from_secs(10);

const WAYS: [&str; 2] = ["lean", "stock"];

fn telemetry(receiver: &Receiver, more: &[(&str, &str)]) -> Telemetry {
    harness::telemetry(Over::Grpc, receiver.grpc_endpoint(), more)
}

fn head(template: &'static str) -> Head<'static> {
    let key = RouteKey {
        method: Method::new("GET"),
        version: Some("1.1"),
        scheme: "http",
        template: Some(template),
        domain: None,
    };
    Head {
        clock: Tick::now(),
        caller: Caller::Unknown,
        carried: Default::default(),
        tracing: Tracing::Span,
        metrics: true,
        route: Route::find(&key),
        path: "/",
        authority: None,
        user_agent: None,
        client: None,
        peer: None,
        more: None,
    }
}

fn exchange(recorder: &Handle, template: &'static str) -> Exchange {
    Exchange::begin(recorder, &head(template))
}

fn exchanges(recorder: &Handle, times: usize) {
    for n in 0..times {
        let mut exchange = exchange(recorder, "/rooms/{id}");
        exchange.head(if n % 4 == 3 { 503 } else { 200 });
        exchange.set_sizes(Sizes {
            request: None,
            response: Some(100),
        });
        exchange.end(Outcome::Completed);
    }
    drop(exchange(recorder, "/rooms/{id}"));
}

/// Every point that ever arrived of a metric.
fn points(receiver: &Receiver, of: &m::Metric) -> Vec<Arc<Point>> {
    let metrics = receiver.metrics();
    let found = metrics.iter().filter(|metric| metric.name() == of.name);
    let series = found.flat_map(|metric: &Metric| metric.series.clone());
    series.flat_map(|series| series.points.clone()).collect()
}

fn count(points: &[Arc<Point>]) -> u64 {
    points.iter().filter_map(|point| point.value.count()).sum()
}

#[tokio::test]
async fn every_series_is_the_same_over_either_pipeline() {
    let mut told = Vec::new();
    for way in WAYS {
        let receiver = Receiver::start().await.unwrap();
        let telemetry = telemetry(&receiver, &[("CAMPANILE_PIPELINE", way)]);
        exchanges(&telemetry.recorder(), 8);
        let report = telemetry.shutdown(DEADLINE).await;
        assert!(report.is_complete(), "{report}");
        let mut series = BTreeSet::new();
        for metric in receiver.metrics() {
            if !metric.name().starts_with("http.") {
                continue;
            }
            assert_eq!(metric.scope().name, "campanile");
            for one in &metric.series {
                let last = one.last().unwrap();
                let value = match &last.value {
                    PointValue::Number(number) => format!("{number:?}"),
                    value => format!("{:?} in {:?}", value.count(), metric.kind()),
                };
                let (name, unit, attributes) = (metric.name(), metric.unit(), &one.attributes);
                series.insert(format!("{name} {unit} {attributes:?} {value}"));
            }
        }
        told.push(series);
    }
    // 200, 503 and the one that was dropped, twice for sizes, and the active requests.
    assert_eq!(told[0].len(), 6, "{:#?}", told[0]);
    assert_eq!(told[0], told[1]);
}

/// Most baggage is never looked at; what is illegal of it is found out by whoever reads it first.
#[tokio::test]
async fn baggage_that_cannot_be_carried_is_counted_once_it_is_read() {
    let baggage = HeaderValue::from_static("plan=pro,=,b");
    for way in WAYS {
        let receiver = Receiver::start().await.unwrap();
        let telemetry = telemetry(&receiver, &[("CAMPANILE_PIPELINE", way)]);
        let carried = Unread {
            baggage: Some(&baggage),
            ..Unread::default()
        };
        let head = Head {
            carried,
            ..head("/rooms/{id}")
        };
        let mut exchange = Exchange::begin(&telemetry.recorder(), &head);
        for _ in 0..2 {
            let read = Baggage::of(exchange.context());
            assert_eq!(read.get("plan").as_deref(), Some("pro"), "{way}");
        }
        exchange.end(Outcome::Completed);
        let report = telemetry.shutdown(DEADLINE).await;
        assert!(report.is_complete(), "{report}");
        let drops = points(&receiver, &m::CAMPANILE_BAGGAGE_DROPS);
        let last = drops.iter().max_by_key(|point| point.seq);
        let told = last.and_then(|point| point.value.as_f64());
        assert_eq!(told, Some(2.0), "{way}");
    }
}

/// Over the lean pipeline only: the SDK keeps no exemplars, whatever its filter.
#[tokio::test]
async fn an_exemplar_leads_to_its_span() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = telemetry(&receiver, &[("CAMPANILE_PIPELINE", "lean")]);
    let recorder = telemetry.recorder();
    for round in 1..=2 {
        exchanges(&recorder, 20);
        let report = telemetry.flush(DEADLINE).await;
        assert!(report.is_complete(), "{report}");
        let spans = receiver.spans();
        let points = points(&receiver, &m::HTTP_SERVER_REQUEST_DURATION);
        let exemplars: Vec<_> = points.iter().flat_map(|point| &point.exemplars).collect();
        // At least one for each series: 200, 503, and the one that was dropped.
        assert!(exemplars.len() >= 3 * round, "{exemplars:?}");
        assert!(
            exemplars.len() < 12 * round,
            "one for each bucket: {exemplars:?}"
        );
        for exemplar in exemplars {
            let span = spans
                .iter()
                .find(|span| Some(span.span_id) == exemplar.span_id)
                .expect("the span of the exemplar");
            assert_eq!(Some(span.trace_id), exemplar.trace_id);
            assert_eq!(span.name, "GET /rooms/{id}");
            let Some(Number::Double(seconds)) = exemplar.value else {
                panic!("{exemplar:?}");
            };
            let nanos = span.end_unix_nano - span.start_unix_nano;
            assert_eq!(
                Duration::from_secs_f64(seconds),
                Duration::from_nanos(nanos)
            );
        }
    }
}

/// The SDK of the stock pipeline keeps no exemplars: there each filter is `always_off`.
#[tokio::test]
async fn the_exemplar_filter_is_obeyed() {
    for (filter, sampler, is_kept) in [
        ("trace_based", "always_on", true),
        ("trace_based", "always_off", false),
        ("always_on", "always_off", true),
        ("always_off", "always_on", false),
    ] {
        for way in WAYS {
            let receiver = Receiver::start().await.unwrap();
            let settings = [
                ("OTEL_METRICS_EXEMPLAR_FILTER", filter),
                ("OTEL_TRACES_SAMPLER", sampler),
                ("CAMPANILE_PIPELINE", way),
            ];
            let telemetry = telemetry(&receiver, &settings);
            exchanges(&telemetry.recorder(), 3);
            let report = telemetry.shutdown(DEADLINE).await;
            assert!(report.is_complete(), "{report}");
            let points = points(&receiver, &m::HTTP_SERVER_REQUEST_DURATION);
            assert_eq!(count(&points), 4);
            let has_any = points.iter().any(|point| !point.exemplars.is_empty());
            let expected = is_kept && way == "lean";
            assert_eq!(has_any, expected, "{filter}, {sampler}, {way}");
        }
    }
}

#[tokio::test]
async fn deltas_add_up_whatever_flushes_meet() {
    for way in WAYS {
        let keeping = Receiver::builder().max_points_per_series(1 << 16);
        let receiver = keeping.start().await.unwrap();
        let settings = [
            ("CAMPANILE_PIPELINE", way),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "5"),
            ("OTEL_TRACES_SAMPLER", "always_off"),
        ];
        let telemetry = telemetry(&receiver, &settings);
        let recorder = telemetry.recorder();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let recorder = recorder.clone();
                std::thread::spawn(move || (0..40).for_each(|_| exchanges(&recorder, 9)))
            })
            .collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            // What comes meanwhile may still wait when they end; the totals below are exact.
            let _ = tokio::join!(telemetry.flush(DEADLINE), telemetry.flush(DEADLINE));
        }
        // The last collection is the shutdown's.
        exchanges(&recorder, 9);
        let report = telemetry.shutdown(DEADLINE).await;
        assert!(report.is_complete(), "{report}");
        let durations = points(&receiver, &m::HTTP_SERVER_REQUEST_DURATION);
        assert_eq!(count(&durations), (3 * 40 + 1) * 10, "{way}");
        let sizes = points(&receiver, &m::HTTP_SERVER_RESPONSE_BODY_SIZE);
        assert_eq!(count(&sizes), (3 * 40 + 1) * 9, "{way}");
        let active = points(&receiver, &m::HTTP_SERVER_ACTIVE_REQUESTS);
        let last = active.iter().max_by_key(|point| point.seq).unwrap();
        assert_eq!(
            last.value.as_f64(),
            Some(0.0),
            "{way}: the level, not its change"
        );
    }
}

#[tokio::test]
async fn exponential_histograms_are_the_sdks() {
    for way in WAYS {
        let receiver = Receiver::start().await.unwrap();
        let aggregation = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
        let settings = [
            ("CAMPANILE_PIPELINE", way),
            (aggregation, "base2_exponential_bucket_histogram"),
        ];
        let telemetry = telemetry(&receiver, &settings);
        exchanges(&telemetry.recorder(), 8);
        let report = telemetry.shutdown(DEADLINE).await;
        assert!(report.is_complete(), "{report}");
        let points = points(&receiver, &m::HTTP_SERVER_REQUEST_DURATION);
        assert_eq!(count(&points), 9);
        let is_exponential =
            |point: &Arc<Point>| matches!(point.value, PointValue::ExponentialHistogram(_));
        assert!(points.iter().all(is_exponential), "{way}");
        let active = self::points(&receiver, &m::HTTP_SERVER_ACTIVE_REQUESTS);
        assert_eq!(active.len(), 1, "{way}");
    }
}

/// Both fold what is past the cap into one set; only ours can count it, as the SDK does not say
/// which measurements it folded.
#[tokio::test]
async fn the_cap_is_obeyed_and_what_is_past_it_is_told() {
    for way in WAYS {
        let receiver = Receiver::start().await.unwrap();
        let settings = [
            ("CAMPANILE_TELEMETRY_CARDINALITY", "2"),
            ("CAMPANILE_PIPELINE", way),
        ];
        let telemetry = telemetry(&receiver, &settings);
        let recorder = telemetry.recorder();
        for template in ["/a", "/b", "/c", "/d", "/d"] {
            let mut exchange = exchange(&recorder, template);
            exchange.head(200);
            exchange.end(Outcome::Completed);
        }
        let report = telemetry.shutdown(DEADLINE).await;
        assert!(report.is_complete(), "{report}");
        let durations = points(&receiver, &m::HTTP_SERVER_REQUEST_DURATION);
        assert_eq!((durations.len(), count(&durations)), (3, 5), "{way}");
        let overflows = points(&receiver, &m::CAMPANILE_CARDINALITY_OVERFLOWS);
        let told = overflows.first().and_then(|point| point.value.as_f64());
        assert_eq!(told, (way == "lean").then_some(3.0), "{way}");
    }
}
