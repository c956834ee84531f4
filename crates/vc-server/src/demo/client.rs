//! The simulated people's way to the server: plain HTTP and WebSocket clients.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode, header};
use futures_util::stream;
use http_body_util::BodyExt;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long a person waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A live connection.
pub(super) type Live = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Clones share their connections.
#[derive(Clone)]
pub(super) struct Client {
    http: legacy::Client<HttpConnector, Body>,
    /// Without the slash at its end.
    url: String,
}

impl Client {
    pub(super) fn new(url: &str) -> Self {
        Self {
            http: legacy::Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build_http(),
            url: url.trim_end_matches('/').to_owned(),
        }
    }

    /// Reads `path` to its end.
    pub(super) async fn get(&self, path: &str) -> Option<(StatusCode, Bytes)> {
        self.send(Method::GET, path, Body::empty()).await
    }

    /// Sends JSON to `path`.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Option<(StatusCode, Bytes)> {
        self.send(Method::POST, path, Body::from(body.to_string()))
            .await
    }

    /// Sends JSON to `path` as a bad line does: in pieces, with pauses.
    pub(super) async fn post_slowly(
        &self,
        path: &str,
        body: &Value,
    ) -> Option<(StatusCode, Bytes)> {
        let bytes = Bytes::from(body.to_string());
        let pieces = stream::unfold(bytes, |mut rest| async move {
            if rest.is_empty() {
                return None;
            }
            let piece = rest.split_to(rest.len().min(24));
            super::pause(0.1, 0.3).await;
            Some((Ok::<_, Infallible>(piece), rest))
        });
        self.send(Method::POST, path, Body::from_stream(pieces))
            .await
    }

    /// Asks for `path` and goes away before the answer.
    pub(super) async fn hang_up(&self, path: &str) {
        let asking = self.send(
            Method::POST,
            path,
            Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()),
        );
        let _ = tokio::time::timeout(Duration::from_millis(300), asking).await;
    }

    /// Connects live under this name.
    pub(super) async fn connect(&self, name: &str) -> Result<Live, tungstenite::Error> {
        let name: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let address = self.url.replacen("http", "ws", 1);
        let (socket, _) = connect_async(format!("{address}/live?author={name}")).await?;
        Ok(socket)
    }

    /// `None` when the server cannot be reached: there is nobody to complain to.
    async fn send(&self, method: Method, path: &str, body: Body) -> Option<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "vc-server-demo")
            .body(body)
            .ok()?;
        let exchange = async {
            let response = self.http.request(request).await.ok()?;
            let status = response.status();
            let body = response.into_body().collect().await.ok()?;
            Some((status, body.to_bytes()))
        };
        tokio::time::timeout(PATIENCE, exchange).await.ok()?
    }
}
