//! Names of log events (the `EventName` field of a log record; `event` in our JSON lines).

use crate::Origin;

/// One log event.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The name on the wire.
    pub name: &'static str,
    /// What happened, in one sentence.
    pub brief: &'static str,
    /// Who defined it.
    pub origin: Origin,
}

macro_rules! events {
    ($($origin:ident { $($(#[doc = $doc:literal])+ $name:ident = $wire:literal;)+ })+) => {
        $($($(#[doc = $doc])+ pub const $name: &str = $wire;)+)+

        /// Every event this project may emit.
        pub static ALL: &[Event] = &[$($(Event {
            name: $wire,
            brief: concat!($($doc),+).trim_ascii_start(),
            origin: Origin::$origin,
        },)+)+];
    };
}

events! {
Standard {
    /// A request ended by a panic or by an error of its service; in the context of its span.
    HTTP_SERVER_REQUEST_EXCEPTION = "http.server.request.exception";
    /// A resumable WebSocket session began.
    SESSION_START = "session.start";
    /// A resumable WebSocket session ended for good.
    SESSION_END = "session.end";
}
Own {
    /// Log lines were not written, because standard error was not read or could not be written to.
    CAMPANILE_LOG_DROPPED = "campanile.log.dropped";
    /// A thread panicked: what it said, redacted, and where.
    CAMPANILE_PANIC = "campanile.panic";
    /// A request ended: route, status, duration, sizes, outcome. By default only if it failed or was slow.
    CAMPANILE_ACCESS = "campanile.access";
    /// Something was done, or denied, that someone may have to answer for. Always recorded.
    CAMPANILE_AUDIT = "campanile.audit";
    /// What the telemetry understood of its configuration, or why it is off.
    CAMPANILE_TELEMETRY_CONFIG = "campanile.telemetry.config";
    /// Export fails: why, since when, what waits and what was lost.
    CAMPANILE_TELEMETRY_FAILING = "campanile.telemetry.failing";
    /// Export works again, and what was lost meanwhile.
    CAMPANILE_TELEMETRY_RECOVERED = "campanile.telemetry.recovered";
    /// A WebSocket peer no longer answered, and its session was ended.
    WEBSOCKET_HEARTBEAT_LOST = "websocket.heartbeat.lost";
    /// A WebSocket peer did not read what was sent to it, and its session was ended.
    WEBSOCKET_SLOW_CONSUMER = "websocket.slow_consumer";
    /// A client brought a token and its session could not be taken up again.
    WEBSOCKET_RESUME_FAILED = "websocket.resume.failed";
    /// A client brought a token that had been used before: a copy, or a very late retry.
    WEBSOCKET_TOKEN_REPLAYED = "websocket.token.replayed";
    /// Clients return faster than they usually do; the spread of their retries is computed.
    WEBSOCKET_STORM_STARTED = "websocket.storm.started";
    /// Clients return as they usually do.
    WEBSOCKET_STORM_ENDED = "websocket.storm.ended";
    /// How far a drain has come.
    WEBSOCKET_DRAIN_PROGRESS = "websocket.drain.progress";
}
}
