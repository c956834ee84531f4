//! One export attempt: finished bytes out, a verdict back.

mod body;
mod client;
mod endpoint;
mod grpc;
mod http;
mod verdict;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::http::HeaderMap;
use bytes::Bytes;

pub(crate) use self::client::Tls;
use self::client::{Client, connect};
pub(crate) use self::endpoint::Endpoint;
pub(crate) use self::verdict::{Failure, Verdict};
use crate::Signal;

/// How requests travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

/// How request bodies are made smaller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Compression {
    None,
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// Where and how one signal is sent.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: HeaderMap,
    pub(crate) compression: Compression,
    /// For one attempt, its connect included.
    pub(crate) timeout: Duration,
    pub(crate) tls: Tls,
}

/// Sends requests of one signal to one destination.
#[derive(Debug)]
pub(crate) struct Sender {
    signal: Signal,
    destination: Destination,
    client: Mutex<Client>,
}

impl Sender {
    pub(crate) fn new(signal: Signal, destination: Destination) -> Self {
        let client = Mutex::new(connect(&destination));
        Self {
            signal,
            destination,
            client,
        }
    }

    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Makes one attempt. It ends within the timeout, whatever the other side does.
    pub(crate) async fn send(&self, request: Bytes) -> Verdict {
        let client = self.client().clone();
        let attempt = async {
            match self.destination.protocol {
                Protocol::Grpc => {
                    grpc::send(&client, self.signal, &self.destination, request).await
                }
                Protocol::Http => http::send(&client, &self.destination, request).await,
            }
        };
        match tokio::time::timeout(self.destination.timeout, attempt).await {
            Ok(verdict) => verdict,
            Err(_) => {
                // The connection may be dead without knowing it: the next attempt makes a new one.
                *self.client() = connect(&self.destination);
                let waited = self.destination.timeout;
                Verdict::Retry(Failure::new(
                    "timeout",
                    format!("no answer within {} ms", waited.as_millis()),
                ))
            }
        }
    }

    fn client(&self) -> std::sync::MutexGuard<'_, Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a body smaller as the destination asks for; the name of the coding when it was.
fn compress(request: Bytes, compression: Compression) -> (Bytes, Option<&'static str>) {
    match compression {
        Compression::None => (request, None),
        Compression::Gzip => match gzip(&request) {
            Ok(smaller) => (smaller.into(), Some("gzip")),
            Err(_) => (request, None),
        },
        #[cfg(feature = "zstd")]
        Compression::Zstd => match zstd::bulk::compress(&request, 0) {
            Ok(smaller) => (smaller.into(), Some("zstd")),
            Err(_) => (request, None),
        },
    }
}

fn gzip(request: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Write;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(request)?;
    encoder.finish()
}
