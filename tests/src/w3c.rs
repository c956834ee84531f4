//! The service that the public W3C Trace Context validation harness talks to.
//!
//! `POST /` brings a JSON list of `{"url", "arguments"}`. For each entry in order, `arguments` is
//! posted as JSON to `url`; then comes a 200. Context comes in through `ServerLayer` and goes out
//! through `ClientLayer`, so the harness sees nothing but ours.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use campanile::http::client::{ByChain, Client};
use campanile::http::{ClientLayer, ServerLayer};
use campanile::recorder::{Handle, Source, Stock};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
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

/// An SDK that samples by `sampler` and exports nothing.
pub fn silent(sampler: Sampler) -> Handle {
    let tracer = SdkTracerProvider::builder().with_sampler(sampler).build();
    let meter = SdkMeterProvider::builder().build();
    Handle::new(Stock::new(tracer.tracer("w3c"), meter.meter("w3c")))
}
