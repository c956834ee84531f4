//! Names of the spans that are ours to name.
//!
//! An HTTP span is named by the semantic conventions: `{method} {route}`.

/// One span of ours.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The name on the wire.
    pub name: &'static str,
    /// When it is made, in one sentence.
    pub brief: &'static str,
}

macro_rules! spans {
    ($($(#[doc = $doc:literal])+ $name:ident = $wire:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = $wire;)+

        /// Every span with a name of ours.
        pub static ALL: &[Span] = &[$(Span {
            name: $wire,
            brief: concat!($($doc),+).trim_ascii_start(),
        },)+];
    };
}

spans! {
    /// A stored message was handed to every live connection.
    CHAT_FAN_OUT = "chat.fan_out";
    /// A message was checked and written to the database.
    CHAT_STORE_MESSAGE = "chat.store_message";
    /// A query had to wait for a connection of the pool.
    CHAT_POOL_ACQUIRE = "chat.pool.acquire";
    /// A WebSocket connection was established; linked to its upgrade request.
    WEBSOCKET_CONNECT = "websocket.connect";
    /// A WebSocket connection ended; linked to its connect span and its upgrade request.
    WEBSOCKET_DISCONNECT = "websocket.disconnect";
    /// A WebSocket connection took a session up again; linked to the session's previous span, be it on
    /// another node.
    WEBSOCKET_RESUME = "websocket.resume";
    /// A session's window ended without a return; linked to its disconnect span.
    WEBSOCKET_EXPIRE = "websocket.expire";
    /// The process sent its WebSocket clients away, from the first to the last.
    WEBSOCKET_DRAIN = "websocket.drain";
    /// Messages to a WebSocket peer waited far too long; linked to its connect span.
    WEBSOCKET_STALL = "websocket.stall";
}
