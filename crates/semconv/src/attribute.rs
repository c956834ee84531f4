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
    /// The exception's type.
    EXCEPTION_TYPE = "exception.type": String;
    /// The request method, one of the known names or `_OTHER`.
    HTTP_REQUEST_METHOD = "http.request.method": String;
    /// The method as it stood on the request line, when it is not a known one.
    HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original": String;
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
    /// The function that wrote the line.
    CODE_FUNCTION_NAME = "code.function.name": String;
}
Own {
    /// The part of the application a route belongs to: a closed set that the application declares.
    CAMPANILE_DOMAIN = "campanile.domain": String;
    /// How the exchange ended.
    CAMPANILE_OUTCOME = "campanile.outcome": String in value::OUTCOMES;
    /// Where the exchange ended: before or after its response head.
    CAMPANILE_PHASE = "campanile.phase": String in value::PHASES;
    /// The id of the request, at most 64 visible ASCII characters.
    CAMPANILE_REQUEST_ID = "campanile.request.id": String;
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
    /// Messages received over the connection's life; on spans and logs only.
    WEBSOCKET_RECEIVED_COUNT = "websocket.received.count": Int;
    /// Messages sent over the connection's life; on spans and logs only.
    WEBSOCKET_TRANSMITTED_COUNT = "websocket.transmitted.count": Int;
}
}
