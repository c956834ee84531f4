//! Opens WebSockets whose handshake carries the caller's trace context.

use std::time::SystemTime;

use opentelemetry::Context;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::handshake::{Handshake, Refusal};
use crate::message::implement;
use crate::{Observe, Role, Session, Sessions, observe};

/// The socket of a session that a [`Connector`] opened.
pub type ClientSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens WebSockets with tokio-tungstenite 0.30.
///
/// ```no_run
/// # async fn run(sessions: campanile_ws::Sessions) -> Result<(), Box<dyn std::error::Error>> {
/// use campanile_ws::Connector;
///
/// let connector = Connector::new(&sessions).endpoint("upstream");
/// let (mut session, _response) = connector.connect("ws://127.0.0.1:9000/live").await?;
/// while let Some(message) = session.recv().await {
///     let _ = message?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connector {
    sessions: Sessions,
    endpoint: &'static str,
    config: Option<WebSocketConfig>,
    pings: bool,
}

impl Connector {
    /// Reports to `sessions`, as the client side.
    pub fn new(sessions: &Sessions) -> Self {
        Self {
            sessions: sessions.clone(),
            endpoint: crate::observe::DEFAULT_ENDPOINT,
            config: None,
            pings: false,
        }
    }

    /// Names the endpoint. Default: `default`.
    pub fn endpoint(mut self, name: &'static str) -> Self {
        self.endpoint = name;
        self
    }

    /// Sets tungstenite's limits and buffers. Default: its own.
    pub fn config(mut self, config: WebSocketConfig) -> Self {
        self.config = Some(config);
        self
    }

    /// Lets the session ping its peer. Default: no frame is added.
    pub fn with_pings(mut self) -> Self {
        self.pings = true;
        self
    }

    /// Opens a connection. The current context goes out in the headers of the handshake
    /// (`traceparent`, `tracestate`) and is what the session's spans link to.
    ///
    /// # Errors
    /// Those of tungstenite, untouched.
    pub async fn connect(
        &self,
        request: impl IntoClientRequest + Unpin,
    ) -> Result<(Session<ClientSocket>, Response), Error> {
        let (observed, response) = self.open(request).await?;
        Ok((observed.start(), response))
    }

    /// Opens a connection that is not observed yet.
    pub(crate) async fn open(
        &self,
        request: impl IntoClientRequest + Unpin,
    ) -> Result<(Observe<ClientSocket>, Response), Error> {
        let seen = SystemTime::now();
        let mut handshake = Handshake::begin(&self.sessions, Role::Client, Refusal::UpgradeFailed);
        handshake.set_endpoint(self.endpoint);
        let context = Context::current();
        let mut request = request.into_client_request()?;
        let formats = self.sessions.recorder().formats();
        formats.inject(&context, request.headers_mut());
        let opened = connect_async_with_config(request, self.config, false).await;
        let (socket, response) = opened.inspect_err(|error| {
            if let Error::Http(response) = error {
                handshake.expect(match response.status().as_u16() {
                    401 | 403 => Refusal::Auth,
                    429 | 503 => Refusal::Limit,
                    400..=499 => Refusal::BadRequest,
                    _ => Refusal::Rejected,
                });
            }
        })?;
        handshake.succeed();
        let mut observed = observe(socket, &self.sessions)
            .endpoint(self.endpoint)
            .role(Role::Client)
            .context(context)
            .since(seen);
        if self.pings {
            observed = observed.with_pings();
        }
        Ok((observed, response))
    }
}

implement!(tokio_tungstenite::tungstenite, Message);
