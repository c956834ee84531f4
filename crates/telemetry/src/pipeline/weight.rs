//! What an item weighs in memory: an estimate that is rather too high than too low.

use std::mem::size_of;

use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::SpanData;

use super::lane::LogItem;

/// What the allocator and a growing vector add to an item.
const SLACK: usize = 64;

/// The weight of a span.
pub(crate) fn span(span: &SpanData) -> usize {
    let events: usize = span
        .events
        .iter()
        .map(|event| SLACK + event.name.len() + attributes(&event.attributes))
        .sum();
    let links: usize = span
        .links
        .iter()
        .map(|link| SLACK * 2 + attributes(&link.attributes))
        .sum();
    2 * size_of::<SpanData>()
        + SLACK
        + span.name.len()
        + attributes(&span.attributes)
        + events
        + links
}

/// The weight of a log record.
pub(crate) fn log(record: &SdkLogRecord) -> usize {
    let body = record.body().map_or(0, any);
    let attributes: usize = record
        .attributes_iter()
        .map(|(key, value)| SLACK + key.as_str().len() + any(value))
        .sum();
    2 * size_of::<LogItem>() + SLACK + body + attributes
}

/// The weight of a finished request.
pub(crate) fn request(bytes: &[u8]) -> usize {
    bytes.len() + 4 * SLACK
}

fn attributes(attributes: &[KeyValue]) -> usize {
    attributes
        .iter()
        .map(|attribute| {
            2 * size_of::<KeyValue>() + attribute.key.as_str().len() + value(&attribute.value)
        })
        .sum()
}

fn value(value: &Value) -> usize {
    match value {
        Value::String(text) => text.as_str().len() + SLACK,
        Value::Array(Array::String(texts)) => {
            texts.iter().map(|text| text.as_str().len() + SLACK).sum()
        }
        Value::Array(Array::Bool(values)) => values.len() + SLACK,
        Value::Array(Array::I64(values)) => values.len() * 8 + SLACK,
        Value::Array(Array::F64(values)) => values.len() * 8 + SLACK,
        _ => 0,
    }
}

fn any(value: &AnyValue) -> usize {
    SLACK
        + match value {
            AnyValue::String(text) => text.as_str().len(),
            AnyValue::Bytes(bytes) => bytes.len(),
            AnyValue::ListAny(values) => values.iter().map(any).sum(),
            AnyValue::Map(values) => values
                .iter()
                .map(|(key, value)| SLACK + key.as_str().len() + any(value))
                .sum(),
            _ => 0,
        }
}
