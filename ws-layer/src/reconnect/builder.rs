//! What a reconnecting client is told before it begins.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::live::Reconnecting;
use super::pace::{Backoff, Random};
use crate::client::Connector;
use crate::observe::DEFAULT_ENDPOINT;
use crate::{Role, Sessions};

/// Changes the request of each attempt.
pub(super) type Prepare = Arc<dyn Fn(&mut Request<()>) + Send + Sync>;

/// Sets up a [`Reconnecting`] client.
#[must_use = "nothing is opened before `open`"]
pub struct ReconnectingBuilder {
    sessions: Sessions,
    url: String,
    endpoint: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    config: Option<WebSocketConfig>,
    pub(super) prepare: Option<Prepare>,
    pub(super) backoff: Backoff,
    pub(super) connect_timeout: Duration,
    pub(super) queue: usize,
    pub(super) attempts: Option<u32>,
    pub(super) give_up_after: Option<Duration>,
    pub(super) random: Random,
}

impl ReconnectingBuilder {
    pub(super) fn new(sessions: &Sessions, url: String) -> Self {
        Self {
            sessions: sessions.clone(),
            url,
            endpoint: DEFAULT_ENDPOINT,
            headers: Vec::new(),
            config: None,
            prepare: None,
            backoff: Backoff::default(),
            connect_timeout: Duration::from_secs(10),
            queue: 64,
            attempts: None,
            give_up_after: None,
            random: Arc::new(fastrand::f64),
        }
    }

    /// Names the endpoint in every signal. Default: `default`.
    pub fn endpoint(mut self, name: &'static str) -> Self {
        self.endpoint = name;
        self
    }

    /// Sends a header with every attempt.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Changes the request of each attempt just before it leaves: for credentials that are short of
    /// life. Default: nothing.
    pub fn prepare(mut self, change: impl Fn(&mut Request<()>) + Send + Sync + 'static) -> Self {
        self.prepare = Some(Arc::new(change));
        self
    }

    /// Sets tungstenite's limits and buffers. Default: its own.
    pub fn config(mut self, config: WebSocketConfig) -> Self {
        self.config = Some(config);
        self
    }

    /// How to come back, until a server's welcome says otherwise.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How long an attempt may take, from the name's look-up to the welcome. Default: 10 s.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// How many messages wait to be sent while there is no connection. Default: 64.
    pub fn queue(mut self, messages: usize) -> Self {
        self.queue = messages;
        self
    }

    /// Gives up after so many attempts in a row. Default: never.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Gives up when there has been no connection for so long. Default: never.
    pub fn give_up_after(mut self, time: Duration) -> Self {
        self.give_up_after = Some(time);
        self
    }

    /// Replaces the source of random numbers from 0 to 1, for tests.
    pub fn random(mut self, random: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Makes the client. The first attempt begins when it is polled; the current trace context is
    /// the one that every handshake carries.
    ///
    /// # Errors
    /// That of tungstenite for a URL that is none.
    pub fn open(self) -> Result<Reconnecting, Error> {
        let mut request = self.url.as_str().into_client_request()?;
        request.headers_mut().extend(self.headers.iter().cloned());
        let mut connector = Connector::new(&self.sessions)
            .endpoint(self.endpoint)
            .with_pings();
        if let Some(config) = self.config {
            connector = connector.config(config);
        }
        let series = self.sessions.series(self.endpoint, Role::Client);
        Ok(Reconnecting::new(self, request, connector, series))
    }
}

impl fmt::Debug for ReconnectingBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconnectingBuilder")
            .field("endpoint", &self.endpoint)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}
