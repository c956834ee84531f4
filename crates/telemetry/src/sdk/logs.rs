//! Takes log records from the SDK.

use std::sync::Arc;
use std::time::Duration;

use campanile_recorder::{LogAttributes, RequestId, Route};
use campanile_semconv::attribute;
use opentelemetry::logs::LogRecord;
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};

use crate::pipeline::Lane;

/// Hands log records to the lane.
#[derive(Debug)]
pub(crate) struct Logs(pub(crate) Arc<Lane>);

impl LogProcessor for Logs {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        add_exchange(record);
        self.0.push_log(record, scope);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// What the exchange under way says of every record: its domain, its id, allowed baggage.
fn add_exchange(record: &mut SdkLogRecord) {
    // A typed event says its own.
    let is_named = record
        .attributes_iter()
        .any(|(key, _)| key.as_str() == attribute::CAMPANILE_DOMAIN);
    if !is_named && let Some(domain) = Route::current().and_then(Route::domain) {
        record.add_attribute(attribute::CAMPANILE_DOMAIN, domain);
    }
    Context::map_current(|context| {
        if let Some(id) = RequestId::of(context) {
            record.add_attribute(attribute::CAMPANILE_REQUEST_ID, id.as_str().to_owned());
        }
        for (key, value) in LogAttributes::of(context)
            .into_iter()
            .flat_map(LogAttributes::iter)
        {
            record.add_attribute(key, value.to_owned());
        }
    });
}
