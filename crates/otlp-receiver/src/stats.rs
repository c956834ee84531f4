//! Numbers about the receiver itself: what it holds, what came in, what it refused and why.

use std::fmt;
use std::time::SystemTime;

use crate::model::Signal;

/// What the store holds, and what it let go.
#[derive(Clone, Debug)]
pub struct Held {
    /// Spans held.
    pub spans: usize,
    /// Log records held.
    pub logs: usize,
    /// Metric points held.
    pub points: usize,
    /// Metric series held.
    pub series: usize,
    /// Bytes all of it occupies, estimated.
    pub bytes: usize,
    /// Bytes it may occupy: past them the oldest item goes.
    pub max_bytes: usize,
    pub(crate) evicted: [u64; 3],
    /// When the oldest item held arrived.
    pub oldest: Option<SystemTime>,
    /// The sequence number of the newest item; zero before the first.
    pub last_seq: u64,
}

impl Held {
    /// Counts items that were stored and had to go since the start.
    pub fn evicted(&self, signal: Signal) -> u64 {
        self.evicted[signal.index()]
    }
}

/// How a request arrived.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Transport {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protobuf.
    HttpProtobuf,
    /// OTLP/HTTP with JSON.
    HttpJson,
}

impl Transport {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Grpc, Self::HttpProtobuf, Self::HttpJson];

    /// Names it as `OTEL_EXPORTER_OTLP_PROTOCOL` does: `grpc`, `http/protobuf` or `http/json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What came in, over the receiver's whole life.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    pub(crate) counts: [[Counts; 3]; 3],
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// Requests that named no known signal (unknown path, wrong method), and were refused.
    pub unknown_requests: u64,
    /// Why the last of those was refused.
    pub last_unknown: Option<Refusal>,
}

impl Traffic {
    /// Returns the counts of one signal over one transport.
    pub fn of(&self, signal: Signal, transport: Transport) -> &Counts {
        &self.counts[signal.index()][transport as usize]
    }

    /// Adds up the counts of one signal over all transports.
    pub fn of_signal(&self, signal: Signal) -> Counts {
        Transport::ALL
            .into_iter()
            .fold(Counts::default(), |sum, transport| {
                sum.plus(self.of(signal, transport))
            })
    }

    /// Adds up everything.
    pub fn total(&self) -> Counts {
        Signal::ALL
            .into_iter()
            .fold(Counts::default(), |sum, signal| {
                sum.plus(&self.of_signal(signal))
            })
    }

    pub(crate) fn of_mut(&mut self, signal: Signal, transport: Transport) -> &mut Counts {
        &mut self.counts[signal.index()][transport as usize]
    }
}

/// Requests of one signal over one transport.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Requests that arrived, whatever became of them.
    pub requests: u64,
    /// Requests answered by an error.
    pub refused_requests: u64,
    /// Spans, points or records stored.
    pub items: u64,
    /// Spans, points or records refused by a partial success.
    pub refused_items: u64,
    /// Bytes of request bodies, as they travelled (compressed).
    pub bytes: u64,
    /// When a request was last accepted.
    pub last_accepted: Option<SystemTime>,
    /// What was refused last, and why.
    pub last_refusal: Option<Refusal>,
}

impl Counts {
    fn plus(mut self, other: &Self) -> Self {
        self.requests += other.requests;
        self.refused_requests += other.refused_requests;
        self.items += other.items;
        self.refused_items += other.refused_items;
        self.bytes += other.bytes;
        self.last_accepted = self.last_accepted.max(other.last_accepted);
        let newer = other.last_refusal.as_ref().filter(|theirs| {
            let ours = self.last_refusal.as_ref();
            ours.is_none_or(|ours| ours.at < theirs.at)
        });
        if let Some(newer) = newer {
            self.last_refusal = Some(newer.clone());
        }
        self
    }
}

/// One refusal.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// When.
    pub at: SystemTime,
    /// Why, as the sender was told.
    pub message: String,
}
