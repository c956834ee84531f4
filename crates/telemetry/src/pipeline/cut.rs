//! Cuts values that are longer than the limits allow.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use crate::config::ValueLimits;

/// Cuts the attributes of spans, their events and links.
pub(super) fn spans(resources: &mut [ResourceSpans], limits: &ValueLimits) {
    let Some(length) = limits.span_value_length else {
        return;
    };
    let scopes = resources
        .iter_mut()
        .flat_map(|resource| &mut resource.scope_spans);
    for span in scopes.flat_map(|scope| &mut scope.spans) {
        values(&mut span.attributes, length);
        for event in &mut span.events {
            values(&mut event.attributes, length);
        }
        for link in &mut span.links {
            values(&mut link.attributes, length);
        }
    }
}

/// Cuts the attributes of log records; those beyond the count are dropped and counted.
pub(super) fn logs(resources: &mut [ResourceLogs], limits: &ValueLimits) {
    let scopes = resources
        .iter_mut()
        .flat_map(|resource| &mut resource.scope_logs);
    for record in scopes.flat_map(|scope| &mut scope.log_records) {
        let count = limits.log_attributes.unwrap_or(usize::MAX);
        let over = record.attributes.len().saturating_sub(count);
        record.attributes.truncate(count);
        record.dropped_attributes_count += u32::try_from(over).unwrap_or(u32::MAX);
        if let Some(length) = limits.log_value_length {
            values(&mut record.attributes, length);
        }
    }
}

fn values(attributes: &mut [KeyValue], length: usize) {
    for attribute in attributes {
        if let Some(value) = &mut attribute.value {
            any(value, length);
        }
    }
}

fn any(value: &mut AnyValue, length: usize) {
    match &mut value.value {
        Some(Value::StringValue(text)) => {
            if let Some((end, _)) = text.char_indices().nth(length) {
                text.truncate(end);
            }
        }
        Some(Value::BytesValue(bytes)) => bytes.truncate(length),
        Some(Value::ArrayValue(array)) => {
            for value in &mut array.values {
                any(value, length);
            }
        }
        Some(Value::KvlistValue(list)) => values(&mut list.values, length),
        _ => {}
    }
}
