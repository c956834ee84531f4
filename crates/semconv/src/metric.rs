//! Metric descriptors: name, instrument, unit, meaning, buckets, attributes.

use crate::{Origin, attribute as a};

/// The kind of an instrument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Instrument {
    /// A monotonic sum.
    Counter,
    /// A sum that goes up and down; the same attributes at both.
    UpDownCounter,
    /// A distribution.
    Histogram,
    /// A last value.
    Gauge,
}

impl Instrument {
    /// The name of the instrument in the semantic conventions' own notation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "updowncounter",
            Self::Histogram => "histogram",
            Self::Gauge => "gauge",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name on the wire.
    pub name: &'static str,
    /// The instrument's kind.
    pub instrument: Instrument,
    /// The unit, in UCUM.
    pub unit: &'static str,
    /// What it measures, in one sentence.
    pub brief: &'static str,
    /// Histogram boundaries; empty for other instruments.
    pub buckets: &'static [f64],
    /// The attributes it may carry.
    pub attributes: &'static [&'static str],
    /// Who defined it.
    pub origin: Origin,
}

/// The boundaries of every HTTP duration, in seconds (semantic conventions, HTTP metrics).
pub const HTTP_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The boundaries of a WebSocket connection's life, in seconds.
pub const CONNECTION_SECONDS: &[f64] = &[
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0,
    86400.0,
];

macro_rules! metrics {
    ($($origin:ident { $(
        $(#[doc = $doc:literal])+
        $name:ident = $wire:literal, $instrument:ident, $unit:literal $(, $buckets:ident)?, [$($attribute:expr),* $(,)?];
    )+ })+) => {
        $($($(#[doc = $doc])+ pub static $name: Metric = Metric {
            name: $wire,
            instrument: Instrument::$instrument,
            unit: $unit,
            brief: concat!($($doc),+).trim_ascii_start(),
            buckets: metrics!(@buckets $($buckets)?),
            attributes: &[$($attribute),*],
            origin: Origin::$origin,
        };)+)+

        /// Every metric this project may emit.
        pub static ALL: &[&Metric] = &[$($(&$name,)+)+];
    };
    (@buckets) => { &[] };
    (@buckets $buckets:ident) => { $buckets };
}

metrics! {
Standard {
    /// Duration of an HTTP server request, from its head to the end of its response body.
    HTTP_SERVER_REQUEST_DURATION = "http.server.request.duration", Histogram, "s", HTTP_SECONDS, [
        a::HTTP_REQUEST_METHOD, a::URL_SCHEME, a::ERROR_TYPE, a::HTTP_RESPONSE_STATUS_CODE, a::HTTP_ROUTE,
        a::NETWORK_PROTOCOL_VERSION, a::CAMPANILE_DOMAIN,
    ];
    /// HTTP server requests whose end has not come yet.
    HTTP_SERVER_ACTIVE_REQUESTS = "http.server.active_requests", UpDownCounter, "{request}", [
        a::HTTP_REQUEST_METHOD, a::URL_SCHEME,
    ];
}
Own {
    /// WebSocket connections that are open.
    WEBSOCKET_CONNECTION_ACTIVE = "websocket.connection.active", UpDownCounter, "{connection}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE,
    ];
    /// Life of a WebSocket connection, from its upgrade to its end.
    WEBSOCKET_CONNECTION_DURATION = "websocket.connection.duration", Histogram, "s", CONNECTION_SECONDS, [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_CLOSE_CLASS,
    ];
    /// WebSocket connections that ended.
    WEBSOCKET_DISCONNECTS = "websocket.disconnects", Counter, "{disconnect}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_CLOSE_CLASS, a::WEBSOCKET_CLOSE_CAUSE,
    ];
    /// WebSocket messages, control frames included.
    WEBSOCKET_MESSAGES = "websocket.messages", Counter, "{message}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_MESSAGE_DIRECTION, a::WEBSOCKET_MESSAGE_TYPE,
    ];
    /// Payload bytes of WebSocket messages.
    WEBSOCKET_IO = "websocket.io", Counter, "By", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_MESSAGE_DIRECTION,
    ];
}
}
