//! Attribute keys, with their types and closed value sets.
//!
//! A key with [`Attribute::values`] may only carry one of them; what does not fit is reported as
//! `_OTHER` (standard names) or `_other` (ours).

use crate::{Origin, value};

/// The type of an attribute's value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    /// UTF-8 text.
    String,
    /// A signed 64-bit integer.
    Int,
    /// A 64-bit float.
    Double,
    /// True or false.
    Bool,
    /// Several texts.
    Strings,
}

impl Type {
    /// The name of the type in the semantic conventions' own notation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Double => "double",
            Self::Bool => "boolean",
            Self::Strings => "string[]",
        }
    }
}

/// One attribute: key, type, meaning.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// The name of the constant in this module.
    pub constant: &'static str,
    /// The key on the wire.
    pub key: &'static str,
    /// The type of its value.
    pub ty: Type,
    /// What it means, in one sentence.
    pub brief: &'static str,
    /// The only values allowed; empty when the set is open.
    pub values: &'static [&'static str],
    /// Who defined it.
    pub origin: Origin,
}

/// Prefix of a captured request header: `http.request.header.<name>`, an array of texts.
pub const HTTP_REQUEST_HEADER: &str = "http.request.header.";

/// Prefix of a captured response header: `http.response.header.<name>`, an array of texts.
pub const HTTP_RESPONSE_HEADER: &str = "http.response.header.";

macro_rules! attributes {
    ($($origin:ident { $($(#[doc = $doc:literal])+ $name:ident = $key:literal: $ty:ident $(in $values:expr)?;)+ })+) => {
        $($($(#[doc = $doc])+ pub const $name: &str = $key;)+)+

        /// Every attribute this project may emit.
        pub static ALL: &[Attribute] = &[$($(Attribute {
            constant: stringify!($name),
            key: $key,
            ty: Type::$ty,
            brief: concat!($($doc),+).trim_ascii_start(),
            values: attributes!(@values $($values)?),
            origin: Origin::$origin,
        },)+)+];
    };
    (@values) => { &[] };
    (@values $values:expr) => { $values };
}

attributes! {
Standard {
    /// The original client's address, behind trusted proxies when known, else the peer's.
    CLIENT_ADDRESS = "client.address": String;
    /// The class of error the operation ended with; absent on success.
    ERROR_TYPE = "error.type": String;
    /// The exception's message, redacted.
    EXCEPTION_MESSAGE = "exception.message": String;
    /// Where the exception came from, if backtraces are switched on.
    EXCEPTION_STACKTRACE = "exception.stacktrace": String;
    /// The exception's type.
    EXCEPTION_TYPE = "exception.type": String;
    /// Payload bytes of the request that were read; on logs only.
    HTTP_REQUEST_BODY_SIZE = "http.request.body.size": Int;
    /// The request method, one of the known names or `_OTHER`.
    HTTP_REQUEST_METHOD = "http.request.method": String;
    /// The method as it stood on the request line, when it is not a known one.
    HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original": String;
    /// How many attempts of the same request came before this one; absent on the first.
    HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count": Int;
    /// Payload bytes of the response that were handed to the server; on logs only.
    HTTP_RESPONSE_BODY_SIZE = "http.response.body.size": Int;
    /// The response's status code.
    HTTP_RESPONSE_STATUS_CODE = "http.response.status_code": Int;
    /// The matched route template; absent when nothing matched.
    HTTP_ROUTE = "http.route": String;
    /// The socket peer's address.
    NETWORK_PEER_ADDRESS = "network.peer.address": String;
    /// The socket peer's port.
    NETWORK_PEER_PORT = "network.peer.port": Int;
    /// The protocol version: `1.0`, `1.1`, `2` or `3`.
    NETWORK_PROTOCOL_VERSION = "network.protocol.version": String in value::PROTOCOL_VERSIONS;
    /// The host the client asked for, without its port.
    SERVER_ADDRESS = "server.address": String;
    /// The port the client asked for.
    SERVER_PORT = "server.port": Int;
    /// The logical name of the service.
    SERVICE_NAME = "service.name": String;
    /// The unique id of this running instance.
    SERVICE_INSTANCE_ID = "service.instance.id": String;
    /// The version of the service.
    SERVICE_VERSION = "service.version": String;
    /// The id of a client session, on spans and logs only.
    SESSION_ID = "session.id": String;
    /// The id of the session that came before, on spans and logs only.
    SESSION_PREVIOUS_ID = "session.previous_id": String;
    /// The whole URL, without credentials and fragment, the values of its query redacted.
    URL_FULL = "url.full": String;
    /// The path of the URL.
    URL_PATH = "url.path": String;
    /// The query of the URL, its values redacted unless allowed.
    URL_QUERY = "url.query": String;
    /// The scheme of the URL.
    URL_SCHEME = "url.scheme": String;
    /// The user-agent header as sent.
    USER_AGENT_ORIGINAL = "user_agent.original": String;
    /// The database, by the conventions' names.
    DB_SYSTEM_NAME = "db.system.name": String;
    /// A low-cardinality summary of the query.
    DB_QUERY_SUMMARY = "db.query.summary": String;
    /// The collection the query works on.
    DB_COLLECTION_NAME = "db.collection.name": String;
    /// The database operation's name.
    DB_OPERATION_NAME = "db.operation.name": String;
    /// More attribute sets than the cap allows were folded into this one.
    OTEL_METRIC_OVERFLOW = "otel.metric.overflow": Bool;
    /// The fully qualified name of the called gRPC method.
    RPC_METHOD = "rpc.method": String;
    /// The status of the call, by its name.
    RPC_STATUS_CODE = "rpc.status_code": String;
    /// The RPC system.
    RPC_SYSTEM_NAME = "rpc.system.name": String;
    /// The source file.
    CODE_FILE_PATH = "code.file.path": String;
    /// The line of the source file.
    CODE_LINE_NUMBER = "code.line.number": Int;
    /// The function that wrote the line.
    CODE_FUNCTION_NAME = "code.function.name": String;
    /// The name of the thread.
    THREAD_NAME = "thread.name": String;
    /// The container's id.
    CONTAINER_ID = "container.id": String;
    /// The deployment environment.
    DEPLOYMENT_ENVIRONMENT_NAME = "deployment.environment.name": String;
    /// The CPU architecture.
    HOST_ARCH = "host.arch": String;
    /// The host's name.
    HOST_NAME = "host.name": String;
    /// The container's name in its pod.
    K8S_CONTAINER_NAME = "k8s.container.name": String;
    /// The pod's namespace.
    K8S_NAMESPACE_NAME = "k8s.namespace.name": String;
    /// The node the pod runs on.
    K8S_NODE_NAME = "k8s.node.name": String;
    /// The pod's name.
    K8S_POD_NAME = "k8s.pod.name": String;
    /// The pod's unique id.
    K8S_POD_UID = "k8s.pod.uid": String;
    /// The operating system's kind.
    OS_TYPE = "os.type": String;
    /// The name of a component of the telemetry itself.
    OTEL_COMPONENT_NAME = "otel.component.name": String;
    /// The kind of a component of the telemetry itself.
    OTEL_COMPONENT_TYPE = "otel.component.type": String;
    /// Whether the processor ran the program itself or the system for it.
    CPU_MODE = "cpu.mode": String in value::CPU_MODES;
    /// Read or written.
    DISK_IO_DIRECTION = "disk.io.direction": String in value::DISK_DIRECTIONS;
    /// When the process began, in RFC 3339.
    PROCESS_CREATION_TIME = "process.creation.time": String;
    /// The name of the executable's file.
    PROCESS_EXECUTABLE_NAME = "process.executable.name": String;
    /// The process's id.
    PROCESS_PID = "process.pid": Int;
    /// The namespace of the service's name.
    SERVICE_NAMESPACE = "service.namespace": String;
    /// The name of the distribution of the SDK.
    TELEMETRY_DISTRO_NAME = "telemetry.distro.name": String;
    /// The version of the distribution of the SDK.
    TELEMETRY_DISTRO_VERSION = "telemetry.distro.version": String;
    /// The language of the SDK.
    TELEMETRY_SDK_LANGUAGE = "telemetry.sdk.language": String;
    /// The name of the SDK.
    TELEMETRY_SDK_NAME = "telemetry.sdk.name": String;
    /// The version of the SDK.
    TELEMETRY_SDK_VERSION = "telemetry.sdk.version": String;
}
Own {
    /// What was done or tried: a fixed word of the application; on audit records only.
    CAMPANILE_AUDIT_ACTION = "campanile.audit.action": String;
    /// Who did it: a pseudonym, unless the application says that the plain name may leave; on audit records only.
    CAMPANILE_AUDIT_ACTOR = "campanile.audit.actor": String;
    /// How it ended (`outcome` in JSON); on audit records only.
    CAMPANILE_AUDIT_OUTCOME = "campanile.audit.outcome": String in value::AUDIT_OUTCOMES;
    /// The rule that decided; on audit records only.
    CAMPANILE_AUDIT_POLICY = "campanile.audit.policy": String;
    /// Why it was decided so; on audit records only.
    CAMPANILE_AUDIT_REASON = "campanile.audit.reason": String;
    /// What it was done to; on audit records only.
    CAMPANILE_AUDIT_TARGET = "campanile.audit.target": String;
    /// The part of the application a route belongs to: a closed set that the application declares.
    CAMPANILE_DOMAIN = "campanile.domain": String;
    /// How that ended which an event tells: one of the words declared with the event (`outcome` in JSON); on logs only.
    CAMPANILE_EVENT_OUTCOME = "campanile.event.outcome": String;
    /// The instrument whose cap was hit.
    CAMPANILE_INSTRUMENT_NAME = "campanile.instrument.name": String;
    /// How the exchange ended.
    CAMPANILE_OUTCOME = "campanile.outcome": String in value::OUTCOMES;
    /// Where the exchange ended: before or after its response head.
    CAMPANILE_PHASE = "campanile.phase": String in value::PHASES;
    /// From the request's head to its end, in seconds; on logs only.
    CAMPANILE_REQUEST_DURATION = "campanile.request.duration": Double;
    /// What a value was taken for that did not leave.
    CAMPANILE_REDACTION_KIND = "campanile.redaction.kind": String in value::REDACTION_KINDS;
    /// The id of the request, at most 64 visible ASCII characters.
    CAMPANILE_REQUEST_ID = "campanile.request.id": String;
    /// How many live connections a message was handed to; on spans and logs only.
    CHAT_RECIPIENT_COUNT = "chat.recipient.count": Int;
    /// The room a message belongs to; on spans and logs only.
    CHAT_ROOM_ID = "chat.room.id": String;
    /// Why the span was kept or left out.
    CAMPANILE_SAMPLING_REASON = "campanile.sampling.reason": String in value::SAMPLING_REASONS;
    /// Whether the span was kept.
    CAMPANILE_SAMPLING_RESULT = "campanile.sampling.result": String in value::SAMPLING_RESULTS;
    /// The declared name of the WebSocket endpoint.
    WEBSOCKET_ENDPOINT = "websocket.endpoint": String;
    /// Which side of the connection this process is.
    WEBSOCKET_ROLE = "websocket.role": String in value::WEBSOCKET_ROLES;
    /// The class of the close code.
    WEBSOCKET_CLOSE_CLASS = "websocket.close.class": String in value::WEBSOCKET_CLOSE_CLASSES;
    /// Why the connection ended.
    WEBSOCKET_CLOSE_CAUSE = "websocket.close.cause": String in value::WEBSOCKET_CLOSE_CAUSES;
    /// The close code as sent or received; on spans and logs only.
    WEBSOCKET_CLOSE_CODE = "websocket.close.code": Int;
    /// Who closed first; on spans and logs only.
    WEBSOCKET_CLOSE_INITIATOR = "websocket.close.initiator": String in value::WEBSOCKET_CLOSE_INITIATORS;
    /// The direction of a message, as this process sees it.
    WEBSOCKET_MESSAGE_DIRECTION = "websocket.message.direction": String in value::WEBSOCKET_DIRECTIONS;
    /// The kind of a message.
    WEBSOCKET_MESSAGE_TYPE = "websocket.message.type": String in value::WEBSOCKET_MESSAGE_TYPES;
    /// The declared class of a message.
    WEBSOCKET_MESSAGE_CLASS = "websocket.message.class": String;
    /// How far a message had come when its age was taken.
    WEBSOCKET_DELIVERY_STAGE = "websocket.delivery.stage": String in value::WEBSOCKET_DELIVERY_STAGES;
    /// What became of a message.
    WEBSOCKET_DELIVERY_OUTCOME = "websocket.delivery.outcome": String in value::WEBSOCKET_DELIVERY_OUTCOMES;
    /// What became of an attempt to resume a session.
    WEBSOCKET_RESUME_RESULT = "websocket.resume.result": String in value::WEBSOCKET_RESUME_RESULTS;
    /// How a session ended for good.
    WEBSOCKET_SESSION_END = "websocket.session.end": String in value::WEBSOCKET_SESSION_ENDS;
    /// What was asked of the session store.
    WEBSOCKET_STORE_OPERATION = "websocket.store.operation": String in value::WEBSOCKET_STORE_OPERATIONS;
    /// Why a connection was not admitted.
    WEBSOCKET_ADMISSION_REASON = "websocket.admission.reason": String in value::WEBSOCKET_ADMISSION_REASONS;
    /// The number of the connection within its session, from 1; on spans and logs only.
    WEBSOCKET_CONNECTION_SEQUENCE = "websocket.connection.sequence": Int;
    /// Messages that a resume sent again; on spans and logs only.
    WEBSOCKET_REPLAYED_COUNT = "websocket.replayed.count": Int;
    /// Messages known to be lost when a session resumed or ended; on spans and logs only.
    WEBSOCKET_LOST_COUNT = "websocket.lost.count": Int;
    /// Seconds from the last byte of the old connection to the new hello; on spans and logs only.
    WEBSOCKET_GAP_TIME = "websocket.gap.time": Double;
    /// Connections that were closed; on spans and logs only.
    WEBSOCKET_CLOSED_COUNT = "websocket.closed.count": Int;
    /// Connections that are still open; on spans and logs only.
    WEBSOCKET_REMAINING_COUNT = "websocket.remaining.count": Int;
    /// Which clock disagreed.
    WEBSOCKET_CLOCK_SOURCE = "websocket.clock.source": String in value::WEBSOCKET_CLOCK_SOURCES;
    /// Messages that waited when the connection ended; on spans and logs only.
    WEBSOCKET_PENDING_COUNT = "websocket.pending.count": Int;
    /// The last measured round trip in seconds; on spans and logs only.
    WEBSOCKET_ROUND_TRIP_TIME = "websocket.round_trip.time": Double;
    /// Messages received over the connection's life; on spans and logs only.
    WEBSOCKET_RECEIVED_COUNT = "websocket.received.count": Int;
    /// Messages sent over the connection's life; on spans and logs only.
    WEBSOCKET_TRANSMITTED_COUNT = "websocket.transmitted.count": Int;
}
}
