//! Export through TLS, with roots and a client certificate by the standard variables.
//!
//! `cargo test -p campanile-telemetry --features tls`

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used)]

mod harness;

use std::path::PathBuf;
use std::time::Duration;

use campanile_otlp_receiver::{Receiver, Tls};
use harness::{Over, PATIENCE, offer, spans, telemetry, until};

/// A folder of files that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("campanile-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn both_transports_trust_the_given_roots_and_say_who_they_are() {
    let folder = Folder::new("tls");
    let (server, client) = (Tls::for_localhost().unwrap(), Tls::for_localhost().unwrap());
    let roots = folder.file("roots.pem", server.authority_pem());
    let certificate = folder.file("client.pem", client.authority_pem());
    let key = folder.file("client.key", client.key_pem());
    let tls = server.require_clients_of(client.authority_pem());
    for over in [Over::Grpc, Over::Http] {
        let receiver = Receiver::builder().tls(tls.clone()).start().await.unwrap();
        let settings = [
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", roots.as_str()),
            (
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
                certificate.as_str(),
            ),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.as_str()),
        ];
        let telemetry = telemetry(over, over.endpoint(&receiver), &settings);
        offer(&telemetry, 0..50);
        let report = telemetry.shutdown(PATIENCE).await;
        assert!(report.is_complete(), "{over:?}: {report}");
        assert_eq!(spans(&receiver).len(), 50);
    }
}

#[tokio::test]
async fn a_server_that_is_not_trusted_gets_nothing_and_the_cause_is_told() {
    let folder = Folder::new("untrusted");
    let stranger = Tls::for_localhost().unwrap();
    let roots = folder.file("roots.pem", stranger.authority_pem());
    let receiver = Receiver::builder()
        .tls(Tls::for_localhost().unwrap())
        .start()
        .await
        .unwrap();
    for over in [Over::Grpc, Over::Http] {
        let settings = [("OTEL_EXPORTER_OTLP_CERTIFICATE", roots.as_str())];
        let telemetry = telemetry(over, over.endpoint(&receiver), &settings);
        offer(&telemetry, 0..50);
        until(&telemetry, |signal| signal.error.is_some()).await;
        let report = telemetry.shutdown(Duration::from_millis(100)).await;
        assert!(report.to_string().contains("certificate"), "{report}");
        assert!(spans(&receiver).is_empty());
    }
}

#[tokio::test]
async fn tls_to_a_plain_port_is_survived_and_named() {
    let folder = Folder::new("plain");
    let roots = folder.file("roots.pem", Tls::for_localhost().unwrap().authority_pem());
    let receiver = Receiver::start().await.unwrap();
    for over in [Over::Grpc, Over::Http] {
        let endpoint = over.endpoint(&receiver).replace("http:", "https:");
        let settings = [("OTEL_EXPORTER_OTLP_CERTIFICATE", roots.as_str())];
        let telemetry = telemetry(over, &endpoint, &settings);
        offer(&telemetry, 0..50);
        until(&telemetry, |signal| signal.error.is_some()).await;
        let report = telemetry.shutdown(Duration::from_millis(100)).await;
        assert!(!report.is_complete(), "{report}");
    }
}

#[test]
fn files_that_cannot_be_used_switch_off_and_are_named() {
    let folder = Folder::new("files");
    let empty = folder.file("empty.pem", "");
    for (name, path) in [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/does/not/exist.pem"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", empty.as_str()),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", empty.as_str()),
    ] {
        let roots = folder.file("roots.pem", Tls::for_localhost().unwrap().authority_pem());
        let settings = [
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", roots.as_str()),
            (name, path),
        ];
        let telemetry = telemetry(Over::Grpc, "https://localhost:1", &settings);
        let off = telemetry.status().off.expect("it is off");
        assert!(off.contains(name), "{off}");
    }
}
