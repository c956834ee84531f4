//! The extractor that takes the place of axum's `WebSocketUpgrade`.

mod hello;
mod offered;

use std::borrow::Cow;
use std::future::Future;
use std::time::SystemTime;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{DefaultOnFailedUpgrade, OnFailedUpgrade, WebSocketUpgrade};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::RETRY_AFTER;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use campanile_recorder::{Handle, Seed};
use campanile_semconv::attribute as key;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use crate::connection::{Beginning, Connection};
use crate::handshake::{Handshake, Refusal};
use crate::{Role, Session, Sessions};
use hello::Hello;
use offered::Offered;

/// When a client that found no room may come again.
const RETRY_AFTER_SECONDS: &str = "5";

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
    handshake: Handshake,
    seen: SystemTime,
    version: Version,
    context: Context,
    recorder: Handle,
    offered: Offered,
    hello: bool,
    is_parent: bool,
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
        let mut handshake = Handshake::begin(&sessions, Role::Server, Refusal::BadRequest);
        let inner = WebSocketUpgrade::from_request_parts(parts, state).await?;
        handshake.expect(Refusal::Rejected);
        let mut offered = Offered::of(&parts.headers);
        let (context, recorder) = match parts.extensions.get::<Seed>() {
            Some(seed) => (seed.context.clone(), seed.recorder.clone()),
            None => {
                // No HTTP layer has looked at the header.
                offered.context = offered.context.or_else(|| offered::header(&parts.headers));
                (Context::current(), sessions.recorder().clone())
            }
        };
        Ok(Self {
            inner,
            sessions,
            handshake,
            seen,
            version: parts.version,
            context,
            recorder,
            offered,
            hello: false,
            is_parent: false,
        })
    }
}

impl<F> Upgrade<F> {
    /// Names the endpoint in every signal (`websocket.endpoint`). Default: `default`. A process
    /// keeps 8 names; later ones are counted as `_other`.
    pub fn endpoint(mut self, name: &'static str) -> Self {
        self.handshake.set_endpoint(name);
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

    /// Waits for a hello as the first frame, from clients that offer the subprotocol `wsobs.v1`:
    /// a browser can name its trace context there. See the wire contract in the guide.
    ///
    /// A client that does not offer it is served as ever. The first frame has 5 s and 4 KiB;
    /// without a proper hello the connection is closed (1008, 1007 or 1009) and no session begins.
    pub fn with_hello(mut self) -> Self {
        self.hello = true;
        self
    }

    /// Makes the spans of the session children of the span that the client names, where it names
    /// one: by subprotocol, in its hello (which outranks the former), or, where no HTTP layer reads
    /// it, in the `traceparent` header. For clients of your own: whoever chooses the parent chooses
    /// the trace, and with a parent-based sampler whether it is kept. Default: a link.
    pub fn client_as_parent(mut self) -> Self {
        self.is_parent = true;
        self
    }

    /// Answers with `response` instead of a session, and counts the handshake as rejected: by
    /// authentication (401, 403), by a limit (429, 503), or for another reason.
    pub fn refuse(mut self, response: impl IntoResponse) -> Response {
        let response = response.into_response();
        self.handshake.expect(match response.status().as_u16() {
            401 | 403 => Refusal::Auth,
            429 | 503 => Refusal::Limit,
            _ => Refusal::Rejected,
        });
        response
    }

    /// Selects a subprotocol by hand. It must be one that the client asked for.
    pub fn set_selected_protocol(&mut self, protocol: HeaderValue) {
        self.inner.set_selected_protocol(protocol);
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
            handshake: self.handshake,
            seen: self.seen,
            version: self.version,
            context: self.context,
            recorder: self.recorder,
            offered: self.offered,
            hello: self.hello,
            is_parent: self.is_parent,
        }
    }

    /// Answers the upgrade, and runs `handler` with the session in a task of its own.
    ///
    /// The context of the upgrade request is current while the handler's future is polled. While
    /// the process drains, or has its
    /// [`max_connections`](crate::Builder::max_connections), the answer is `503` and the handler
    /// does not run.
    #[must_use = "to set up the WebSocket connection, this response must be returned"]
    pub fn on_session<H, Fut>(self, handler: H) -> Response
    where
        H: FnOnce(Session) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
        F: OnFailedUpgrade,
    {
        if self.sessions.is_draining() {
            return self.refuse(StatusCode::SERVICE_UNAVAILABLE);
        }
        let Some(admitted) = self.sessions.admit() else {
            self.handshake.reject_by_limit();
            let retry_after = [(RETRY_AFTER, RETRY_AFTER_SECONDS)];
            return self.refuse((StatusCode::SERVICE_UNAVAILABLE, retry_after));
        };
        let Self {
            mut inner,
            sessions,
            mut handshake,
            seen,
            version,
            context,
            recorder,
            offered,
            hello,
            is_parent,
        } = self;
        if offered.contract && inner.selected_protocol().is_none() {
            // A browser fails the handshake unless one of its offers is selected.
            inner.set_selected_protocol(HeaderValue::from_static(offered::CONTRACT));
        }
        handshake.expect(Refusal::UpgradeFailed);
        let upgrade = context.span().span_context().clone();
        // The span itself has ended by then, and must not be kept alive by the socket.
        let context = context.with_remote_span_context(upgrade);
        let kept = context.clone();
        inner.on_upgrade(move |mut socket| {
            let served = async move {
                let id = fastrand::u128(1..);
                let mut also: Vec<SpanContext> = offered.context.into_iter().collect();
                if hello && offered.contract {
                    match hello::exchange(&mut socket, id).await {
                        Ok(Hello { context }) => {
                            also.extend(context.filter(|context| !also.contains(context)));
                        }
                        Err(refusal) => return handshake.expect(refusal),
                    }
                }
                // What was said last is nearest to the session.
                let parent = if is_parent { also.pop() } else { None };
                let beginning = Beginning {
                    seen,
                    context: kept,
                    parent,
                    also,
                    recorder,
                    series: sessions.series(handshake.endpoint(), Role::Server),
                    attributes: version_attribute(version).into_iter().collect(),
                    id,
                    pings: true,
                };
                let connection = Connection::begin(&sessions, beginning);
                drop(admitted);
                handshake.succeed();
                drop(sessions);
                handler(Session::new(socket, connection)).await;
            };
            served.with_context(context)
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
