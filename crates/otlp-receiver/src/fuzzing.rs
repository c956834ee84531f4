//! What the fuzz targets feed, and the tests that replay their inputs. Not part of the API.
//!
//! Each function takes any bytes and must neither panic nor use more memory than the limits allow. What can be decoded
//! then goes everywhere where received values go: the store, the printed tree, Prometheus text, the contract check.

use bytes::Bytes;

use crate::decode::{self, Decoded, Keys};
use crate::model::Signal;
use crate::prometheus;
use crate::seen::Seen;
use crate::shared::Shared;
use crate::stats::Transport;

/// The encodings of a body, right and wrong ones.
const ENCODINGS: &[&str] = &["", "gzip", "zstd", "snappy"];
const LIMIT: usize = 1 << 16;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("protobuf", protobuf),
    #[cfg(feature = "json")]
    ("json", json),
    ("grpc_body", grpc_body),
    ("http_body", http_body),
    #[cfg(feature = "contract")]
    ("registry", registry),
];

/// Takes a choice out of the first byte.
fn choose<'a, T>(from: &'a [T], bytes: &'a [u8]) -> Option<(&'a T, &'a [u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((&from[usize::from(*first) % from.len()], rest))
}

/// Decodes protobuf; the first byte chooses the signal.
pub fn protobuf(bytes: &[u8]) {
    if let Some((signal, bytes)) = choose(&Signal::ALL, bytes)
        && let Ok(decoded) =
            decode::protobuf(*signal, Bytes::copy_from_slice(bytes), &mut Keys::default())
    {
        digest(decoded);
    }
}

/// Decodes JSON; the first byte chooses the signal.
#[cfg(feature = "json")]
pub fn json(bytes: &[u8]) {
    if let Some((signal, bytes)) = choose(&Signal::ALL, bytes)
        && let Ok(decoded) = decode::json(*signal, bytes, &mut Keys::default())
    {
        digest(decoded);
    }
}

/// Takes the message out of a gRPC body; the first byte chooses the encoding.
pub fn grpc_body(bytes: &[u8]) {
    if let Some((encoding, bytes)) = choose(ENCODINGS, bytes) {
        let length = crate::server::unpack_grpc(encoding, bytes, LIMIT);
        assert!(length.is_none_or(|length| length <= LIMIT));
    }
}

/// Unpacks an HTTP body; the first byte chooses the encoding.
pub fn http_body(bytes: &[u8]) {
    if let Some((encoding, body)) = choose(ENCODINGS, bytes) {
        let length = crate::server::unpack_http(encoding, body, LIMIT);
        assert!(length.is_none_or(|length| length <= LIMIT.max(body.len())));
    }
}

/// Reads a registry.
#[cfg(feature = "contract")]
pub fn registry(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(registry) = crate::contract::Registry::from_yaml(text)
    {
        let seen = Shared::new(LIMIT, 10).seen();
        let found = crate::contract::Contract::new(registry).check(&seen);
        assert!(found.is_empty(), "nothing received breaks nothing");
    }
}

fn digest(decoded: Decoded) {
    let shared = Shared::new(LIMIT, 10);
    shared.accept(Transport::Grpc, decoded.items);
    let seen = shared.seen();
    assert!(seen.held.bytes <= LIMIT, "{:?}", seen.held);
    drop(seen.to_string());
    drop(prometheus::exposition(&seen.metrics));
    questions(&seen);
    #[cfg(feature = "contract")]
    drop(crate::contract::Contract::conventions().check(&seen));
    let mut store = shared.store();
    store.limit(0);
    assert_eq!(store.held().bytes, 0, "what was added was taken away again");
}

fn questions(seen: &Seen) {
    let metrics = seen.metrics();
    let _ = (
        metrics.total(),
        metrics.count(),
        metrics.sum(),
        metrics.histogram(),
    );
    for trace in seen.traces() {
        let _ = trace.root();
    }
}
