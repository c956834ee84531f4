//! Real clients over real sockets: what they report when it goes wrong, and that nothing of theirs
//! is in the way of context and attributes.
#![allow(clippy::unwrap_used)]

mod common;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use campanile_http::ClientLayer;
use common::{Ended, Observed};
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::Status;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, Service, ServiceExt, service_fn};

/// Listens, and does `serve` with the first connection.
async fn peer<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await;
    });
    address
}

/// A peer that reads a little, writes `answer` and closes.
async fn says(answer: &'static [u8]) -> SocketAddr {
    peer(async move |mut stream| {
        stream
            .read_buf(&mut Vec::with_capacity(4096))
            .await
            .unwrap();
        stream.write_all(answer).await.unwrap();
    })
    .await
}

/// The same, but it waits until the other side closes.
async fn insists(answer: &'static [u8]) -> SocketAddr {
    peer(async move |mut stream| {
        stream
            .read_buf(&mut Vec::with_capacity(4096))
            .await
            .unwrap();
        stream.write_all(answer).await.unwrap();
        // an end of either kind will do
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap()
}

fn only_end(observed: &Observed) -> Ended {
    let mut ends = observed.ends();
    assert_eq!(ends.len(), 1);
    ends.remove(0)
}

/// Sends one request and gives its span; the answer of the client is its own business.
async fn send<S, B>(client: S, uri: String, body: B) -> Ended
where
    S: Service<Request<B>>,
    ClientLayer: Layer<S>,
    <ClientLayer as Layer<S>>::Service: Service<Request<B>, Error: std::error::Error>,
{
    let observed = Observed::new();
    let client = ClientLayer::new(&observed.handle).layer(client);
    let request = Request::get(uri).body(body).unwrap();
    if let Err(error) = client.oneshot(request).await {
        println!("{error:?}");
    }
    only_end(&observed)
}

#[tokio::test]
async fn a_response_of_hyper_tells_status_and_version() {
    let address = says(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let client = legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let end = send(client, format!("http://{address}/p"), Full::default()).await;
    let keys = [
        "http.response.status_code",
        "network.protocol.version",
        "error.type",
        "server.port",
    ];
    let port = address.port().to_string();
    assert_eq!(keys.map(|key| end.text(key)), ["404", "1.1", "404", &port]);
    assert_eq!(end.status(), Status::error(""));
}

#[tokio::test]
async fn faults_of_hyper_are_told_apart() {
    let plain = || legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let http2 = || {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.http2_only(true).build_http::<Full<Bytes>>()
    };
    let rows = [
        ("connect", plain(), nobody().await),
        ("closed", plain(), says(b"").await),
        ("closed", plain(), says(b"HTTP/1.1 200").await),
        (
            "protocol",
            plain(),
            insists(b"SSH-2.0-OpenSSH\r\n\r\n").await,
        ),
        (
            "protocol",
            plain(),
            insists(b"HTTP/1.1 200 OK\r\ncontent length: 1\r\n\r\n").await,
        ),
        (
            "protocol",
            http2(),
            insists(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await,
        ),
    ];
    for (expected, client, address) in rows {
        let end = send(client, format!("http://{address}/"), Full::default()).await;
        assert_eq!(end.text("error.type"), expected);
    }
}

#[tokio::test]
async fn a_name_that_is_not_resolved_is_dns() {
    let resolver = service_fn(async |_: Name| {
        Err::<std::iter::Empty<SocketAddr>, _>(io::Error::other("no such host"))
    });
    let connector = HttpConnector::new_with_resolver(resolver);
    let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let end = send(client, "http://a.example/".into(), Full::<Bytes>::default()).await;
    assert_eq!(end.text("error.type"), "dns");
}

#[tokio::test]
async fn a_failed_handshake_is_tls() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    // an alert "handshake failure", and something that is not TLS at all
    for answer in [
        &b"\x15\x03\x03\x00\x02\x02\x28"[..],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ] {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(config.clone())
            .https_only()
            .enable_http1()
            .build();
        let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
        let url = format!("https://{}/", insists(answer).await);
        let end = send(client, url, Full::<Bytes>::default()).await;
        assert_eq!(end.text("error.type"), "tls");
    }
}

#[tokio::test]
async fn a_tonic_channel_needs_its_origin_told_and_its_faults_are_told_apart() {
    for (expected, address) in [
        ("connect", nobody().await),
        ("closed", says(b"").await),
        (
            "protocol",
            insists(b"HTTP/1.1 400 Bad Request\r\n\r\n").await,
        ),
    ] {
        let origin: Uri = format!("http://{address}").parse().unwrap();
        let channel = tonic::transport::Endpoint::from(origin.clone()).connect_lazy();
        let observed = Observed::new();
        let client = ClientLayer::new(&observed.handle)
            .origin(origin)
            .layer(channel);
        let request = Request::post("/chat.Rooms/List");
        let request = request.body(tonic::body::Body::empty()).unwrap();
        let error = client.oneshot(request).await.unwrap_err();
        let end = only_end(&observed);
        assert_eq!(end.text("error.type"), expected, "{error:?}");
        assert_eq!(
            end.text("url.full"),
            format!("http://{address}/chat.Rooms/List")
        );
    }
}

#[cfg(feature = "reqwest")]
mod reqwest {
    use std::time::Duration;

    use super::*;

    async fn send(request: ::reqwest::RequestBuilder) -> Ended {
        let observed = Observed::new();
        let layer = ClientLayer::new(&observed.handle).body_sizes();
        let (client, request) = request.build_split();
        let sent = layer.layer(client).oneshot(request.unwrap()).await;
        if let Err(error) = sent {
            println!("{error:?}");
        }
        only_end(&observed)
    }

    #[tokio::test]
    async fn a_response_of_reqwest_tells_status_version_and_peer() {
        let address = says(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let url = format!("http://me:s3cr3t@{address}/p?token=s3cr3t#s3cr3t");
        let end = send(::reqwest::Client::new().get(url)).await;
        let keys = ["url.full", "http.response.status_code", "network.peer.port"];
        let (url, port) = (
            format!("http://{address}/p?token=REDACTED#REDACTED"),
            address.port().to_string(),
        );
        assert_eq!(keys.map(|key| end.text(key)), [&url, "200", &port]);
        assert_eq!(end.text("network.protocol.version"), "1.1");
    }

    #[tokio::test]
    async fn faults_of_reqwest_are_told_apart() {
        let silent = peer(async |mut stream| {
            // reads to the end, which comes when the client has given up
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        for (expected, address) in [
            ("timeout", silent.await),
            ("connect", nobody().await),
            ("closed", says(b"").await),
            ("protocol", insists(b"nonsense\r\n\r\n").await),
        ] {
            let deadline = if expected == "timeout" {
                Duration::from_millis(50)
            } else {
                Duration::from_secs(60)
            };
            let client = ::reqwest::Client::new();
            let end = send(client.get(format!("http://{address}/")).timeout(deadline)).await;
            assert_eq!(end.text("error.type"), expected);
        }
    }
}
