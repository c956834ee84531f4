//! Our series beside the SDK's, given the same.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_recorder::{Counter, Gauge, Histogram, Meter, Stock, StockMeter, UpDownCounter};
use campanile_semconv::metric::{self as m, Instrument, Metric};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{
    Instrument as SdkInstrument, PeriodicReader, SdkMeterProvider, Stream, Temporality,
};

use super::{DEFAULT_CAP, Filter, Registry};

fn scope() -> InstrumentationScope {
    Stock::<()>::scope()
}

fn registry(temporality: Temporality) -> Registry {
    Registry::new(temporality, DEFAULT_CAP, Filter::TraceBased)
}

/// What the registry says, decoded from the wire.
fn collected(registry: &Registry) -> Vec<proto::Metric> {
    use prost::Message;

    let mut request = ExportMetricsServiceRequest {
        resource_metrics: vec![proto::ResourceMetrics::default()],
    };
    registry.collect_into(&mut request, &scope());
    let wire = request.encode_to_vec();
    let request = ExportMetricsServiceRequest::decode(&*wire).unwrap();
    metrics(request)
}

fn metrics(request: ExportMetricsServiceRequest) -> Vec<proto::Metric> {
    let resources = request.resource_metrics.into_iter();
    let scopes = resources.flat_map(|resource| resource.scope_metrics);
    scopes.flat_map(|scope| scope.metrics).collect()
}

/// The SDK, asked for what it has whenever we like.
struct Sdk {
    provider: SdkMeterProvider,
    last: Arc<Mutex<Vec<proto::Metric>>>,
}

#[derive(Debug)]
struct Keep(Temporality, Arc<Mutex<Vec<proto::Metric>>>);

impl PushMetricExporter for Keep {
    async fn export(&self, data: &ResourceMetrics) -> OTelSdkResult {
        *self.1.lock().unwrap() = metrics(data.into());
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.0
    }
}

impl Sdk {
    fn new(temporality: Temporality, cap: usize) -> Self {
        let last = Arc::default();
        let exporter = Keep(temporality, Arc::clone(&last));
        let hour = Duration::from_secs(3600);
        let reader = PeriodicReader::builder(exporter).with_interval(hour);
        let view =
            move |_: &SdkInstrument| Stream::builder().with_cardinality_limit(cap).build().ok();
        let provider = SdkMeterProvider::builder()
            .with_reader(reader.build())
            .with_view(view)
            .build();
        Self { provider, last }
    }

    fn meter(&self) -> StockMeter {
        StockMeter::new(self.provider.meter_with_scope(scope()))
    }

    fn collected(&self) -> Vec<proto::Metric> {
        self.last.lock().unwrap().clear();
        self.provider.force_flush().unwrap();
        std::mem::take(&mut *self.last.lock().unwrap())
    }
}

/// Everything but times, in an order of its own; sums to nine digits, as they were added in
/// another order when something was recorded many times over.
fn facts(metrics: Vec<proto::Metric>) -> BTreeMap<String, Vec<String>> {
    let close = |number: f64| match number {
        number if number.abs() < 1e-9 => "0".to_owned(),
        number => format!("{number:.9e}"),
    };
    let mut all = BTreeMap::new();
    for metric in metrics {
        let head = format!("{} {} {}", metric.name, metric.description, metric.unit);
        let (kind, mut points): (String, Vec<String>) = match metric.data.unwrap() {
            Data::Sum(sum) => {
                let kind = (sum.aggregation_temporality, sum.is_monotonic);
                (
                    format!("{kind:?}"),
                    sum.data_points.iter().map(number).collect(),
                )
            }
            Data::Gauge(gauge) => (
                "gauge".into(),
                gauge.data_points.iter().map(number).collect(),
            ),
            Data::Histogram(all) => {
                let point = |point: &proto::HistogramDataPoint| {
                    assert_eq!(point.count, point.bucket_counts.iter().sum::<u64>());
                    assert!(point.start_time_unix_nano <= point.time_unix_nano);
                    format!(
                        "{:?} {:?} {:?} {} {:?} {:?}",
                        attributes(&point.attributes),
                        point.bucket_counts,
                        point.explicit_bounds,
                        close(point.sum.unwrap()),
                        point.min,
                        point.max,
                    )
                };
                let kind = format!("{:?}", all.aggregation_temporality);
                (kind, all.data_points.iter().map(point).collect())
            }
            other => panic!("{other:?}"),
        };
        points.sort();
        all.insert(format!("{head} {kind}"), points);
    }
    all
}

fn attributes(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> Vec<String> {
    let mut all: Vec<_> = attributes
        .iter()
        .map(|attribute| format!("{}={:?}", attribute.key, attribute.value))
        .collect();
    all.sort();
    all
}

fn number(point: &proto::NumberDataPoint) -> String {
    assert!(point.start_time_unix_nano <= point.time_unix_nano);
    format!("{:?} {:?}", attributes(&point.attributes), point.value)
}

/// The sum of a metric's points.
fn total(metrics: &[proto::Metric], of: &Metric) -> u64 {
    let found = metrics.iter().filter(|metric| metric.name == of.name);
    let points = found.flat_map(|metric| match metric.data.clone().unwrap() {
        Data::Sum(sum) => {
            let points = sum.data_points.into_iter();
            let value = |point: proto::NumberDataPoint| match point.value {
                Some(Value::AsInt(value)) => u64::try_from(value).unwrap(),
                other => panic!("{other:?}"),
            };
            points.map(value).collect::<Vec<_>>()
        }
        Data::Histogram(all) => all.data_points.iter().map(|point| point.count).collect(),
        other => panic!("{other:?}"),
    });
    points.sum()
}

/// The same handle of both.
enum Pair {
    Counter([Counter; 2]),
    UpDown([UpDownCounter; 2]),
    Histogram([Histogram; 2]),
    Gauge([Gauge; 2]),
}

impl Pair {
    fn open(both: [&dyn Meter; 2], metric: &'static Metric, attributes: &[KeyValue]) -> Self {
        match metric.instrument {
            Instrument::Counter => Self::Counter(both.map(|of| of.counter(metric, attributes))),
            Instrument::UpDownCounter => {
                Self::UpDown(both.map(|of| of.up_down_counter(metric, attributes)))
            }
            Instrument::Histogram => {
                Self::Histogram(both.map(|of| of.histogram(metric, attributes)))
            }
            Instrument::Gauge => Self::Gauge(both.map(|of| of.gauge(metric, attributes))),
        }
    }

    /// Something that certainly counts: an attribute set takes its room in the SDK by that.
    fn record_first(&self) {
        match self {
            Self::Counter(both) => both.iter().for_each(|counter| counter.add(0)),
            Self::UpDown(both) => both.iter().for_each(|counter| counter.add(0)),
            Self::Histogram(both) => both.iter().for_each(|all| all.record(0.25)),
            Self::Gauge(both) => both.iter().for_each(|gauge| gauge.set(0.25)),
        }
    }

    fn record(&self, random: &mut fastrand::Rng, bounds: &[f64]) {
        match self {
            Self::Counter(both) => {
                let amount = random.u64(0..3) * random.u64(0..1_000_000);
                both.iter().for_each(|counter| counter.add(amount));
            }
            Self::UpDown(both) => {
                let amount = random.i64(-3..=3);
                both.iter().for_each(|counter| counter.add(amount));
            }
            Self::Histogram(both) => {
                let value = sample(random, bounds);
                let times = if random.bool() { 1 } else { random.u64(0..20) };
                both.iter().for_each(|all| all.record_many(value, times));
            }
            Self::Gauge(both) => {
                let value = sample(random, &[0.5]);
                both.iter().for_each(|gauge| gauge.set(value));
            }
        }
    }
}

/// What somebody may record: a bound itself, the next number, nonsense.
fn sample(random: &mut fastrand::Rng, bounds: &[f64]) -> f64 {
    let bound = bounds[random.usize(..bounds.len())];
    match random.u8(0..12) {
        0 => bound,
        1 => bound.next_up(),
        2 => bound.next_down(),
        3 => f64::NAN,
        4 => f64::INFINITY,
        5 => f64::NEG_INFINITY,
        6 => -bound,
        7 => 0.0,
        8 => f64::MIN_POSITIVE,
        _ => random.f64() * bound * 2.0,
    }
}

const METRICS: [&Metric; 6] = [
    &m::WEBSOCKET_MESSAGES,
    &m::WEBSOCKET_CONNECTION_ACTIVE,
    &m::HTTP_SERVER_REQUEST_DURATION,
    &m::HTTP_SERVER_REQUEST_BODY_SIZE,
    &m::WEBSOCKET_DELIVERY_AGE,
    &m::WEBSOCKET_DELIVERY_OLDEST_AGE,
];

#[test]
fn the_same_measurements_give_what_the_sdk_gives() {
    let all = [
        Temporality::Cumulative,
        Temporality::Delta,
        Temporality::LowMemory,
    ];
    for (seed, temporality) in (0..12).flat_map(|seed| all.map(|all| (seed, all))) {
        let mut random = fastrand::Rng::with_seed(seed);
        // In delta temporality the SDK frees a set that is idle, though we hold a handle of it.
        let is_small = temporality == Temporality::Cumulative && random.bool();
        let cap = if is_small { 5 } else { DEFAULT_CAP };
        let (ours, sdk) = (
            Registry::new(temporality, cap, Filter::TraceBased),
            Sdk::new(temporality, cap),
        );
        let theirs = sdk.meter();
        let mut open = Vec::new();
        for _ in 0..random.usize(1..400) {
            match random.u8(0..10) {
                0 => {
                    let mut mine = collected(&ours);
                    mine.retain(|m| m.name != m::CAMPANILE_CARDINALITY_OVERFLOWS.name);
                    let (mut mine, reference) = (facts(mine), facts(sdk.collected()));
                    for (metric, points) in reference {
                        let ours = mine.remove(&metric).unwrap_or_default();
                        assert_eq!(ours, points, "seed {seed}, {temporality:?}, {metric}");
                    }
                    assert_eq!(mine, BTreeMap::new(), "seed {seed}, {temporality:?}");
                }
                1..4 if open.len() < 40 => {
                    let metric = METRICS[random.usize(..METRICS.len())];
                    let mut attributes: Vec<_> = (0..random.i64(0..3))
                        .map(|key| KeyValue::new(format!("k{key}"), random.i64(0..3)))
                        .collect();
                    random.shuffle(&mut attributes);
                    let pair = Pair::open([&ours, &theirs], metric, &attributes);
                    pair.record_first();
                    open.push((metric, pair));
                }
                _ if !open.is_empty() => {
                    let (metric, pair) = &open[random.usize(..open.len())];
                    pair.record(&mut random, metric.buckets);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn nothing_is_lost_or_told_twice_while_threads_record() {
    const THREADS: u64 = 4;
    const EACH: u64 = 20_000;
    let registry = registry(Temporality::Delta);
    let whole = self::registry(Temporality::Cumulative);
    let (messages, ages) = (&m::WEBSOCKET_MESSAGES, &m::WEBSOCKET_DELIVERY_AGE);
    let done = AtomicBool::new(false);
    let (mut counted, mut measured, mut seconds) = (0, 0, 0.0);
    let mut collect = || {
        let told = collected(&registry);
        counted += total(&told, messages);
        measured += total(&told, ages);
        seconds += sum(&told, ages);
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    for (of, times) in [(&registry, 1), (&whole, 1)] {
                        let counter = of.counter(messages, &[]);
                        let histogram = of.histogram(ages, &[KeyValue::new("k", 1)]);
                        for n in 0..EACH {
                            counter.add(times);
                            histogram.record_many(f64::from(u32::try_from(n % 8).unwrap()), 2);
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            collect();
        }
    });
    collect();
    let told = collected(&whole);
    assert_eq!((counted, measured), (THREADS * EACH, 2 * THREADS * EACH));
    assert_eq!(
        (total(&told, messages), total(&told, ages)),
        (counted, measured)
    );
    assert!((seconds - 2.0 * 3.5 * 80_000.0).abs() < 1e-3, "{seconds}");
    assert!((sum(&told, ages) - seconds).abs() < 1e-3);
}

/// The sum of a distribution's points.
fn sum(metrics: &[proto::Metric], of: &Metric) -> f64 {
    histograms(metrics, of)
        .iter()
        .filter_map(|point| point.sum)
        .sum()
}

fn histograms(metrics: &[proto::Metric], of: &Metric) -> Vec<proto::HistogramDataPoint> {
    let found = metrics.iter().find(|metric| metric.name == of.name);
    match found.and_then(|metric| metric.data.clone()) {
        Some(Data::Histogram(all)) => all.data_points,
        None => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn numbers(metrics: &[proto::Metric], of: &Metric) -> Vec<proto::NumberDataPoint> {
    let found = metrics.iter().find(|metric| metric.name == of.name);
    match found.and_then(|metric| metric.data.clone()) {
        Some(Data::Sum(all)) => all.data_points,
        Some(Data::Gauge(all)) => all.data_points,
        None => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_descriptor_and_attributes_give_the_same_series() {
    let registry = registry(Temporality::Cumulative);
    let (a, b) = (KeyValue::new("a", 1), KeyValue::new("b", "x"));
    let metric = &m::WEBSOCKET_MESSAGES;
    registry.counter(metric, &[a.clone(), b.clone()]).add(1);
    registry.counter(metric, &[b, a]).add(2);
    let told = collected(&registry);
    assert_eq!(numbers(&told, metric).len(), 1);
    assert_eq!(total(&told, metric), 3);
}

#[test]
fn past_the_cap_measurements_are_added_up_and_counted_as_such() {
    let registry = Registry::new(Temporality::Cumulative, 1, Filter::TraceBased);
    let metrics = [&m::HTTP_SERVER_REQUEST_DURATION, &m::WEBSOCKET_DELIVERY_AGE];
    for metric in metrics {
        for n in 0..4 {
            let all = registry.histogram(metric, &[KeyValue::new("n", n)]);
            all.record_many(0.1, 2);
        }
        // Without attributes there is always room, as in the SDK.
        registry.histogram(metric, &[]).record(0.1);
    }
    let told = collected(&registry);
    for metric in metrics {
        let counts: Vec<_> = histograms(&told, metric)
            .iter()
            .map(|point| point.count)
            .collect();
        assert_eq!(counts.len(), 3, "{counts:?}");
        assert_eq!(counts.last(), Some(&6), "the overflow set comes last");
        let last = histograms(&told, metric).pop().unwrap();
        assert_eq!(last.attributes[0].key, "otel.metric.overflow");
    }
    let overflows = numbers(&told, &m::CAMPANILE_CARDINALITY_OVERFLOWS);
    assert_eq!(
        overflows.len(),
        2,
        "one for each instrument, whatever the cap"
    );
    assert!(
        overflows
            .iter()
            .all(|point| point.value == Some(Value::AsInt(6)))
    );
}

#[test]
fn in_delta_temporality_a_series_that_nobody_holds_makes_room() {
    let registry = Registry::new(Temporality::Delta, 1, Filter::TraceBased);
    let metric = &m::WEBSOCKET_MESSAGES;
    let attributes = |n: i64| [KeyValue::new("n", n)];
    let held = registry.counter(metric, &attributes(1));
    held.add(1);
    for _ in 0..3 {
        collected(&registry);
    }
    registry.counter(metric, &attributes(2)).add(1);
    let overflows = &m::CAMPANILE_CARDINALITY_OVERFLOWS;
    assert_eq!(
        total(&collected(&registry), overflows),
        1,
        "a handle keeps its series"
    );
    drop(held);
    collected(&registry);
    registry.counter(metric, &attributes(2)).add(5);
    let told = collected(&registry);
    assert_eq!((total(&told, metric), total(&told, overflows)), (5, 0));
    assert_eq!(numbers(&told, metric)[0].attributes[0].key, "n");
}

#[test]
fn a_delta_begins_where_the_last_one_ended() {
    let registry = registry(Temporality::Delta);
    let counter = registry.counter(&m::WEBSOCKET_MESSAGES, &[]);
    let mut end = None;
    for _ in 0..3 {
        counter.add(1);
        let point = numbers(&collected(&registry), &m::WEBSOCKET_MESSAGES).remove(0);
        assert!(end.is_none_or(|end| end == point.start_time_unix_nano));
        end = Some(point.time_unix_nano);
    }
}

#[test]
fn a_cumulative_point_begins_where_its_instrument_did() {
    let registry = registry(Temporality::Cumulative);
    let counter = registry.counter(&m::WEBSOCKET_MESSAGES, &[]);
    counter.add(1);
    let told = || numbers(&collected(&registry), &m::WEBSOCKET_MESSAGES).remove(0);
    let (first, second) = (told(), told());
    assert_eq!(first.start_time_unix_nano, second.start_time_unix_nano);
    assert!(first.time_unix_nano <= second.time_unix_nano);
}

fn span(number: u64, flags: TraceFlags) -> SpanContext {
    let (trace, span) = (TraceId::from(u128::from(number)), SpanId::from(number));
    SpanContext::new(trace, span, flags, false, TraceState::NONE)
}

/// The exemplars that a filter lets through, with their trace and value.
fn shown(registry: &Registry) -> Vec<(u8, f64)> {
    use opentelemetry_proto::tonic::metrics::v1::exemplar::Value;

    let told = histograms(&collected(registry), &m::HTTP_SERVER_REQUEST_DURATION);
    let exemplars = told.into_iter().flat_map(|point| point.exemplars);
    let mut all: Vec<_> = exemplars
        .map(|exemplar| match exemplar.value {
            Some(Value::AsDouble(value)) => {
                assert_eq!((exemplar.trace_id.len(), exemplar.span_id.len()), (16, 8));
                assert_eq!(exemplar.trace_id[15], exemplar.span_id[7]);
                assert!(exemplar.time_unix_nano > 0);
                (exemplar.trace_id[15], value)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    all.sort_by_key(|(trace, _)| *trace);
    all
}

#[test]
fn the_first_sampled_measurement_of_an_interval_and_bucket_is_an_exemplar() {
    for (filter, expected) in [
        (Filter::TraceBased, vec![(2, 0.001), (4, 7.0)]),
        (Filter::AlwaysOn, vec![(1, 0.001), (4, 7.0)]),
        (Filter::AlwaysOff, vec![]),
    ] {
        let registry = Registry::new(Temporality::Cumulative, DEFAULT_CAP, filter);
        let all = registry.histogram(&m::HTTP_SERVER_REQUEST_DURATION, &[]);
        for _ in 0..2 {
            all.record_in(0.001, &SpanContext::NONE);
            all.record_in(0.001, &span(1, TraceFlags::NOT_SAMPLED));
            all.record_in(0.001, &span(2, TraceFlags::SAMPLED));
            all.record_in(0.002, &span(3, TraceFlags::SAMPLED));
            all.record_in(f64::NAN, &span(9, TraceFlags::SAMPLED));
            all.record_in(7.0, &span(4, TraceFlags::SAMPLED));
            assert_eq!(shown(&registry), expected, "{filter:?}");
            assert_eq!(shown(&registry), [], "an interval shows its own");
        }
    }
}

#[test]
fn an_instrument_that_is_asked_for_by_the_wrong_kind_records_nothing() {
    let registry = registry(Temporality::Cumulative);
    registry.gauge(&m::WEBSOCKET_MESSAGES, &[]).set(1.0);
    registry.histogram(&m::WEBSOCKET_MESSAGES, &[]).record(1.0);
    registry.counter(&m::WEBSOCKET_DELIVERY_AGE, &[]).add(1);
    registry
        .up_down_counter(&m::WEBSOCKET_DELIVERY_AGE, &[])
        .add(1);
    assert_eq!(collected(&registry), []);
}
