//! Takes spans from the SDK.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use crate::pipeline::Lane;
use crate::sampling::Sampler;

/// Hands ended spans to the lane: sampled ones, and entry spans that come late.
#[derive(Debug)]
pub(crate) struct Spans {
    pub(crate) lane: Arc<Lane>,
    pub(crate) sampler: Sampler,
}

impl SpanProcessor for Spans {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        if span.span_context.is_sampled() || self.sampler.keep_late(&mut span) {
            self.lane.push_span(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
