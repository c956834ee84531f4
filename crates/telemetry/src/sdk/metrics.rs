//! Takes collected metrics from the SDK, and what our own series have to say beside them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campanile_recorder::Stock;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;

use crate::Signal;
use crate::lean::metrics::Registry;
use crate::pipeline::{Finished, Lane, wire};

/// Encodes a collection and hands it to the lane; it never waits for a network.
///
/// The reader calls it from one thread, whether for its interval, a flush or the shutdown, so no
/// two collections meet.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) lane: Arc<Lane>,
    pub(crate) temporality: Temporality,
    pub(crate) own: Option<Arc<Registry>>,
}

impl PushMetricExporter for Metrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut request = ExportMetricsServiceRequest::from(metrics);
        if let Some(own) = &self.own {
            own.collect_into(&mut request, &Stock::<()>::scope());
        }
        let request = request.encode_to_vec();
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
