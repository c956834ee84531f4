//! Closed value sets: the only values that may stand on a metric.

/// HTTP methods that keep their name; everything else is [`OTHER`]
/// (semantic conventions, `http.request.method`).
pub const HTTP_METHODS: &[&str] = &[
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "QUERY",
];

/// What a value outside a standard closed set is reported as.
pub const OTHER: &str = "_OTHER";

/// What a value outside one of our own closed sets is reported as.
pub const OWN_OTHER: &str = "_other";

/// Values of `network.protocol.version` for HTTP.
pub const PROTOCOL_VERSIONS: &[&str] = &["0.9", "1.0", "1.1", "2", "3"];

/// Values of `error.type` of an outgoing request that got no response; with one, its status code.
pub const HTTP_CLIENT_FAULTS: &[&str] = &[
    "timeout", "dns", "connect", "tls", "closed", "protocol", "panic", OTHER,
];

/// Values of `rpc.status_code` for gRPC, by their number (gRPC, `statuscodes.md`).
pub const GRPC_STATUS_CODES: &[&str] = &[
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Values of `campanile.outcome`.
pub const OUTCOMES: &[&str] = &[
    "completed",
    "handler_error",
    "body_error",
    "client_gone",
    "timeout",
    "panic",
    "upgraded",
];

/// Values of `campanile.phase`.
pub const PHASES: &[&str] = &["head", "body"];

/// Values of `campanile.audit.outcome`.
pub const AUDIT_OUTCOMES: &[&str] = &["done", "denied", "failed"];

/// Values of `campanile.sampling.reason`.
pub const SAMPLING_REASONS: &[&str] = &["parent", "ratio", "rule", "failure", "slow"];

/// Values of `campanile.sampling.result`.
pub const SAMPLING_RESULTS: &[&str] = &["sampled", "dropped", "kept"];

/// Values of `campanile.redaction.kind`.
pub const REDACTION_KINDS: &[&str] = &[
    "key",
    "bearer_token",
    "basic_credentials",
    "jwt",
    "url_password",
    "private_key",
    "cloud_key",
    "card_number",
    "not_allowed",
];

/// Values of `cpu.mode` of a process.
pub const CPU_MODES: &[&str] = &["user", "system"];

/// Values of `disk.io.direction`.
pub const DISK_DIRECTIONS: &[&str] = &["read", "write"];

/// Values of `websocket.role`.
pub const WEBSOCKET_ROLES: &[&str] = &["server", "client"];

/// Values of `websocket.close.class`.
pub const WEBSOCKET_CLOSE_CLASSES: &[&str] = &[
    "normal",
    "going_away",
    "protocol",
    "unsupported",
    "no_status",
    "abnormal",
    "policy",
    "too_big",
    "internal",
    "restart",
    "try_later",
    "tls",
    "auth",
    "library",
    "app",
    "invalid",
];

/// Values of `websocket.close.cause`.
pub const WEBSOCKET_CLOSE_CAUSES: &[&str] = &[
    "client",
    "app",
    "drain",
    "heartbeat",
    "slow_consumer",
    "idle",
    "superseded",
    "auth",
    "network",
    "error",
];

/// Values of `error.type` on a `websocket.disconnect` span: what broke, or the class or cause of a
/// bad close.
pub const WEBSOCKET_END_ERRORS: &[&str] = &[
    "eof",
    "reset",
    "protocol",
    "invalid_utf8",
    "too_big",
    "tls",
    "panic",
    "dropped",
    "unsupported",
    "internal",
    "invalid",
    "client",
    "app",
    "drain",
    "heartbeat",
    "slow_consumer",
    "idle",
    "superseded",
    "auth",
    "network",
    "error",
];

/// Values of `websocket.close.initiator`.
pub const WEBSOCKET_CLOSE_INITIATORS: &[&str] = &["local", "peer"];

/// Values of `websocket.delivery.stage`.
pub const WEBSOCKET_DELIVERY_STAGES: &[&str] = &["origin", "flush", "receipt", "app_ack"];

/// Values of `websocket.delivery.outcome`.
pub const WEBSOCKET_DELIVERY_OUTCOMES: &[&str] = &[
    "on_time",
    "late",
    "expired",
    "dropped",
    "lost",
    "superseded",
    "moved",
];

/// Values of `websocket.resume.result`: what became of an attempt to resume, each attempt exactly one.
pub const WEBSOCKET_RESUME_RESULTS: &[&str] = &[
    "resumed",
    "replayed",
    "resynced",
    "expired",
    "unknown_session",
    "token_invalid",
    "token_replayed",
    "conflict",
    "unauthorized",
    "overloaded",
    "handshake_failed",
    "hello_timeout",
];

/// Values of `websocket.session.end`.
pub const WEBSOCKET_SESSION_ENDS: &[&str] =
    &["client", "abandoned", "superseded", "revoked", "drain_lost"];

/// Values of `websocket.store.operation`: what was asked of the session store.
pub const WEBSOCKET_STORE_OPERATIONS: &[&str] = &["open", "save", "claim", "end", "beat", "adopt"];

/// Values of `websocket.admission.reason`: why a connection was not admitted.
pub const WEBSOCKET_ADMISSION_REASONS: &[&str] = &["rate", "drain", "limit"];

/// Values of `websocket.clock.source`.
pub const WEBSOCKET_CLOCK_SOURCES: &[&str] = &["node", "client", "step"];

/// Values of `error.type` on `websocket.handshake.duration`.
pub const WEBSOCKET_HANDSHAKE_ERRORS: &[&str] = &[
    "rejected",
    "rejected_auth",
    "rejected_limit",
    "bad_request",
    "upgrade_failed",
    "hello_timeout",
];

/// Values of `websocket.message.direction`.
pub const WEBSOCKET_DIRECTIONS: &[&str] = &["receive", "transmit"];

/// Values of `websocket.message.type`.
pub const WEBSOCKET_MESSAGE_TYPES: &[&str] = &["text", "binary", "ping", "pong", "close"];

/// Value of `db.system.name` for SQLite.
pub const DB_SYSTEM_SQLITE: &str = "sqlite";
