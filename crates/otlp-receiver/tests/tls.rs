//! TLS, over both versions of HTTP.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use campanile_otlp_receiver::{Receiver, Signal, Tls};
use common::{PROTOBUF, TRACE_EXPORT, framed, request};
use http::Request;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Opens a connection that speaks `protocol`, trusting `authority` and showing `identity`.
async fn connect(
    endpoint: &str,
    protocol: &str,
    authority: &str,
    identity: Option<(&str, &str)>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let address = endpoint.trim_start_matches("https://");
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

async fn post(stream: TlsStream<TcpStream>) -> hyper::Result<u16> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body = Full::new(Bytes::from(request(Signal::Traces, "a")));
    let request = Request::post("/v1/traces")
        .header("content-type", PROTOBUF)
        .header("host", "x");
    let response = sender.send_request(request.body(body).unwrap()).await?;
    Ok(response.status().as_u16())
}

#[tokio::test]
async fn both_protocols_arrive_through_tls() {
    let tls = Tls::for_localhost().unwrap();
    let receiver = Receiver::builder().tls(tls.clone()).start().await.unwrap();
    let authority = tls.authority_pem();
    assert!(receiver.grpc_endpoint().starts_with("https://127.0.0.1:"));

    let stream = connect(receiver.http_endpoint(), "http/1.1", authority, None)
        .await
        .unwrap();
    assert_eq!(post(stream).await.unwrap(), 200);

    let stream = connect(receiver.grpc_endpoint(), "h2", authority, None)
        .await
        .unwrap();
    let io = TokioIo::new(stream);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let body = Full::new(Bytes::from(framed(0, &request(Signal::Traces, "a"))));
    let call = Request::post(format!("https://localhost{TRACE_EXPORT}"));
    let call = call
        .header("content-type", "application/grpc")
        .body(body)
        .unwrap();
    assert_eq!(sender.send_request(call).await.unwrap().status(), 200);
    assert_eq!(receiver.spans().len(), 2);
}

#[tokio::test]
async fn plain_text_is_refused_and_counted() {
    let tls = Tls::for_localhost().unwrap();
    let receiver = Receiver::builder().tls(tls).start().await.unwrap();
    let url = format!(
        "{}/v1/traces",
        receiver.http_endpoint().replace("https", "http")
    );
    let body = request(Signal::Traces, "a");
    let sent = common::Sender::default()
        .post(&url, PROTOBUF, &[], body)
        .await;
    assert!(sent.is_err());
    let refused = receiver.wait_for(|seen| seen.traffic().last_unknown.clone());
    assert!(refused.await.unwrap().message.starts_with("no TLS session"));
}

#[tokio::test]
async fn only_clients_with_the_required_certificate_come_in() {
    let (server, client) = (Tls::for_localhost().unwrap(), Tls::for_localhost().unwrap());
    let tls = server.clone().require_clients_of(client.authority_pem());
    let receiver = Receiver::builder().tls(tls).start().await.unwrap();
    let endpoint = receiver.http_endpoint();
    // With TLS 1.3 the client hears of it at its first read.
    let stream = connect(endpoint, "http/1.1", server.authority_pem(), None).await;
    let refused = match stream {
        Ok(stream) => post(stream).await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    assert!(receiver.spans().is_empty());
    let identity = Some((client.authority_pem(), client.key_pem()));
    let stream = connect(endpoint, "http/1.1", server.authority_pem(), identity)
        .await
        .unwrap();
    assert_eq!(post(stream).await.unwrap(), 200);
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_named_at_the_start() {
    let tls = Tls::from_pem(Tls::for_localhost().unwrap().authority_pem(), "nonsense");
    let error = Receiver::builder().tls(tls).start().await.unwrap_err();
    assert!(error.to_string().contains("invalid TLS key"), "{error}");
}
