//! A server in this process, and a client for it.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use campanile::Telemetry;
use campanile_otlp_receiver::Receiver;
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use vc_server::App;
use vc_server::store::Store;

/// A running server on a free port.
pub struct Server {
    pub address: SocketAddr,
    // Before the receiver, so that its last export finds somebody.
    pub telemetry: Telemetry,
    pub receiver: Receiver,
    pub database: PathBuf,
    client: Client<HttpConnector, Body>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The status and the field of a problem, after checking that it is one.
    pub fn problem(&self) -> (u16, Option<String>) {
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        assert!(!body["detail"].as_str().unwrap().is_empty());
        let field = body["field"].as_str().map(str::to_owned);
        (self.status.as_u16(), field)
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::with_live_page(None).await
    }

    pub async fn with_live_page(url: Option<&str>) -> Self {
        let receiver = Receiver::start().await.unwrap();
        let telemetry = Telemetry::for_test(&receiver);
        let store = Store::temporary().await.unwrap();
        let database = store.path().to_owned();
        let app = App::new(store, &telemetry, url).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = app.router(&telemetry);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = async move { axum::serve(listener, service).await };
        tokio::spawn(serving);
        Self {
            address,
            telemetry,
            receiver,
            database,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(path).body(Body::empty()).unwrap())
            .await
    }

    pub async fn post(&self, path: &str, body: impl ToString) -> Answer {
        let request = self
            .request(path)
            .method("POST")
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    pub fn request(&self, path: &str) -> axum::http::request::Builder {
        Request::builder().uri(format!("http://{}{path}", self.address))
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.client.request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}
