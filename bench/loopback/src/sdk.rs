//! The SDK as it is set up by hand: batches, a periodic reader, the stock exporters.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData,
};

use crate::contenders::QUEUE;

pub struct Sdk {
    pub tracers: SdkTracerProvider,
    pub meters: SdkMeterProvider,
    delivered: Arc<AtomicU64>,
}

impl Sdk {
    pub fn new(endpoint: &str) -> io::Result<Self> {
        let spans = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .build()
            .map_err(io::Error::other)?;
        let metrics = MetricExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/metrics"))
            .build()
            .map_err(io::Error::other)?;
        let delivered = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            inner: spans,
            delivered: delivered.clone(),
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .build();
        let processor = BatchSpanProcessor::builder(counted)
            .with_batch_config(config)
            .build();
        let resource = Resource::builder().with_service_name("bench").build();
        Ok(Self {
            tracers: SdkTracerProvider::builder()
                .with_span_processor(processor)
                .with_resource(resource.clone())
                .build(),
            meters: SdkMeterProvider::builder()
                .with_reader(PeriodicReader::builder(metrics).build())
                .with_resource(resource)
                .build(),
            delivered,
        })
    }

    /// For instrumentations that look nowhere else.
    pub fn set_global(&self) {
        global::set_tracer_provider(self.tracers.clone());
        global::set_meter_provider(self.meters.clone());
        global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
            Box::new(TraceContextPropagator::new()),
            Box::new(BaggagePropagator::new()),
        ]));
    }

    /// Delivers what is left, and says how many spans were delivered.
    pub fn shutdown(self) -> u64 {
        let _ = self.tracers.shutdown_with_timeout(Duration::from_secs(10));
        let _ = self.meters.shutdown_with_timeout(Duration::from_secs(10));
        self.delivered.load(Relaxed)
    }
}

/// Counts what was delivered.
#[derive(Debug)]
struct Counted {
    inner: SpanExporter,
    delivered: Arc<AtomicU64>,
}

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        self.inner.export(batch).await?;
        self.delivered.fetch_add(count, Relaxed);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
