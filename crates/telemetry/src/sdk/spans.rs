//! Takes spans from the SDK.

use std::sync::Arc;
use std::time::Duration;

use campanile_recorder::Route;
use campanile_redaction::Redactor;
use campanile_semconv::attribute;
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use crate::pipeline::Lane;
use crate::sampling::Sampler;

/// Hands ended spans to the lane: sampled ones, and entry spans that come late.
#[derive(Debug)]
pub(crate) struct Spans {
    pub(crate) lane: Arc<Lane>,
    pub(crate) sampler: Sampler,
    pub(crate) redactor: Redactor,
}

impl SpanProcessor for Spans {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        if span.span_context.is_sampled() || self.sampler.keep_late(&mut span) {
            keep_allowed(&mut span, &self.redactor);
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

/// In a domain with a list, drops the attributes that are not on it.
///
/// Here and not where spans are encoded, as a span inside an exchange does not name its domain: the
/// exchange that is under way does.
fn keep_allowed(span: &mut SpanData, redactor: &Redactor) {
    let own = span.attributes.iter().find_map(domain_of);
    let own = own.map(str::to_owned);
    let domain = match &own {
        Some(domain) => Some(domain.as_str()),
        None => Route::current().and_then(Route::domain),
    };
    let Some(domain) = domain.filter(|domain| redactor.limits(domain)) else {
        return;
    };
    let is_allowed = |attribute: &KeyValue| redactor.allows(Some(domain), attribute.key.as_str());
    span.attributes.retain(is_allowed);
    for event in &mut span.events.events {
        event.attributes.retain(is_allowed);
    }
    for link in &mut span.links.links {
        link.attributes.retain(is_allowed);
    }
}

fn domain_of(attribute: &KeyValue) -> Option<&str> {
    match (attribute.key.as_str(), &attribute.value) {
        (attribute::CAMPANILE_DOMAIN, Value::String(domain)) => Some(domain.as_str()),
        _ => None,
    }
}
