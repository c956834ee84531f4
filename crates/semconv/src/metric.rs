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

/// The boundaries of a database operation's duration, in seconds (semantic conventions, database
/// metrics).
pub const DB_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The boundaries of body sizes, in bytes: powers of four from 64 B to 64 MiB.
pub const BODY_BYTES: &[f64] = &[
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// The boundaries of a WebSocket connection's life, in seconds.
pub const CONNECTION_SECONDS: &[f64] = &[
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0,
    86400.0,
];

/// The boundaries of a message's age, in seconds.
pub const AGE_SECONDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// The boundaries of the gap between two connections of a session, in seconds.
pub const GAP_SECONDS: &[f64] = &[
    0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
];

/// The boundaries of how many messages a resume sends again.
pub const REPLAYED_MESSAGES: &[f64] = &[
    0.0, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0,
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
    /// Payload bytes of the request body, as counted; opt-in.
    HTTP_SERVER_REQUEST_BODY_SIZE = "http.server.request.body.size", Histogram, "By", BODY_BYTES, [
        a::HTTP_REQUEST_METHOD, a::URL_SCHEME, a::ERROR_TYPE, a::HTTP_RESPONSE_STATUS_CODE, a::HTTP_ROUTE,
        a::NETWORK_PROTOCOL_VERSION, a::CAMPANILE_DOMAIN,
    ];
    /// Payload bytes of the response body, as counted; opt-in.
    HTTP_SERVER_RESPONSE_BODY_SIZE = "http.server.response.body.size", Histogram, "By", BODY_BYTES, [
        a::HTTP_REQUEST_METHOD, a::URL_SCHEME, a::ERROR_TYPE, a::HTTP_RESPONSE_STATUS_CODE, a::HTTP_ROUTE,
        a::NETWORK_PROTOCOL_VERSION, a::CAMPANILE_DOMAIN,
    ];
    /// Duration of an outgoing HTTP request, one for each attempt, to the head of its response.
    HTTP_CLIENT_REQUEST_DURATION = "http.client.request.duration", Histogram, "s", HTTP_SECONDS, [
        a::HTTP_REQUEST_METHOD, a::SERVER_ADDRESS, a::SERVER_PORT, a::ERROR_TYPE, a::HTTP_RESPONSE_STATUS_CODE,
        a::NETWORK_PROTOCOL_VERSION,
    ];
    /// Outgoing HTTP requests whose response head has not come yet; opt-in.
    HTTP_CLIENT_ACTIVE_REQUESTS = "http.client.active_requests", UpDownCounter, "{request}", [
        a::HTTP_REQUEST_METHOD, a::SERVER_ADDRESS, a::SERVER_PORT,
    ];
    /// Payload bytes of the request body, where they are known at its head; opt-in.
    HTTP_CLIENT_REQUEST_BODY_SIZE = "http.client.request.body.size", Histogram, "By", BODY_BYTES, [
        a::HTTP_REQUEST_METHOD, a::SERVER_ADDRESS, a::SERVER_PORT, a::ERROR_TYPE, a::HTTP_RESPONSE_STATUS_CODE,
        a::NETWORK_PROTOCOL_VERSION,
    ];
    /// Payload bytes of the response body, where they are known at its head; opt-in.
    HTTP_CLIENT_RESPONSE_BODY_SIZE = "http.client.response.body.size", Histogram, "By", BODY_BYTES, [
        a::HTTP_REQUEST_METHOD, a::SERVER_ADDRESS, a::SERVER_PORT, a::ERROR_TYPE, a::HTTP_RESPONSE_STATUS_CODE,
        a::NETWORK_PROTOCOL_VERSION,
    ];
    /// Duration of an operation of a database, as its client sees it.
    DB_CLIENT_OPERATION_DURATION = "db.client.operation.duration", Histogram, "s", DB_SECONDS, [
        a::DB_SYSTEM_NAME, a::DB_QUERY_SUMMARY, a::DB_COLLECTION_NAME, a::DB_OPERATION_NAME, a::ERROR_TYPE,
    ];
    /// Time the process spent on processors; opt-in.
    PROCESS_CPU_TIME = "process.cpu.time", Counter, "s", [
        a::CPU_MODE,
    ];
    /// Bytes read from and written to storage; opt-in.
    PROCESS_DISK_IO = "process.disk.io", Counter, "By", [
        a::DISK_IO_DIRECTION,
    ];
    /// Physical memory in use; opt-in.
    PROCESS_MEMORY_USAGE = "process.memory.usage", UpDownCounter, "By", [];
    /// Virtual memory committed; opt-in.
    PROCESS_MEMORY_VIRTUAL = "process.memory.virtual", UpDownCounter, "By", [];
    /// Threads of the process; opt-in.
    PROCESS_THREAD_COUNT = "process.thread.count", UpDownCounter, "{thread}", [];
    /// Open file descriptors; opt-in.
    PROCESS_UNIX_FILE_DESCRIPTOR_COUNT = "process.unix.file_descriptor.count", UpDownCounter, "{file_descriptor}", [];
    /// How long the process has been running; opt-in.
    PROCESS_UPTIME = "process.uptime", Gauge, "s", [];
    /// Spans whose export ended: acknowledged, or lost as `error.type` says.
    OTEL_SDK_EXPORTER_SPAN_EXPORTED = "otel.sdk.exporter.span.exported", Counter, "{span}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE, a::ERROR_TYPE,
        a::SERVER_ADDRESS, a::SERVER_PORT,
    ];
    /// Spans sent and not yet answered.
    OTEL_SDK_EXPORTER_SPAN_INFLIGHT = "otel.sdk.exporter.span.inflight", UpDownCounter, "{span}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE,
        a::SERVER_ADDRESS, a::SERVER_PORT,
    ];
    /// Log records whose export ended: acknowledged, or lost as `error.type` says.
    OTEL_SDK_EXPORTER_LOG_EXPORTED = "otel.sdk.exporter.log.exported", Counter, "{log_record}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE, a::ERROR_TYPE,
        a::SERVER_ADDRESS, a::SERVER_PORT,
    ];
    /// Log records sent and not yet answered.
    OTEL_SDK_EXPORTER_LOG_INFLIGHT = "otel.sdk.exporter.log.inflight", UpDownCounter, "{log_record}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE,
        a::SERVER_ADDRESS, a::SERVER_PORT,
    ];
    /// Metric points whose export ended: acknowledged, or lost as `error.type` says.
    OTEL_SDK_EXPORTER_METRIC_DATA_POINT_EXPORTED = "otel.sdk.exporter.metric_data_point.exported", Counter, "{data_point}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE, a::ERROR_TYPE,
        a::SERVER_ADDRESS, a::SERVER_PORT,
    ];
    /// Metric points sent and not yet answered.
    OTEL_SDK_EXPORTER_METRIC_DATA_POINT_INFLIGHT = "otel.sdk.exporter.metric_data_point.inflight", UpDownCounter, "{data_point}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE,
        a::SERVER_ADDRESS, a::SERVER_PORT,
    ];
    /// Spans that left the queue, or found no room in it, as `error.type` says.
    OTEL_SDK_PROCESSOR_SPAN_PROCESSED = "otel.sdk.processor.span.processed", Counter, "{span}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE, a::ERROR_TYPE,
    ];
    /// Spans the queue holds at most.
    OTEL_SDK_PROCESSOR_SPAN_QUEUE_CAPACITY = "otel.sdk.processor.span.queue.capacity", UpDownCounter, "{span}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE,
    ];
    /// Spans in the queue.
    OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE = "otel.sdk.processor.span.queue.size", UpDownCounter, "{span}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE,
    ];
    /// Log records that left the queue, or found no room in it, as `error.type` says.
    OTEL_SDK_PROCESSOR_LOG_PROCESSED = "otel.sdk.processor.log.processed", Counter, "{log_record}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE, a::ERROR_TYPE,
    ];
    /// Log records the queue holds at most.
    OTEL_SDK_PROCESSOR_LOG_QUEUE_CAPACITY = "otel.sdk.processor.log.queue.capacity", UpDownCounter, "{log_record}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE,
    ];
    /// Log records in the queue.
    OTEL_SDK_PROCESSOR_LOG_QUEUE_SIZE = "otel.sdk.processor.log.queue.size", UpDownCounter, "{log_record}", [
        a::OTEL_COMPONENT_NAME, a::OTEL_COMPONENT_TYPE,
    ];
}
Own {
    /// Baggage members that were malformed or past the limits.
    CAMPANILE_BAGGAGE_DROPS = "campanile.baggage.drops", Counter, "{member}", [];
    /// Measurements that were folded into the overflow set, because an instrument had reached its cap.
    CAMPANILE_CARDINALITY_OVERFLOWS = "campanile.cardinality.overflows", Counter, "{measurement}", [
        a::CAMPANILE_INSTRUMENT_NAME,
    ];
    /// Values that did not leave, or not whole, because they looked like secrets or were not allowed.
    CAMPANILE_REDACTIONS = "campanile.redactions", Counter, "{field}", [a::CAMPANILE_REDACTION_KIND];
    /// Log lines that were not written, because standard error was not read or could not be written to.
    CAMPANILE_LOG_DROPS = "campanile.log.drops", Counter, "{record}", [];
    /// Traces that entered this process, by the decision on them; and entry spans that were kept late.
    CAMPANILE_SAMPLING_DECISIONS = "campanile.sampling.decisions", Counter, "{decision}", [
        a::CAMPANILE_SAMPLING_REASON, a::CAMPANILE_SAMPLING_RESULT,
    ];
    /// The share of new traces that is kept where no rule says otherwise.
    CAMPANILE_SAMPLING_PROBABILITY = "campanile.sampling.probability", Gauge, "1", [];
    /// Session spans that were left out because a storm had emptied the token bucket.
    CAMPANILE_SPAN_SUPPRESSIONS = "campanile.span.suppressions", Counter, "{span}", [];
    /// Tasks that were spawned and have not ended; opt-in.
    TOKIO_TASK_ALIVE = "tokio.task.alive", UpDownCounter, "{task}", [];
    /// Tasks that wait in the queue that all workers share; opt-in.
    TOKIO_QUEUE_LENGTH = "tokio.queue.length", UpDownCounter, "{task}", [];
    /// Worker threads of the runtime; opt-in.
    TOKIO_WORKER_COUNT = "tokio.worker.count", UpDownCounter, "{thread}", [];
    /// Time that all workers together were busy; opt-in.
    TOKIO_WORKER_TIME = "tokio.worker.time", Counter, "s", [];
    /// How often workers went to sleep for want of work; opt-in.
    TOKIO_WORKER_PARKS = "tokio.worker.parks", Counter, "{park}", [];
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
    /// Time from the first sight of an upgrade request to its session, or to its failure.
    WEBSOCKET_HANDSHAKE_DURATION = "websocket.handshake.duration", Histogram, "s", HTTP_SECONDS, [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::ERROR_TYPE,
    ];
    /// Round trip of a heartbeat ping.
    WEBSOCKET_HEARTBEAT_DURATION = "websocket.heartbeat.duration", Histogram, "s", AGE_SECONDS, [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE,
    ];
    /// Heartbeat intervals that passed without a byte from the peer after a ping.
    WEBSOCKET_HEARTBEAT_TIMEOUTS = "websocket.heartbeat.timeouts", Counter, "{timeout}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE,
    ];
    /// Time from the first message written to the socket having taken all that was written.
    WEBSOCKET_FLUSH_DURATION = "websocket.flush.duration", Histogram, "s", AGE_SECONDS, [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE,
    ];
    /// Messages that wait in outboxes.
    WEBSOCKET_QUEUE_LENGTH = "websocket.queue.length", UpDownCounter, "{message}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE,
    ];
    /// Payload bytes that wait in outboxes.
    WEBSOCKET_QUEUE_SIZE = "websocket.queue.size", UpDownCounter, "By", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE,
    ];
    /// Age of a message at a stage of its delivery.
    WEBSOCKET_DELIVERY_AGE = "websocket.delivery.age", Histogram, "s", AGE_SECONDS, [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_DELIVERY_STAGE, a::WEBSOCKET_MESSAGE_CLASS,
    ];
    /// Messages accepted for delivery.
    WEBSOCKET_DELIVERY_ACCEPTED = "websocket.delivery.accepted", Counter, "{message}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_MESSAGE_CLASS,
    ];
    /// Messages whose outcome is decided.
    WEBSOCKET_DELIVERY_MESSAGES = "websocket.delivery.messages", Counter, "{message}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_MESSAGE_CLASS, a::WEBSOCKET_DELIVERY_OUTCOME,
    ];
    /// Messages whose outcome is not decided yet.
    WEBSOCKET_DELIVERY_PENDING = "websocket.delivery.pending", UpDownCounter, "{message}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_MESSAGE_CLASS,
    ];
    /// Age of the oldest message of the process that has not reached a stage.
    WEBSOCKET_DELIVERY_OLDEST_AGE = "websocket.delivery.oldest_age", Gauge, "s", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_DELIVERY_STAGE,
    ];
    /// Attempts to resume a session: every connection that brought a token, by what became of it.
    WEBSOCKET_RESUME_ATTEMPTS = "websocket.resume.attempts", Counter, "{attempt}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_RESUME_RESULT, a::WEBSOCKET_CLOSE_CAUSE,
    ];
    /// Time from the last byte of the old connection to the hello of the new one.
    WEBSOCKET_RESUME_GAP = "websocket.resume.gap", Histogram, "s", GAP_SECONDS, [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_RESUME_RESULT,
    ];
    /// Messages that a resume sent again.
    WEBSOCKET_RESUME_REPLAYED = "websocket.resume.replayed", Histogram, "{message}", REPLAYED_MESSAGES, [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_RESUME_RESULT,
    ];
    /// Sessions that wait for their client to return.
    WEBSOCKET_SESSION_DETACHED = "websocket.session.detached", UpDownCounter, "{session}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE,
    ];
    /// Sessions that lost their connection and may be resumed.
    WEBSOCKET_SESSION_DETACHMENTS = "websocket.session.detachments", Counter, "{session}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE,
    ];
    /// Sessions that ended for good.
    WEBSOCKET_SESSION_ENDS = "websocket.session.ends", Counter, "{session}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_SESSION_END,
    ];
    /// Connections that a drain has yet to end.
    WEBSOCKET_DRAIN_REMAINING = "websocket.drain.remaining", Gauge, "{connection}", [];
    /// Whether clients return in a storm: 1 while they do, else 0.
    WEBSOCKET_STORM_ACTIVE = "websocket.storm.active", Gauge, "1", [];
    /// Connections that were not admitted.
    WEBSOCKET_ADMISSION_REJECTS = "websocket.admission.rejects", Counter, "{connection}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_ADMISSION_REASON,
    ];
    /// Requests to the session store that failed; the sessions concerned can only be resynced.
    WEBSOCKET_STORE_FAILURES = "websocket.store.failures", Counter, "{failure}", [
        a::WEBSOCKET_STORE_OPERATION,
    ];
    /// Ages that a clock made negative, and steps of the wall clock.
    WEBSOCKET_DELIVERY_CLOCK_ANOMALIES = "websocket.delivery.clock_anomalies", Counter, "{anomaly}", [
        a::WEBSOCKET_ENDPOINT, a::WEBSOCKET_ROLE, a::WEBSOCKET_CLOCK_SOURCE,
    ];
}
}
