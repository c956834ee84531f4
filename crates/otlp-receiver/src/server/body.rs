//! Reads a request's body within the limits, and unpacks it within the same limits.

use std::io::{BufReader, Read};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::refusal::Refusal;
use crate::builder::Limits;
use crate::fault::Gate;

/// How a body, or a gRPC message in it, is packed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// The packings that can be unpacked, for headers that say so.
#[cfg(feature = "zstd")]
pub(super) const ACCEPTED: &str = "gzip, zstd, identity";
/// The packings that can be unpacked, for headers that say so.
#[cfg(not(feature = "zstd"))]
pub(super) const ACCEPTED: &str = "gzip, identity";

/// The largest window a frame may ask memory for, as a power of two: the 8 MiB that every decoder has to offer.
#[cfg(feature = "zstd")]
const ZSTD_WINDOW_LOG: u32 = 23;

impl Packing {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Plain),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            #[cfg(feature = "zstd")]
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Unpacks, up to `limit` bytes.
    pub(super) fn unpack(self, bytes: Bytes, limit: usize) -> Result<Bytes, Refusal> {
        match self {
            Self::Plain => Ok(bytes),
            Self::Gzip => {
                let packed = BufReader::with_capacity(32 << 10, bytes.reader());
                read_all(flate2::bufread::MultiGzDecoder::new(packed), "gzip", limit)
            }
            #[cfg(feature = "zstd")]
            Self::Zstd => {
                let malformed = |error| Refusal::malformed(format!("malformed zstd: {error}"));
                let decoder = zstd::stream::read::Decoder::new(bytes.reader());
                let mut decoder = decoder.map_err(malformed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(malformed)?;
                read_all(decoder, "zstd", limit)
            }
        }
    }
}

fn read_all(decoder: impl Read, name: &str, limit: usize) -> Result<Bytes, Refusal> {
    let mut unpacked = Vec::new();
    let mut decoder = decoder.take(limit as u64 + 1);
    decoder
        .read_to_end(&mut unpacked)
        .map_err(|error| Refusal::malformed(format!("malformed {name}: {error}")))?;
    if unpacked.len() > limit {
        return Err(Refusal::too_large(limit));
    }
    Ok(unpacked.into())
}

/// Reads all of a body. `gate`, if any, is asked before each piece; `count` hears how many bytes each piece has.
pub(super) async fn read(
    mut body: Incoming,
    limits: Limits,
    gate: Option<&Gate>,
    mut count: impl FnMut(usize),
) -> Result<Bytes, Refusal> {
    let limit = limits.max_request_bytes;
    if body.size_hint().lower() > limit as u64 {
        drain(body, limits).await;
        return Err(Refusal::too_large(limit));
    }
    let mut collected = BytesMut::new();
    loop {
        if let Some(gate) = gate {
            gate.pass().await;
        }
        let frame = tokio::time::timeout(limits.body_timeout, body.frame());
        let Some(frame) = frame.await.map_err(|_| Refusal::too_slow())? else {
            return Ok(collected.freeze());
        };
        let frame = frame.map_err(|error| {
            Refusal::malformed(format!("the request's body ended too early: {error}"))
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        count(data.len());
        if collected.len() + data.len() > limit {
            drain(body, limits).await;
            return Err(Refusal::too_large(limit));
        }
        collected.extend_from_slice(&data);
    }
}

/// Throws away what is left of a refused body, within reason: a sender that is still sending does not read the answer,
/// and one that is cut off never sees it.
pub(super) async fn drain(mut body: Incoming, limits: Limits) {
    let mut left = limits.max_request_bytes.saturating_mul(4);
    let discard = async {
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(size);
            if left == 0 {
                break;
            }
        }
    };
    // A sender too slow for this is answered anyway.
    let _ = tokio::time::timeout(limits.body_timeout, discard).await;
}
