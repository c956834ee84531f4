//! The service that the public W3C Trace Context validation harness talks to.
//!
//! `POST /` brings a JSON list of `{"url", "arguments"}`. For each entry in order, `arguments` is
//! posted as JSON to `url`; then comes a 200. Context comes in through `ServerLayer` and goes out
//! through `ClientLayer`, so the harness sees nothing but ours.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use campanile::Telemetry;
use campanile::http::client::{ByChain, Client};
use campanile::http::{ClientLayer, ServerLayer};
use campanile::logs::Sink;
use campanile::recorder::{Handle, Source};
use campanile_otlp_receiver::Receiver;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::Value;
use tower::{Layer, ServiceExt};

type HttpClient = Client<legacy::Client<HttpConnector, Body>, ByChain>;

/// One callback that the harness asks for.
#[derive(Debug, Deserialize)]
struct Errand {
    url: String,
    #[serde(default)]
    arguments: Value,
}

/// The service, reporting to `source`.
pub fn app(source: &impl Source) -> Router {
    bare(source).layer(ServerLayer::new(source))
}

/// The same without its `ServerLayer`.
pub fn bare(source: &impl Source) -> Router {
    let client = legacy::Client::builder(TokioExecutor::new()).build_http();
    let client = ClientLayer::new(source).layer(client);
    Router::new().route("/", post(run)).with_state(client)
}

/// Does the errands in order. One that fails is for the harness to miss.
async fn run(State(client): State<HttpClient>, Json(errands): Json<Vec<Errand>>) -> StatusCode {
    for errand in errands {
        let request = Request::post(&errand.url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(errand.arguments.to_string()));
        let Ok(request) = request else {
            return StatusCode::BAD_REQUEST;
        };
        if let Err(error) = client.clone().oneshot(request).await {
            eprintln!("{}: {error}", errand.url);
        }
    }
    StatusCode::OK
}

/// A telemetry pipeline, and a receiver in this process for what it exports.
#[derive(Debug)]
pub struct Pipeline {
    telemetry: Telemetry,
    /// Kept, as long as there may be something to receive.
    _receiver: Receiver,
}

impl Pipeline {
    /// Samples by this value of `OTEL_TRACES_SAMPLER`. It is the lean pipeline, unless
    /// `CAMPANILE_PIPELINE` says otherwise.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn start(sampler: &str) -> io::Result<Self> {
        let receiver = Receiver::start().await.map_err(io::Error::other)?;
        let telemetry = Telemetry::from_env("w3c")
            .environment(|name| match name {
                "CAMPANILE_PIPELINE" => std::env::var(name).ok(),
                _ => None,
            })
            .default_endpoint(receiver.grpc_endpoint())
            .setting("OTEL_TRACES_SAMPLER", sampler)
            .drop_deadline(Duration::from_millis(500))
            .lines(Sink::nowhere())
            .build();
        Ok(Self {
            telemetry,
            _receiver: receiver,
        })
    }
}

impl Source for Pipeline {
    fn recorder(&self) -> Handle {
        self.telemetry.recorder()
    }
}
