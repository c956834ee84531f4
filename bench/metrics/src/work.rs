//! What is recorded, and where.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use campanile_logs::Sink;
use campanile_recorder::{
    Counter, End, Gauge, Handle, Histogram, Meter, Method, Outcome, Phase, Route, RouteKey,
    ServerMetrics, Sizes, Source, UpDownCounter,
};
use campanile_semconv::metric::{self as m, Metric};
use campanile_telemetry::Telemetry;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// One kind of measurement.
#[derive(Debug)]
pub struct Work {
    pub name: &'static str,
    pub title: &'static str,
    /// Instructions that it may cost in our own series: a tenth above what was measured.
    pub limit: f64,
}

pub const WORKS: &[Work] = &[
    work("counter", "counter, add", 36.0),
    work("updown", "up-down counter, add", 36.0),
    work("gauge", "gauge, set", 32.0),
    work("histogram", "histogram, record", 109.0),
    work("exemplar", "histogram, record in a sampled span", 113.0),
    work("many", "histogram, record 64 times the same", 107.0),
    work("exchange", "HTTP request, begin and end", 295.0),
];

const fn work(name: &'static str, title: &'static str, limit: f64) -> Work {
    Work { name, title, limit }
}

impl Work {
    pub fn find(name: &str) -> io::Result<&'static Self> {
        let found = WORKS.iter().find(|work| work.name == name);
        found.ok_or_else(|| io::Error::other(format!("no work is called {name}")))
    }
}

/// A whole pipeline, as an application starts it, that exports to nobody.
pub struct Pipeline {
    telemetry: Telemetry,
}

impl Pipeline {
    pub fn start(pipeline: &str) -> Self {
        let telemetry = Telemetry::from_env("bench")
            .environment(|_| None)
            .default_endpoint("http://127.0.0.1:1")
            .setting("CAMPANILE_PIPELINE", pipeline)
            .setting("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
            .lines(Sink::nowhere())
            .drop_deadline(Duration::ZERO)
            .build();
        Self { telemetry }
    }

    /// Opens what the work needs; the value differs from call to call.
    pub fn open(&self, work: &Work) -> Box<dyn Fn(u32)> {
        let handle = self.telemetry.recorder();
        let meter = handle.meter();
        let attributes = [
            KeyValue::new("websocket.endpoint", "rooms"),
            KeyValue::new("websocket.role", "server"),
            KeyValue::new("websocket.message.class", "chat"),
        ];
        let histogram = || meter.histogram(&m::WEBSOCKET_DELIVERY_AGE, &attributes);
        let seconds = |n: u32| f64::from(n % 512) / 64.0;
        match work.name {
            "counter" => {
                let counter = meter.counter(&m::WEBSOCKET_MESSAGES, &attributes);
                Box::new(move |_| counter.add(1))
            }
            "updown" => {
                let active = &m::WEBSOCKET_CONNECTION_ACTIVE;
                let counter = meter.up_down_counter(active, &attributes);
                Box::new(move |n| counter.add(i64::from(n % 2) * 2 - 1))
            }
            "gauge" => {
                let gauge = meter.gauge(&m::WEBSOCKET_DELIVERY_OLDEST_AGE, &attributes);
                Box::new(move |n| gauge.set(seconds(n)))
            }
            "histogram" => {
                let all = histogram();
                Box::new(move |n| all.record(seconds(n)))
            }
            "exemplar" => {
                let (all, span) = (histogram(), sampled());
                Box::new(move |n| all.record_in(seconds(n), &span))
            }
            "many" => {
                let all = histogram();
                Box::new(move |n| all.record_many(seconds(n), 64))
            }
            _ => {
                let metrics = ServerMetrics::new(Arc::new(Via(handle.clone())));
                let (route, span) = (route(), sampled());
                let ends: Vec<_> = (0..64).map(|n| end(route, n * 64)).collect();
                Box::new(move |n| {
                    let end = &ends[n as usize % 64];
                    metrics.begin(end.route);
                    metrics.end(end, Some(&span));
                })
            }
        }
    }
}

fn sampled() -> SpanContext {
    let (trace, span) = (TraceId::from(7), SpanId::from(7));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

fn route() -> &'static Route {
    Route::find(&RouteKey {
        method: Method::new("GET"),
        version: Some("1.1"),
        scheme: "http",
        template: Some("/rooms/{id}"),
        domain: None,
    })
}

fn end(route: &'static Route, n: u32) -> End<'static> {
    End {
        status: Some(200),
        outcome: Outcome::Completed,
        phase: Phase::Body,
        elapsed_ns: 1_000 * u64::from(n % 4096),
        route,
        sizes: Sizes::default(),
        failure: None,
        attributes: &[],
    }
}

/// The meter of a pipeline, shared.
struct Via(Handle);

impl Meter for Via {
    fn counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Counter {
        self.0.meter().counter(metric, attributes)
    }

    fn up_down_counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> UpDownCounter {
        self.0.meter().up_down_counter(metric, attributes)
    }

    fn histogram(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Histogram {
        self.0.meter().histogram(metric, attributes)
    }

    fn gauge(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Gauge {
        self.0.meter().gauge(metric, attributes)
    }
}
