//! From the bytes of an export request to the model.
//!
//! Both encodings end in the protocol's messages, and one conversion judges those: ids of a wrong length refuse
//! the whole request, an item that no reader could use (a span without ids, a histogram whose buckets do not fit its
//! bounds) is left out and reported as the protocol's partial success.

mod common;
#[cfg(feature = "json")]
mod json;
mod keys;
mod logs;
mod metrics;
mod traces;

pub(crate) use self::keys::Keys;

use std::fmt;

use bytes::Bytes;
use prost::Message;

use crate::model::Signal;
use crate::proto::{logs as proto_logs, metrics as proto_metrics, trace as proto_trace};
use crate::shared::Items;

/// What a request brought.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) items: Items,
    pub(crate) rejected: Rejected,
}

/// Items that were left out, and why the first of them was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rejected {
    pub(crate) count: u64,
    pub(crate) message: String,
}

impl Rejected {
    fn add(&mut self, count: usize, why: impl FnOnce() -> String) {
        self.count += count as u64;
        if self.message.is_empty() {
            self.message = why();
        }
    }
}

/// Why a request cannot be read at all.
#[derive(Debug)]
pub(crate) struct DecodeError(String);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl DecodeError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Reads the protobuf encoding.
pub(crate) fn protobuf(
    signal: Signal,
    bytes: Bytes,
    keys: &mut Keys,
) -> Result<Decoded, DecodeError> {
    let malformed = |error: prost::DecodeError| DecodeError(format!("malformed protobuf: {error}"));
    match signal {
        Signal::Traces => {
            let request = proto_trace::Request::decode(bytes).map_err(malformed)?;
            traces::convert(request, keys)
        }
        Signal::Metrics => {
            let request = proto_metrics::Request::decode(bytes).map_err(malformed)?;
            metrics::convert(request, keys)
        }
        Signal::Logs => {
            let request = proto_logs::Request::decode(bytes).map_err(malformed)?;
            logs::convert(request, keys)
        }
    }
}

/// Reads the JSON encoding.
#[cfg(feature = "json")]
pub(crate) fn json(signal: Signal, bytes: &[u8], keys: &mut Keys) -> Result<Decoded, DecodeError> {
    match signal {
        Signal::Traces => traces::convert(json::traces(bytes)?, keys),
        Signal::Metrics => metrics::convert(json::metrics(bytes)?, keys),
        Signal::Logs => logs::convert(json::logs(bytes)?, keys),
    }
}

#[cfg(test)]
mod tests;
