//! What the pipeline emits, held against our own registry and the rules of the conventions.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderName, Request, StatusCode};
use axum::routing::{get, post};
use campanile::Telemetry;
use campanile::http::{RouteLayer, ServerLayer, TrustedProxies};
use campanile_otlp_receiver::Receiver;
use campanile_otlp_receiver::contract::Rule;
use campanile_tests::contract;
use tower::ServiceExt;

/// Requests of every kind that the conventions say something about.
async fn traffic(receiver: &Receiver) {
    let telemetry = Telemetry::for_test(receiver);
    let proxies = TrustedProxies::x_forwarded(["10.0.0.0/8"]).unwrap();
    let upgrade = || async { (StatusCode::SWITCHING_PROTOCOLS, [("upgrade", "x")]) };
    let app = Router::new()
        .route("/rooms/{id}", get(|| async { "room" }))
        .route("/rooms", post(|| async { StatusCode::CREATED }))
        .route(
            "/broken",
            get(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
        )
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
        .route("/live", get(upgrade))
        .route_layer(RouteLayer::new().domain("chat"))
        .layer(
            ServerLayer::new(&telemetry)
                .request_id()
                .body_sizes()
                .trusted_proxies(proxies)
                .request_header(HeaderName::from_static("x-tenant")),
        );
    for (method, path) in [
        ("GET", "/rooms/7?token=x"),
        ("POST", "/rooms"),
        ("GET", "/nothing"),
        ("PUT", "/rooms"),
        ("GET", "/broken"),
        ("FOO", "/rooms/7"),
        ("GET", "/live"),
        ("GET", "/panic"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "shop.example:8080")
            .header("user-agent", "test")
            .header("x-forwarded-for", "203.0.113.7")
            .header("x-forwarded-proto", "https")
            .header("x-tenant", "acme")
            .extension(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 4711))))
            .body(Body::empty())
            .unwrap();
        let call = app.clone().oneshot(request);
        // a panic ends its own task only
        let read = tokio::spawn(async {
            axum::body::to_bytes(call.await.unwrap().into_body(), 1024).await
        });
        assert_eq!(read.await.is_err(), path == "/panic");
    }
    let report = telemetry.shutdown(Duration::from_secs(10)).await;
    assert!(report.is_complete(), "{report:?}");
}

#[tokio::test]
async fn every_name_is_declared_and_every_convention_kept() {
    let receiver = Receiver::start().await.unwrap();
    traffic(&receiver).await;
    let seen = receiver.seen();
    assert_eq!(seen.spans().iter().count(), 8);
    contract().assert_kept(&seen);
}

#[tokio::test]
async fn an_undeclared_name_is_found() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = Telemetry::for_test(&receiver);
    telemetry
        .meter("test")
        .u64_counter("campanile.made.up")
        .build()
        .add(1, &[]);
    let report = telemetry.shutdown(Duration::from_secs(10)).await;
    assert!(report.is_complete(), "{report:?}");
    let found: Vec<_> = contract()
        .check(&receiver.seen())
        .into_iter()
        .map(|violation| violation.rule)
        .collect();
    assert!(found.contains(&Rule::UndeclaredMetric), "{found:?}");
}
