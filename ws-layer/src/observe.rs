//! Observes any WebSocket stream, accepted or opened by whatever library.

use std::fmt;
use std::time::SystemTime;

use campanile_recorder::Handle;
use opentelemetry::Context;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;

use crate::connection::{Beginning, Connection, outliving};
use crate::{Role, Session, Sessions};

/// The endpoint's name when the application gives none.
pub(crate) const DEFAULT_ENDPOINT: &str = "default";

/// Observes `stream`: a `WebSocketStream` of tokio-tungstenite 0.29 (or, with the feature
/// `tungstenite-030`, 0.30), an axum `WebSocket`, or any stream and sink whose messages and errors
/// implement [`Message`](crate::Message) and [`Fault`](crate::Fault).
///
/// The session sends nothing of its own and changes no byte. The current context is taken as that
/// of the handshake.
///
/// ```
/// use campanile_ws::{Sessions, observe};
/// # fn wrap<S>(stream: S, sessions: &Sessions) -> campanile_ws::Session<S> {
/// observe(stream, sessions).endpoint("gateway").start()
/// # }
/// ```
pub fn observe<S>(stream: S, sessions: &Sessions) -> Observe<S> {
    Observe {
        stream,
        sessions: sessions.clone(),
        endpoint: DEFAULT_ENDPOINT,
        role: Role::Server,
        pings: false,
        context: Context::current(),
        recorder: sessions.recorder().clone(),
        seen: SystemTime::now(),
        also: Vec::new(),
        attributes: Vec::new(),
    }
}

/// A stream about to be observed; made by [`observe`].
#[must_use = "nothing is observed before `start`"]
pub struct Observe<S> {
    stream: S,
    sessions: Sessions,
    endpoint: &'static str,
    role: Role,
    pings: bool,
    context: Context,
    recorder: Handle,
    seen: SystemTime,
    also: Vec<SpanContext>,
    attributes: Vec<KeyValue>,
}

impl<S> Observe<S> {
    /// Names the endpoint. Default: `default`.
    pub fn endpoint(mut self, name: &'static str) -> Self {
        self.endpoint = name;
        self
    }

    /// Says which side this is. Default: [`Role::Server`].
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Sets the context of the handshake. Default: the current one.
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Lets the session ping its peer, as one from our `Upgrade` does: heartbeats, and barriers
    /// that make receipt known. Default: no frame is added.
    pub fn with_pings(mut self) -> Self {
        self.pings = true;
        self
    }

    /// Sets when the handshake began. Default: now.
    pub fn since(mut self, seen: SystemTime) -> Self {
        self.seen = seen;
        self
    }

    /// Says which connection of its client this is, from 1, and how the one before began.
    #[cfg(feature = "tungstenite-030")]
    pub(crate) fn follows(mut self, number: u32, before: Option<SpanContext>) -> Self {
        use campanile_semconv::attribute::WEBSOCKET_CONNECTION_SEQUENCE;

        let number = KeyValue::new(WEBSOCKET_CONNECTION_SEQUENCE, i64::from(number));
        self.attributes.push(number);
        self.also.extend(before);
        self
    }

    /// Begins.
    pub fn start(self) -> Session<S> {
        let context = outliving(&self.context);
        let beginning = Beginning {
            seen: self.seen,
            context,
            parent: None,
            also: self.also,
            recorder: self.recorder,
            series: self.sessions.series(self.endpoint, self.role),
            attributes: self.attributes,
            id: fastrand::u128(1..),
            pings: self.pings,
            arrival: None,
        };
        let connection = Connection::begin(&self.sessions, beginning);
        Session::new(self.stream, connection)
    }
}

impl<S> fmt::Debug for Observe<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observe")
            .field("endpoint", &self.endpoint)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
