//! Whatever the collector does, requests are answered as without telemetry, and every span is
//! accounted for.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use campanile::Telemetry;
use campanile::http::{RouteLayer, ServerLayer};
use campanile::telemetry::Signal;
use campanile_otlp_receiver::Receiver;
use campanile_otlp_receiver::fault::{Fault, Gate, Network};
use campanile_tests::server::HANG;
use tokio::net::TcpListener;

const REQUESTS: u64 = 200;

/// How a collector may fail, and how to make it so.
enum Mode {
    Network(Network),
    Answers(Fault),
}

fn modes(gate: &Gate) -> Vec<(&'static str, Mode)> {
    vec![
        ("healthy", Mode::Network(Network::Up)),
        ("refuses connections", Mode::Network(Network::Refuse)),
        (
            "takes connections and is silent",
            Mode::Network(Network::BlackHole),
        ),
        (
            "never answers a request",
            Mode::Answers(Fault::black_hole()),
        ),
        ("holds every answer", Mode::Answers(Fault::hold(gate))),
        ("reads no more", Mode::Answers(Fault::slow_read(gate))),
        ("is unavailable", Mode::Answers(Fault::status(503))),
        (
            "throttles for a minute",
            Mode::Answers(Fault::status(429).retry_after(Duration::from_secs(60))),
        ),
        ("refuses the caller", Mode::Answers(Fault::status(401))),
        ("fails inside", Mode::Answers(Fault::status(500))),
        (
            "rejects a part",
            Mode::Answers(Fault::partial_success(1, "one too many")),
        ),
        (
            "resets before taking",
            Mode::Answers(Fault::reset_before_commit()),
        ),
        (
            "resets after taking",
            Mode::Answers(Fault::reset_after_commit()),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_unchanged_in_every_fault_and_every_span_is_accounted_for() {
    for protocol in ["grpc", "http/protobuf"] {
        let gate = Gate::new();
        for (name, mode) in modes(&gate) {
            run(&format!("{protocol}, the collector {name}"), protocol, mode).await;
        }
        gate.open();
    }
}

async fn run(row: &str, protocol: &str, mode: Mode) {
    let receiver = Receiver::start().await.unwrap();
    let endpoint = if protocol == "grpc" {
        receiver.grpc_endpoint()
    } else {
        receiver.http_endpoint()
    };
    let telemetry = Telemetry::from_env("fail-open")
        .environment(only_the_pipeline)
        .setting("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .setting("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .build();
    match mode {
        Mode::Network(network) => receiver.set_network(network).await.unwrap(),
        Mode::Answers(fault) => {
            receiver.faults().always(fault);
        }
    }
    let app = Router::new()
        .route("/rooms/{id}", get(|| async { "a room" }))
        .route_layer(RouteLayer::new().domain("chat"))
        .layer(ServerLayer::new(&telemetry));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/rooms/7", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, app).into_future());

    let client = reqwest::Client::new();
    let calls = async {
        for _ in 0..REQUESTS {
            let answer = client.get(&url).send().await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &*answer.text().await.unwrap()),
                (200, "a room"),
                "{row}"
            );
        }
    };
    tokio::time::timeout(HANG, calls)
        .await
        .unwrap_or_else(|_| panic!("{row}: requests wait"));
    server.abort();
    let _aborted = server.await;

    let report = telemetry.shutdown(Duration::from_millis(500)).await;
    let traces = report
        .signals
        .iter()
        .find(|signal| signal.signal == Signal::Traces)
        .unwrap();
    let dropped: u64 = traces.dropped.values().sum();
    let accounted = traces.delivered + traces.rejected + dropped + traces.queued + traces.in_flight;
    assert_eq!(
        (traces.offered, accounted),
        (REQUESTS, REQUESTS),
        "{row}: {report}"
    );
    // the fault was really there: only a healthy collector took everything
    let is_whole = traces.delivered == REQUESTS;
    assert_eq!(is_whole, row.ends_with("healthy"), "{row}: {report}");
}

/// Of the environment, only what decides over which pipeline and which bridge a suite runs.
fn only_the_pipeline(name: &str) -> Option<String> {
    match name {
        "CAMPANILE_PIPELINE" | "CAMPANILE_TRACING_BRIDGE" => std::env::var(name).ok(),
        _ => None,
    }
}
