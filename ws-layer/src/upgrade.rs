//! The extractor that takes the place of axum's `WebSocketUpgrade`.

mod hello;
mod offered;
mod opening;
mod routed;

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
use campanile_recorder::{Handle, Route, Seed};
use campanile_semconv::header as names;
use opentelemetry::Context;
use opentelemetry::context::FutureExt;

use self::routed::Routed;
use crate::connection::outliving;
use crate::endpoint::Reject;
use crate::handshake::{Handshake, Refusal};
use crate::resume::Rung;
use crate::resume::attempt::{Ask, Attempt, Who};
use crate::resume::wire;
use crate::{Role, Session, Sessions};
use offered::Offered;
use opening::Opening;

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
    principal: Option<Box<[u8]>>,
    /// What the client asks for in a header, and the attempt that it makes by that.
    ask: Option<Ask>,
    attempt: Option<Attempt>,
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
        let ask = sessions.hub().and_then(|hub| {
            let header = parts.headers.get(names::WS_RESUME)?;
            Some(Ask::from_header(header.to_str().unwrap_or(""), hub.now()))
        });
        let brings = ask.as_ref().is_some_and(|ask| ask.token.is_some());
        let attempt = brings.then(|| Attempt::begin(&sessions, handshake.endpoint()));
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
            principal: None,
            ask,
            attempt,
        })
    }
}

impl<F> Upgrade<F> {
    /// Names the endpoint in every signal (`websocket.endpoint`). Default: `default`. A process
    /// keeps 8 names; later ones are counted as `_other`.
    pub fn endpoint(mut self, name: &'static str) -> Self {
        self.handshake.set_endpoint(name);
        if let Some(attempt) = &mut self.attempt {
            attempt.set_endpoint(name);
        }
        self
    }

    /// Names whom the session belongs to, once the handler knows it, and so lets it be resumed where
    /// the sessions are set up for that ([`Builder::resume`](crate::Builder::resume)) and the client
    /// asks for it: a token is good for its principal only. Any bytes that tell one principal from
    /// another: a user's id, or a device's. They are not kept in the open outside this process.
    ///
    /// Implies [`with_hello`](Self::with_hello). Without it a session ends with its connection.
    pub fn principal(mut self, id: impl AsRef<[u8]>) -> Self {
        self.principal = Some(id.as_ref().into());
        self.hello = true;
        self
    }

    /// A hello is awaited where no header has said what it would.
    fn awaits_hello(&self) -> bool {
        let is_said = self.ask.as_ref().is_some_and(|ask| !ask.awaits_seq);
        self.hello && self.offered.contract && !is_said
    }

    /// Whether the client brought a valid token.
    fn returns(&self) -> bool {
        let parts = (self.sessions.hub(), &self.ask, &self.principal);
        let (Some(hub), Some(ask), Some(principal)) = parts else {
            return false;
        };
        let endpoint = self.handshake.endpoint();
        ask.returns(
            hub,
            Who {
                principal,
                endpoint,
            },
        )
    }

    /// What a client asks for counts only where sessions may be resumed.
    fn judged(mut self) -> Self {
        if self.principal.is_none() || self.sessions.hub().is_none() {
            self.principal = None;
            self.ask = None;
            if let Some(mut attempt) = self.attempt.take() {
                attempt.expect(None);
            }
        }
        if let Some(ask) = &mut self.ask
            && ask.awaits_seq
            && !self.offered.contract
        {
            // Nothing will say the rest.
            ask.token = Some(String::new());
            ask.awaits_seq = false;
        }
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
        if let Some(attempt) = &mut self.attempt {
            attempt.expect(Some(match response.status().as_u16() {
                401 | 403 => Rung::Unauthorized,
                429 | 503 => Rung::Overloaded,
                _ => Rung::HandshakeFailed,
            }));
        }
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
            principal: self.principal,
            ask: self.ask,
            attempt: self.attempt,
        }
    }

    /// Answers the upgrade, and runs `handler` with the session in a task of its own.
    ///
    /// The context of the upgrade request, and its route with the declared domain, are current while
    /// the handler's future is polled. While the process drains, has its [`max_connections`](crate::Builder::max_connections), or is past
    /// its [`admission`](crate::Builder::admission), the answer is `503` with `Retry-After` and the
    /// handler does not run. A client that speaks the wire contract at a resumable endpoint is told
    /// of drain and admission by a close frame (1012, 1013), which a browser can read.
    #[must_use = "to set up the WebSocket connection, this response must be returned"]
    pub fn on_session<H, Fut>(self, handler: H) -> Response
    where
        H: FnOnce(Session) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
        F: OnFailedUpgrade,
    {
        let this = self.judged();
        // A browser cannot read a refused handshake: it is told by a close frame.
        let awaits_hello = this.awaits_hello();
        let is_told_later = this.principal.is_some() && awaits_hello;
        if !is_told_later && let Some(turned) = this.sessions.turn_away(this.returns()) {
            this.handshake.reject(turned.reason);
            let retry_after = [(RETRY_AFTER, turned.seconds().to_string())];
            return this.refuse((StatusCode::SERVICE_UNAVAILABLE, retry_after));
        }
        let Some(admitted) = this.sessions.admit() else {
            this.handshake.reject(Reject::Limit);
            let retry_after = [(RETRY_AFTER, RETRY_AFTER_SECONDS)];
            return this.refuse((StatusCode::SERVICE_UNAVAILABLE, retry_after));
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
            hello: _,
            is_parent,
            principal,
            ask,
            attempt,
        } = this;
        if offered.contract && inner.selected_protocol().is_none() {
            // A browser fails the handshake unless one of its offers is selected.
            inner.set_selected_protocol(HeaderValue::from_static(offered::CONTRACT));
        }
        handshake.expect(Refusal::UpgradeFailed);
        let context = outliving(&context);
        let route = Route::current();
        let is_welcomed = ask.is_some();
        let opening = Opening {
            sessions,
            handshake,
            seen,
            version,
            context: context.clone(),
            recorder,
            offered,
            hello: awaits_hello,
            is_parent,
            principal,
            ask,
            attempt,
            is_told_later,
        };
        let mut response = inner.on_upgrade(move |mut socket| {
            let served = async move {
                let connection = opening.open(&mut socket).await;
                drop(admitted);
                if let Some(connection) = connection {
                    handler(Session::new(socket, connection)).await;
                }
            };
            Routed::new(route, served.with_context(context))
        });
        if is_welcomed {
            let welcome = HeaderValue::from_static(wire::WELCOME);
            response.headers_mut().insert(names::WS_SESSION, welcome);
        }
        response
    }

    fn map(mut self, change: impl FnOnce(WebSocketUpgrade<F>) -> WebSocketUpgrade<F>) -> Self {
        self.inner = change(self.inner);
        self
    }
}
