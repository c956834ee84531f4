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

/// Values of `websocket.message.direction`.
pub const WEBSOCKET_DIRECTIONS: &[&str] = &["receive", "transmit"];

/// Values of `websocket.message.type`.
pub const WEBSOCKET_MESSAGE_TYPES: &[&str] = &["text", "binary", "ping", "pong", "close"];

/// Value of `db.system.name` for SQLite.
pub const DB_SYSTEM_SQLITE: &str = "sqlite";
