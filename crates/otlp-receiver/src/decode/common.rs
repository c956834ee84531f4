//! What all three signals share: text, values, resources, scopes, ids.

use std::sync::Arc;

use bytes::Bytes;

use super::DecodeError;
use super::keys::Keys;
use crate::model::{Attributes, Resource, Scope, SpanId, TraceId, Value};
use crate::proto::common as proto;

/// Copies text out of the request, in an allocation of its own size.
pub(super) fn text(bytes: &Bytes) -> Result<String, DecodeError> {
    str(bytes).map(str::to_owned)
}

fn str(bytes: &Bytes) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| {
        let start: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
        DecodeError::new(format!("malformed protobuf: text is not UTF-8: {start:?}"))
    })
}

pub(super) fn value(any: Option<proto::AnyValue>) -> Result<Value, DecodeError> {
    Ok(match any.and_then(|any| any.value) {
        None => Value::Empty,
        Some(proto::Value::String(bytes)) => Value::String(text(&bytes)?),
        Some(proto::Value::Bool(truth)) => Value::Bool(truth),
        Some(proto::Value::Int(number)) => Value::Int(number),
        Some(proto::Value::Double(number)) => Value::Double(number),
        Some(proto::Value::Bytes(bytes)) => Value::Bytes(bytes.to_vec()),
        Some(proto::Value::Array(array)) => {
            let items = array.values.into_iter().map(|item| value(Some(item)));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Some(proto::Value::Kvlist(list)) => {
            let pairs = list.values.into_iter();
            let pairs = pairs.map(|pair| Ok((text(&pair.key)?, value(pair.value)?)));
            Value::Map(pairs.collect::<Result<_, _>>()?)
        }
    })
}

pub(super) fn attributes(
    pairs: Vec<proto::KeyValue>,
    keys: &mut Keys,
) -> Result<Attributes, DecodeError> {
    let pairs = pairs.into_iter();
    let pairs = pairs.map(|pair| Ok((keys.get(str(&pair.key)?), value(pair.value)?)));
    let pairs: Vec<_> = pairs.collect::<Result<_, _>>()?;
    Ok(Attributes::from_pairs(pairs))
}

pub(super) fn resource(
    resource: Option<proto::Resource>,
    schema_url: &Bytes,
    keys: &mut Keys,
) -> Result<Arc<Resource>, DecodeError> {
    let resource = resource.unwrap_or_default();
    Ok(Arc::new(Resource {
        attributes: attributes(resource.attributes, keys)?,
        dropped_attributes_count: resource.dropped_attributes_count,
        schema_url: text(schema_url)?,
    }))
}

pub(super) fn scope(
    scope: Option<proto::Scope>,
    schema_url: &Bytes,
    keys: &mut Keys,
) -> Result<Arc<Scope>, DecodeError> {
    let scope = scope.unwrap_or_default();
    Ok(Arc::new(Scope {
        name: text(&scope.name)?,
        version: text(&scope.version)?,
        attributes: attributes(scope.attributes, keys)?,
        dropped_attributes_count: scope.dropped_attributes_count,
        schema_url: text(schema_url)?,
    }))
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
