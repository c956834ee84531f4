//! The extractor that takes the place of axum's `WebSocketUpgrade`.

use std::borrow::Cow;
use std::future::Future;
use std::time::SystemTime;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{DefaultOnFailedUpgrade, OnFailedUpgrade, WebSocketUpgrade};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use campanile_recorder::{Handle, Seed};
use campanile_semconv::attribute as key;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};

use crate::connection::{Beginning, Connection};
use crate::{Role, Session, Sessions};

/// The endpoint's name when the application gives none.
const DEFAULT_ENDPOINT: &str = "default";

/// Upgrades a request to a WebSocket whose [`Session`] is observed.
///
/// Works for HTTP/1.1 (`GET`, 101) and HTTP/2 (extended `CONNECT`, 200): route it with
/// [`any`](axum::routing::any). The router's state must hold a [`Sessions`].
///
/// ```
/// use axum::response::Response;
/// use campanile_ws::Upgrade;
///
/// async fn live(upgrade: Upgrade) -> Response {
///     upgrade
///         .endpoint("live")
///         .protocols(["chat.v1"])
///         .max_message_size(64 * 1024)
///         .on_session(|mut session| async move {
///             while let Some(Ok(message)) = session.recv().await {
///                 // answer it
/// #               let _ = message;
///             }
///         })
/// }
/// # let _ = live;
/// ```
#[derive(Debug)]
#[must_use = "to set up the WebSocket connection, return what `on_session` returns"]
pub struct Upgrade<F = DefaultOnFailedUpgrade> {
    inner: WebSocketUpgrade<F>,
    sessions: Sessions,
    endpoint: &'static str,
    seen: SystemTime,
    version: Version,
    context: Context,
    recorder: Handle,
}

impl<S> FromRequestParts<S> for Upgrade
where
    Sessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let sessions = Sessions::from_ref(state);
        let seen = SystemTime::now();
        let inner = WebSocketUpgrade::from_request_parts(parts, state).await?;
        let (context, recorder) = match parts.extensions.get::<Seed>() {
            Some(seed) => (seed.context.clone(), seed.recorder.clone()),
            None => (Context::current(), sessions.recorder().clone()),
        };
        Ok(Self {
            inner,
            sessions,
            endpoint: DEFAULT_ENDPOINT,
            seen,
            version: parts.version,
            context,
            recorder,
        })
    }
}

impl<F> Upgrade<F> {
    /// Names the endpoint in every signal (`websocket.endpoint`). Default: `default`. A process
    /// keeps 8 names; later ones are counted as `_other`.
    pub fn endpoint(mut self, name: &'static str) -> Self {
        self.endpoint = name;
        self
    }

    /// Selects the first of `protocols` that the client asked for.
    pub fn protocols<I>(self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Cow<'static, str>>,
    {
        self.map(|inner| inner.protocols(protocols))
    }

    /// The subprotocols that the client asked for.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &HeaderValue> {
        self.inner.requested_protocols()
    }

    /// The subprotocol that was selected.
    pub fn selected_protocol(&self) -> Option<&HeaderValue> {
        self.inner.selected_protocol()
    }

    /// Limits the size of a message, in bytes. Default: 64 MiB.
    pub fn max_message_size(self, max: usize) -> Self {
        self.map(|inner| inner.max_message_size(max))
    }

    /// Limits the size of a frame, in bytes. Default: 16 MiB.
    pub fn max_frame_size(self, max: usize) -> Self {
        self.map(|inner| inner.max_frame_size(max))
    }

    /// Sizes the read buffer, in bytes, for each connection. Default: 128 KiB.
    pub fn read_buffer_size(self, size: usize) -> Self {
        self.map(|inner| inner.read_buffer_size(size))
    }

    /// Sizes the write buffer, in bytes, for each connection. Default: 128 KiB.
    pub fn write_buffer_size(self, size: usize) -> Self {
        self.map(|inner| inner.write_buffer_size(size))
    }

    /// Limits the write buffer, in bytes. Default: no limit, so that a peer that does not read
    /// makes memory grow for as long as the application sends.
    pub fn max_write_buffer_size(self, max: usize) -> Self {
        self.map(|inner| inner.max_write_buffer_size(max))
    }

    /// Calls `hook` when the connection is lost before its upgrade is complete. Default: nothing.
    pub fn on_failed_upgrade<C: OnFailedUpgrade>(self, hook: C) -> Upgrade<C> {
        Upgrade {
            inner: self.inner.on_failed_upgrade(hook),
            sessions: self.sessions,
            endpoint: self.endpoint,
            seen: self.seen,
            version: self.version,
            context: self.context,
            recorder: self.recorder,
        }
    }

    /// Answers the upgrade, and runs `handler` with the session in a task of its own.
    ///
    /// The context of the upgrade request is current while the handler's future is polled. While
    /// the process drains, the answer is `503` and the handler does not run.
    #[must_use = "to set up the WebSocket connection, this response must be returned"]
    pub fn on_session<H, Fut>(self, handler: H) -> Response
    where
        H: FnOnce(Session) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
        F: OnFailedUpgrade,
    {
        if self.sessions.is_draining() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let upgrade = self.context.span().span_context().clone();
        // The span itself has ended by then, and must not be kept alive by the socket.
        let context = self.context.with_remote_span_context(upgrade.clone());
        let (sessions, recorder) = (self.sessions, self.recorder);
        let (endpoint, seen, version) = (self.endpoint, self.seen, self.version);
        drop(self.context);
        self.inner.on_upgrade(move |socket| {
            let beginning = Beginning {
                seen,
                upgrade,
                recorder,
                series: sessions.series(endpoint, Role::Server),
                attributes: version_attribute(version).into_iter().collect(),
            };
            let connection = Connection::begin(&sessions, beginning);
            let session = Session::new(socket, connection, context.clone());
            let attached = context.clone().attach();
            let handled = handler(session);
            drop(attached);
            handled.with_context(context)
        })
    }

    fn map(mut self, change: impl FnOnce(WebSocketUpgrade<F>) -> WebSocketUpgrade<F>) -> Self {
        self.inner = change(self.inner);
        self
    }
}

fn version_attribute(version: Version) -> Option<KeyValue> {
    let text = match version {
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        _ => return None,
    };
    Some(KeyValue::new(key::NETWORK_PROTOCOL_VERSION, text))
}
