//! A recorder over in-memory exporters, and small services.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::sync::{Arc, Mutex, Once};
use std::task::{Context, Poll};

use bytes::Bytes;
use campanile_propagation::Formats;
use campanile_recorder::{Handle, Stock};
use futures_util::{Stream, stream};
use http::{Request, Response};
use http_body_util::Empty;
use opentelemetry::KeyValue;
use opentelemetry::SpanId;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{Status, TraceContextExt, TracerProvider as _};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use tower::Service;

/// What a test saw of its exchanges.
pub struct Observed {
    pub handle: Handle,
    pub tracer: SdkTracerProvider,
    spans: InMemorySpanExporter,
    meters: SdkMeterProvider,
    metrics: InMemoryMetricExporter,
}

impl Observed {
    pub fn new() -> Self {
        Self::with_formats(Formats::default())
    }

    /// The same reading and writing these formats only.
    pub fn with_formats(formats: Formats) -> Self {
        Self::with(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)), formats)
    }

    /// The same with a sampler of one's own.
    pub fn sampling(sampler: Sampler) -> Self {
        Self::with(sampler, Formats::default())
    }

    fn with(sampler: Sampler, formats: Formats) -> Self {
        ask_every_thread();
        let spans = InMemorySpanExporter::default();
        let metrics = InMemoryMetricExporter::default();
        let tracer = SdkTracerProvider::builder()
            .with_sampler(sampler)
            .with_simple_exporter(spans.clone())
            .build();
        let meters = SdkMeterProvider::builder()
            .with_periodic_exporter(metrics.clone())
            .build();
        let scope = Stock::<()>::scope();
        let stock = Stock::new(
            tracer.tracer_with_scope(scope.clone()),
            meters.meter_with_scope(scope),
        );
        Self {
            handle: Handle::new(stock.with_formats(formats)),
            tracer,
            spans,
            meters,
            metrics,
        }
    }

    /// The spans that have ended.
    pub fn ends(&self) -> Vec<Ended> {
        self.spans
            .get_finished_spans()
            .unwrap()
            .into_iter()
            .map(Ended)
            .collect()
    }

    /// The only one, after checking that the metrics agree: one sample of the same length, nothing
    /// active.
    pub fn only_end(&self) -> Ended {
        let mut ends = self.ends();
        assert_eq!(ends.len(), 1, "spans");
        let end = ends.remove(0);
        let (count, sum) = self.durations();
        assert_eq!(count, 1, "duration samples");
        let span = end
            .0
            .end_time
            .duration_since(end.0.start_time)
            .unwrap()
            .as_secs_f64();
        assert!((span - sum).abs() < 1e-9, "span {span} s, metric {sum} s");
        assert_eq!(self.active(), 0, "active requests");
        end
    }

    /// `http.server.active_requests`, over all series.
    pub fn active(&self) -> i64 {
        self.metric("http.server.active_requests", |data| match data {
            AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                sum.data_points().map(|p| p.value()).sum()
            }
            other => panic!("{other:?}"),
        })
    }

    /// Count and sum of `http.server.request.duration`, over all series.
    pub fn durations(&self) -> (u64, f64) {
        self.metric("http.server.request.duration", |data| match data {
            AggregatedMetrics::F64(MetricData::Histogram(all)) => all
                .data_points()
                .fold((0, 0.0), |(n, sum), p| (n + p.count(), sum + p.sum())),
            other => panic!("{other:?}"),
        })
    }

    /// All points of a histogram: their attributes as text, count and sum.
    pub fn histogram(&self, name: &str) -> Vec<(Vec<String>, u64, f64)> {
        let texts = |attributes: &mut dyn Iterator<Item = &KeyValue>| {
            let mut all: Vec<_> = attributes
                .map(|attribute| format!("{}={}", attribute.key, attribute.value))
                .collect();
            all.sort();
            all
        };
        self.metric(name, |data| match data {
            AggregatedMetrics::F64(MetricData::Histogram(all)) => all
                .data_points()
                .map(|point| (texts(&mut point.attributes()), point.count(), point.sum()))
                .collect(),
            other => panic!("{other:?}"),
        })
    }

    /// The sum of an up-down counter over all series; `None` when it was never opened.
    pub fn sum(&self, name: &str) -> Option<i64> {
        self.metric(name, |data| match data {
            AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                Some(sum.data_points().map(|p| p.value()).sum())
            }
            other => panic!("{other:?}"),
        })
    }

    /// The sum of a histogram, over all series.
    pub fn total(&self, name: &str) -> f64 {
        self.metric(name, |data| match data {
            AggregatedMetrics::F64(MetricData::Histogram(all)) => {
                all.data_points().map(|point| point.sum()).sum()
            }
            other => panic!("{other:?}"),
        })
    }

    /// A counter over all series; `None` when it was never opened.
    pub fn count(&self, name: &str) -> Option<u64> {
        self.metric(name, |data| match data {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                Some(sum.data_points().map(|p| p.value()).sum())
            }
            other => panic!("{other:?}"),
        })
    }

    fn metric<T: Default>(&self, name: &str, read: impl Fn(&AggregatedMetrics) -> T) -> T {
        self.metrics.reset();
        self.meters.force_flush().unwrap();
        let all = self.metrics.get_finished_metrics().unwrap();
        let scopes = all.iter().flat_map(|resource| resource.scope_metrics());
        let found = scopes
            .flat_map(|scope| scope.metrics())
            .find(|metric| metric.name() == name);
        found.map_or_else(T::default, |metric| read(metric.data()))
    }
}

/// A span that has ended.
pub struct Ended(pub SpanData);

impl Ended {
    pub fn attribute(&self, key: &str) -> Option<String> {
        let found = self
            .0
            .attributes
            .iter()
            .find(|attribute| attribute.key.as_str() == key)?;
        Some(found.value.to_string())
    }

    pub fn text(&self, key: &str) -> String {
        self.attribute(key)
            .unwrap_or_else(|| panic!("no {key} in {:?}", self.0.attributes))
    }

    pub fn status(&self) -> Status {
        self.0.status.clone()
    }
}

/// A stream of what is there.
pub fn iter<T>(items: impl IntoIterator<Item = T>) -> impl Stream<Item = T> {
    stream::iter(items)
}

/// A service that never becomes ready.
pub struct NotReady;

impl<B> Service<Request<B>> for NotReady {
    type Response = Response<Empty<Bytes>>;
    type Error = &'static str;
    type Future = std::future::Pending<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Err("not ready"))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        std::future::pending()
    }
}

/// Has every thread's own subscriber asked, whichever thread comes first.
///
/// While there is at most one subscriber, `tracing` decides about a place in the source by what the
/// thread that comes there first listens to, for all threads: a test that listens would miss what
/// another one, which does not, has already passed. So there is one more, for everyone, that is
/// never sure.
fn ask_every_thread() {
    struct Unsure;
    impl tracing::Subscriber for Unsure {
        fn register_callsite(
            &self,
            _: &'static tracing::Metadata<'static>,
        ) -> tracing::subscriber::Interest {
            tracing::subscriber::Interest::sometimes()
        }

        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            false
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
            tracing::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {}

        fn enter(&self, _: &tracing::Id) {}

        fn exit(&self, _: &tracing::Id) {}
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Unsure).unwrap());
}

/// A subscriber that keeps the name of each event, its `exception.type`, and the span it was
/// written in.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Vec<(String, String, SpanId)>>>);

impl Events {
    pub fn seen(&self) -> Vec<(String, String, SpanId)> {
        self.0.lock().unwrap().clone()
    }
}

impl tracing::Subscriber for Events {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("campanile")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Type(String);
        impl tracing::field::Visit for Type {
            fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
                if field.name() == "exception.type" {
                    self.0 = value.to_owned();
                }
            }
            fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
        }
        let mut kind = Type(String::new());
        event.record(&mut kind);
        let span = opentelemetry::Context::current()
            .span()
            .span_context()
            .span_id();
        self.0
            .lock()
            .unwrap()
            .push((event.metadata().name().to_owned(), kind.0, span));
    }

    fn enter(&self, _: &tracing::Id) {}

    fn exit(&self, _: &tracing::Id) {}
}
