//! The real SDK pipeline, ending in exporters that look at what they are given and drop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use campanile_recorder::{Handle, Stock};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};

use crate::work::{CALLER_SPAN, TRACE_PREFIX};

/// Larger than all requests of a run, so that nothing is dropped.
const QUEUE: usize = 1 << 16;

/// What has left the pipeline.
#[derive(Debug, Default)]
pub struct Seen {
    /// Spans that continue the caller's trace.
    pub spans: AtomicU64,
    /// The others.
    pub strays: AtomicU64,
    /// Attributes of the first span.
    pub attributes: AtomicU64,
    /// Samples of the duration histogram.
    pub durations: AtomicU64,
}

/// SDK providers as the peers' benchmark sets them up: batch processor, parent-based sampler,
/// periodic reader.
pub struct Pipeline {
    pub seen: Arc<Seen>,
    tracers: SdkTracerProvider,
    meters: SdkMeterProvider,
}

impl Pipeline {
    pub fn new() -> Self {
        let seen = Arc::new(Seen::default());
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(512)
            .with_scheduled_delay(Duration::from_secs(5))
            .build();
        let processor = BatchSpanProcessor::builder(Spans(Arc::clone(&seen)))
            .with_batch_config(config)
            .build();
        let reader = PeriodicReader::builder(Metrics(Arc::clone(&seen))).build();
        Self {
            seen,
            tracers: SdkTracerProvider::builder()
                .with_span_processor(processor)
                .build(),
            meters: SdkMeterProvider::builder().with_reader(reader).build(),
        }
    }

    /// The recorder under test.
    pub fn recorder(&self) -> Handle {
        let (tracer, meter) = (self.tracers.tracer("bench"), self.meters.meter("bench"));
        Handle::new(Stock::new(tracer, meter))
    }

    pub fn flush(&self) {
        self.tracers.force_flush().expect("flushed spans");
        self.meters.force_flush().expect("flushed metrics");
    }
}

#[derive(Debug)]
struct Spans(Arc<Seen>);

impl SpanExporter for Spans {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        for span in &batch {
            let trace = span.span_context.trace_id().to_bytes();
            let is_ours = trace.starts_with(&TRACE_PREFIX.to_be_bytes())
                && span.parent_span_id.to_bytes() == CALLER_SPAN.to_be_bytes()
                && span.span_context.trace_state().get("congo").is_some();
            let counter = if is_ours {
                &self.0.spans
            } else {
                &self.0.strays
            };
            counter.fetch_add(1, Relaxed);
        }
        if let Some(span) = batch.first() {
            self.0
                .attributes
                .store(span.attributes.len() as u64, Relaxed);
        }
        std::future::ready(Ok(()))
    }
}

#[derive(Debug)]
struct Metrics(Arc<Seen>);

impl PushMetricExporter for Metrics {
    fn export(&self, metrics: &ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            if let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() {
                let count = histogram.data_points().map(|point| point.count()).sum();
                self.0.durations.store(count, Relaxed);
            }
        }
        std::future::ready(Ok(()))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
