//! An axum server on a free port, its sessions reporting to a probe.

use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::any;
use campanile_recorder::{Method, Route, RouteKey, Seed};
use campanile_ws::{Session, Sessions, Upgrade};
use futures_util::StreamExt;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use opentelemetry::{Context, SpanId, TraceFlags, TraceId};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::probe::Probe;

pub type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub struct Server {
    pub address: SocketAddr,
    pub probe: Probe,
    pub sessions: Sessions,
}

/// The span that the upgrade requests of this server run in.
pub fn upgrade_span() -> SpanContext {
    SpanContext::new(
        TraceId::from(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128),
        SpanId::from(0x00f0_67aa_0ba9_02b7_u64),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    )
}

impl Server {
    /// Serves `/live` by `handler`, on requests that carry a seed.
    pub async fn start<H, F>(handler: H) -> Self
    where
        H: Fn(Session) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::route(move |upgrade: Upgrade| {
            let handler = handler.clone();
            async move { upgrade.endpoint("live").on_session(handler) }
        })
        .await
    }

    /// Serves `/live` by a whole upgrade handler.
    pub async fn route<H, F>(handler: H) -> Self
    where
        H: Fn(Upgrade) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        let probe = Probe::new();
        let sessions = Sessions::new(&probe.handle());
        Self::with(probe, sessions, handler).await
    }

    pub async fn with<H, F>(probe: Probe, sessions: Sessions, handler: H) -> Self
    where
        H: Fn(Upgrade) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        let seed = Seed {
            context: Context::new().with_remote_span_context(upgrade_span()),
            recorder: probe.handle(),
            route: Route::find(&RouteKey {
                method: Method::new("GET"),
                version: None,
                scheme: "http",
                template: None,
                domain: None,
            }),
        };
        Self::seeded(Some(seed), probe, sessions, handler).await
    }

    /// Serves with or without what the HTTP layer puts into the request.
    pub async fn seeded<H, F>(
        seed: Option<Seed>,
        probe: Probe,
        sessions: Sessions,
        handler: H,
    ) -> Self
    where
        H: Fn(Upgrade) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        let plant = move |mut request: Request, next: Next| {
            if let Some(seed) = seed.clone() {
                request.extensions_mut().insert(seed);
            }
            next.run(request)
        };
        let app = Router::new()
            .route("/live", any(handler))
            .layer(axum::middleware::from_fn(plant))
            .with_state(sessions.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            probe,
            sessions,
        }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/live", self.address)
    }

    pub async fn connect(&self) -> Client {
        tokio_tungstenite::connect_async(self.url())
            .await
            .unwrap()
            .0
    }

    /// Waits for the one disconnect span.
    pub async fn disconnected(&self) -> crate::probe::Seen {
        let name = campanile_semconv::span::WEBSOCKET_DISCONNECT;
        let ended = |probe: &Probe| !probe.moments(name).is_empty();
        self.probe.until("the disconnect span", ended).await;
        self.probe.moments(name).remove(0)
    }
}

pub async fn echo(mut session: Session) {
    while let Some(Ok(message)) = session.recv().await {
        let data = matches!(
            message,
            axum::extract::ws::Message::Text(_) | axum::extract::ws::Message::Binary(_)
        );
        if data && session.send(message).await.is_err() {
            break;
        }
    }
}

/// Reads to the end, errors and all.
pub async fn finish(client: &mut Client) {
    while let Some(Ok(_)) = client.next().await {}
}
