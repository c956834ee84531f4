//! Takes collected metrics from the SDK.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;

use crate::Signal;
use crate::pipeline::{Finished, Lane, wire};

/// Encodes a collection and hands it to the lane; it never waits for a network.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) lane: Arc<Lane>,
    pub(crate) temporality: Temporality,
}

impl PushMetricExporter for Metrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let request = ExportMetricsServiceRequest::from(metrics).encode_to_vec();
        let items = wire::items(Signal::Metrics, &request)
            .ok_or_else(|| OTelSdkError::InternalFailure("unreadable metrics".into()))?;
        self.lane.push_finished(Finished {
            request: Bytes::from(request),
            items,
        });
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}
