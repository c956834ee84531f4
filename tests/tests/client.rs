//! A trace through two services and a spawned task, by two kinds of clients, seen through OTLP.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use campanile::Telemetry;
use campanile::http::{ClientLayer, RouteLayer, ServerLayer};
use campanile::propagation::carry;
use campanile::semconv::span::CHAT_STORE_MESSAGE;
use campanile_otlp_receiver::{Receiver, Span, SpanKind};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use tower::{Layer, ServiceExt};
use tracing::Instrument;

const DEADLINE: Duration = Duration::from_secs(10);

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// Calls `url` once from a child span, and once from another task.
async fn call_twice(layer: ClientLayer, url: String) -> StatusCode {
    let client = layer.layer(legacy::Client::builder(TokioExecutor::new()).build_http::<Body>());
    let call = move |path: &str| {
        let request = Request::get(format!("{url}{path}")).body(Body::empty());
        client.clone().oneshot(request.unwrap())
    };
    let child = tracing::info_span!(CHAT_STORE_MESSAGE);
    call("/rooms/1?token=s3cr3t")
        .instrument(child)
        .await
        .unwrap();
    let other = tokio::spawn(carry(call("/rooms/2")));
    other.await.unwrap().unwrap().status()
}

fn only(spans: &[Arc<Span>], is_it: impl Fn(&Span) -> bool) -> &Span {
    let found: Vec<_> = spans.iter().filter(|span| is_it(span)).collect();
    assert_eq!(found.len(), 1, "{spans:#?}");
    found[0]
}

fn child_of<'a>(spans: &'a [Arc<Span>], parent: &Span, kind: SpanKind) -> &'a Span {
    let span = only(spans, |span| {
        span.parent_span_id == Some(parent.span_id) && span.kind == kind
    });
    assert_eq!(span.trace_id, parent.trace_id);
    span
}

#[tokio::test]
async fn a_trace_goes_through_services_and_tasks_and_keeps_the_contract() {
    let receiver = Receiver::start().await.unwrap();
    let telemetry = Telemetry::for_test(&receiver);
    let _subscriber = tracing::dispatcher::set_default(&telemetry.subscriber());
    let layer = ClientLayer::new(&telemetry).active_requests().body_sizes();
    let observe = |app: Router| {
        app.route_layer(RouteLayer::new())
            .layer(ServerLayer::new(&telemetry))
    };

    let back = Router::new().route("/rooms/{id}", get(|| async { StatusCode::NOT_FOUND }));
    let back = serve(observe(back)).await;
    let inner = layer.clone();
    let front = get(move || call_twice(inner.clone(), back.clone()));
    let front = serve(observe(Router::new().route("/front", front))).await;

    let client = reqwest::Client::new();
    let request = client.get(format!("{front}/front")).build().unwrap();
    let response = layer.layer(client).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 404);
    response.bytes().await.unwrap();
    let report = telemetry.shutdown(DEADLINE).await;
    assert!(report.is_complete(), "{report}");

    let seen = receiver.seen();
    let spans: Vec<_> = receiver.spans();
    assert_eq!(spans.len(), 7);
    let root = only(&spans, |span| span.parent_span_id.is_none());
    assert_eq!((root.kind, root.name.as_str()), (SpanKind::Client, "GET"));
    let front = child_of(&spans, root, SpanKind::Server);
    let work = only(&spans, |span| span.name == CHAT_STORE_MESSAGE);
    assert_eq!(work.parent_span_id, Some(front.span_id));
    for parent in [work, front] {
        let call = child_of(&spans, parent, SpanKind::Client);
        assert!(call.is_error(), "a 404 is an error for who asked");
        let back = child_of(&spans, call, SpanKind::Server);
        assert!(!back.is_error(), "and none for who answered");
    }
    let call = child_of(&spans, work, SpanKind::Client);
    let url = call.attributes.get("url.full").unwrap().to_string();
    assert!(url.ends_with("/rooms/1?token=REDACTED"), "{url}");

    campanile_tests::contract().assert_kept(&seen);
}
