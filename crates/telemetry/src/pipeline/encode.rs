//! From what came in to finished OTLP requests.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use campanile_redaction::Redactor;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::LogBatch;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;

use super::frame::{Frame, Requests};
use super::lane::{Finished, Intake, LogItem};
use super::written::Written;
use super::{cut, redact};
use crate::config::ValueLimits;

/// Encodes for one resource.
#[derive(Debug)]
pub(crate) struct Encoder {
    resource: ResourceAttributesWithSchema,
    frame: Frame,
    limits: ValueLimits,
    redactor: Redactor,
}

/// A request, or the number of items that could not be encoded.
pub(crate) type Encoded = Result<Finished, u64>;

impl Encoder {
    pub(crate) fn new(resource: &Resource, limits: ValueLimits, redactor: &Redactor) -> Self {
        Self {
            resource: resource.into(),
            frame: Frame::new(resource),
            limits,
            redactor: redactor.clone(),
        }
    }

    /// What every request weighs besides its scopes and items.
    pub(crate) fn request_weight(&self) -> usize {
        self.frame.weight()
    }

    /// Makes requests of at most `batch` items each.
    pub(crate) fn encode(&self, intake: Intake, batch: usize) -> Vec<Encoded> {
        let mut requests: Vec<Encoded> = intake.finished.into_iter().map(Ok).collect();
        let mut spans = intake.spans.into_iter();
        loop {
            let chunk: Vec<SpanData> = spans.by_ref().take(batch).collect();
            if chunk.is_empty() {
                break;
            }
            requests.push(guarded(chunk.len(), || self.spans(chunk)));
        }
        for chunk in intake.logs.chunks(batch) {
            requests.push(guarded(chunk.len(), || self.logs(chunk)));
        }
        requests
    }

    /// Puts resource and scopes around written items: requests of at most `batch` items each.
    pub(crate) fn frame(&self, written: &[Written], batch: usize) -> Vec<Finished> {
        let mut requests = Vec::new();
        for parts in Requests::new(written, batch as u64) {
            requests.push(self.frame.around(&parts));
        }
        requests
    }

    fn spans(&self, spans: Vec<SpanData>) -> Vec<u8> {
        let mut resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        redact::spans(&mut resource_spans, &self.redactor);
        cut::spans(&mut resource_spans, &self.limits);
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    fn logs(&self, logs: &[LogItem]) -> Vec<u8> {
        let references: Vec<_> = logs.iter().map(|(record, scope)| (record, scope)).collect();
        let mut resource_logs =
            group_logs_by_resource_and_scope(&LogBatch::new(&references), &self.resource);
        redact::logs(&mut resource_logs, &self.redactor);
        cut::logs(&mut resource_logs, &self.limits);
        ExportLogsServiceRequest { resource_logs }.encode_to_vec()
    }
}

/// A panic while encoding costs these items, not the export.
fn guarded(items: usize, encode: impl FnOnce() -> Vec<u8>) -> Encoded {
    let items = items as u64;
    match catch_unwind(AssertUnwindSafe(encode)) {
        Ok(request) => Ok(Finished {
            request: Bytes::from(request),
            items,
        }),
        Err(_) => Err(items),
    }
}
