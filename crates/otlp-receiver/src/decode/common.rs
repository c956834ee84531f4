//! What all three signals share: values, resources, scopes, ids.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value as ProtoValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;

use super::DecodeError;
use crate::model::{Attributes, Resource, Scope, SpanId, TraceId, Value};

pub(super) fn value(any: Option<AnyValue>) -> Value {
    match any.and_then(|any| any.value) {
        None => Value::Empty,
        Some(ProtoValue::StringValue(text)) => Value::String(text),
        Some(ProtoValue::BoolValue(truth)) => Value::Bool(truth),
        Some(ProtoValue::IntValue(number)) => Value::Int(number),
        Some(ProtoValue::DoubleValue(number)) => Value::Double(number),
        Some(ProtoValue::BytesValue(bytes)) => Value::Bytes(bytes),
        Some(ProtoValue::ArrayValue(array)) => {
            let items = array.values.into_iter();
            Value::Array(items.map(|item| value(Some(item))).collect())
        }
        Some(ProtoValue::KvlistValue(list)) => {
            let pairs = list.values.into_iter();
            Value::Map(pairs.map(|pair| (pair.key, value(pair.value))).collect())
        }
        // An index into the string table of the profiles signal, which other signals do not have.
        Some(ProtoValue::StringValueStrindex(_)) => Value::Empty,
    }
}

pub(super) fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    let pairs = pairs.into_iter();
    pairs.map(|pair| (pair.key, value(pair.value))).collect()
}

pub(super) fn resource(resource: Option<ProtoResource>, schema_url: String) -> Arc<Resource> {
    let resource = resource.unwrap_or_default();
    Arc::new(Resource {
        attributes: attributes(resource.attributes),
        dropped_attributes_count: resource.dropped_attributes_count,
        schema_url,
    })
}

pub(super) fn scope(scope: Option<InstrumentationScope>, schema_url: String) -> Arc<Scope> {
    let scope = scope.unwrap_or_default();
    Arc::new(Scope {
        name: scope.name,
        version: scope.version,
        attributes: attributes(scope.attributes),
        dropped_attributes_count: scope.dropped_attributes_count,
        schema_url,
    })
}

/// Reads a trace id. Empty and all zeros mean that there is none.
pub(super) fn trace_id(
    bytes: &[u8],
    path: impl FnOnce() -> String,
) -> Result<Option<TraceId>, DecodeError> {
    let bytes = id(bytes, path)?;
    Ok(bytes.map(TraceId).filter(TraceId::is_valid))
}

/// Reads a span id. Empty and all zeros mean that there is none.
pub(super) fn span_id(
    bytes: &[u8],
    path: impl FnOnce() -> String,
) -> Result<Option<SpanId>, DecodeError> {
    let bytes = id(bytes, path)?;
    Ok(bytes.map(SpanId).filter(SpanId::is_valid))
}

fn id<const N: usize>(
    bytes: &[u8],
    path: impl FnOnce() -> String,
) -> Result<Option<[u8; N]>, DecodeError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let exact = bytes.try_into().map(Some);
    exact.map_err(|_| {
        DecodeError::new(format!(
            "{}: expected {N} bytes, got {}",
            path(),
            bytes.len()
        ))
    })
}
