//! OTLP's JSON encoding, read by a model of our own into the protocol's messages.
//!
//! It is protobuf's JSON mapping with three changes: ids are hex, enumerations are numbers, keys are lower camel case.
//! As in that mapping, 64-bit integers may be numbers or text, doubles may be `"NaN"` or `"Infinity"`, null means
//! absent, and unknown keys are ignored. The serde support of `opentelemetry-proto` loses values or whole requests on
//! several of these.

mod common;
mod logs;
mod metrics;
mod scalar;
mod traces;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::scalar::{Maybe, Objects};
use super::DecodeError;
use crate::proto::{logs as proto_logs, metrics as proto_metrics, trace as proto_trace};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Traces {
    resource_spans: Objects<traces::ResourceSpans>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metrics {
    resource_metrics: Objects<metrics::ResourceMetrics>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Logs {
    resource_logs: Objects<logs::ResourceLogs>,
}

pub(super) fn traces(bytes: &[u8]) -> Result<proto_trace::Request, DecodeError> {
    let Traces { resource_spans } = read(bytes)?;
    let resource_spans = resource_spans.convert();
    Ok(proto_trace::Request { resource_spans })
}

pub(super) fn metrics(bytes: &[u8]) -> Result<proto_metrics::Request, DecodeError> {
    let Metrics { resource_metrics } = read(bytes)?;
    let resource_metrics = resource_metrics.convert();
    Ok(proto_metrics::Request { resource_metrics })
}

pub(super) fn logs(bytes: &[u8]) -> Result<proto_logs::Request, DecodeError> {
    let Logs { resource_logs } = read(bytes)?;
    let resource_logs = resource_logs.convert();
    Ok(proto_logs::Request { resource_logs })
}

fn read<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read: Maybe<T> = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        DecodeError::new(format!("malformed JSON at {path}: {}", error.into_inner()))
    })?;
    json.end()
        .map_err(|error| DecodeError::new(format!("malformed JSON after its end: {error}")))?;
    Ok(read.or_default())
}

#[cfg(test)]
mod tests;
