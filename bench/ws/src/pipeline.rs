//! The SDK that the observed contender reports to: real aggregation, and an exporter that forgets.

use std::time::Duration;

use campanile_recorder::{Handle, Stock};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::SdkTracerProvider;

#[derive(Debug)]
struct Forget;

impl PushMetricExporter for Forget {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        Ok(())
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

/// Metrics are aggregated, and exported every hour.
pub fn pipeline() -> (Handle, SdkMeterProvider) {
    let hour = Duration::from_secs(3600);
    let reader = PeriodicReader::builder(Forget).with_interval(hour).build();
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    let tracer = SdkTracerProvider::default().tracer("bench");
    let handle = Handle::new(Stock::new(tracer, meters.meter("bench")));
    (handle, meters)
}
