//! One export attempt: finished bytes out, a verdict back.

mod body;
mod client;
mod console;
mod endpoint;
mod grpc;
mod http;
mod tls;
mod verdict;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::http::HeaderMap;
use bytes::Bytes;

use self::client::{Client, connect};
pub(crate) use self::endpoint::Endpoint;
pub(crate) use self::tls::Tls;
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

/// Where a signal goes.
#[derive(Clone, Debug)]
pub(crate) enum Outlet {
    Otlp(Box<Destination>),
    /// Standard output, for people.
    Console,
}

impl Outlet {
    pub(crate) fn otlp(destination: Destination) -> Self {
        Self::Otlp(Box::new(destination))
    }
}

/// Sends requests of one signal to one outlet.
#[derive(Debug)]
pub(crate) struct Sender {
    signal: Signal,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Otlp(Box<Line>),
    Console,
}

#[derive(Debug)]
struct Line {
    destination: Destination,
    client: Mutex<Client>,
}

impl Line {
    fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender {
    pub(crate) fn new(signal: Signal, outlet: Outlet) -> Self {
        let way = match outlet {
            Outlet::Otlp(destination) => Way::Otlp(Box::new(Line {
                client: Mutex::new(connect(&destination)),
                destination: *destination,
            })),
            Outlet::Console => Way::Console,
        };
        Self { signal, way }
    }

    /// Where it sends to, for people.
    pub(crate) fn place(&self) -> String {
        match &self.way {
            Way::Otlp(line) => line.destination.endpoint.to_string(),
            Way::Console => "standard output".into(),
        }
    }

    /// What to look at when the other side does not understand.
    pub(crate) fn protocol_hint(&self) -> &'static str {
        match &self.way {
            Way::Otlp(line) if line.destination.protocol == Protocol::Grpc => {
                "is this a port for OTLP/gRPC? it is usually 4317, OTLP/HTTP is on 4318"
            }
            Way::Otlp(_) => {
                "is this a port for OTLP/HTTP? it is usually 4318, OTLP/gRPC is on 4317"
            }
            Way::Console => "",
        }
    }

    /// Makes one attempt. It ends within the timeout, whatever the other side does.
    pub(crate) async fn send(&self, request: Bytes) -> Verdict {
        let line = match &self.way {
            Way::Otlp(line) => line,
            // Who does not read our output holds up this signal, and neither another nor an end.
            Way::Console => {
                let signal = self.signal;
                let writing = tokio::task::spawn_blocking(move || console::write(signal, &request));
                return writing.await.unwrap_or_else(|error| {
                    Verdict::Refused(Failure::new("console", error.to_string()))
                });
            }
        };
        let destination = &line.destination;
        let client = line.client().clone();
        let attempt = async {
            match destination.protocol {
                Protocol::Grpc => grpc::send(&client, self.signal, destination, request).await,
                Protocol::Http => http::send(&client, destination, request).await,
            }
        };
        match tokio::time::timeout(destination.timeout, attempt).await {
            Ok(verdict) => verdict,
            Err(_) => {
                // The connection may be dead without knowing it: the next attempt makes a new one.
                *line.client() = connect(destination);
                let waited = destination.timeout.as_millis();
                Verdict::Retry(Failure::new(
                    "timeout",
                    format!("no answer within {waited} ms"),
                ))
            }
        }
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
