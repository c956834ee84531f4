//! The whole way: sessions over the plain API and an SDK, by real OTLP into the receiver.

use campanile_otlp_receiver::contract::{Contract, Registry, Rule};
use campanile_otlp_receiver::{Receiver, StatusCode};
use campanile_recorder::{Handle, Stock};
use campanile_semconv::{metric, span};
use campanile_ws::{Sessions, Upgrade};
use futures_util::{SinkExt, StreamExt};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio_tungstenite::tungstenite::Message;

use crate::probe::Probe;
use crate::server::{Server, echo, finish};

#[tokio::test(flavor = "multi_thread")]
async fn spans_and_metrics_of_a_session_arrive_by_otlp() {
    let receiver = Receiver::start().await.unwrap();
    let endpoint = receiver.grpc_endpoint();
    let spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
    let tracers = SdkTracerProvider::builder()
        .with_batch_exporter(spans.build().unwrap())
        .build();
    let metrics = MetricExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint);
    let meters = SdkMeterProvider::builder()
        .with_periodic_exporter(metrics.build().unwrap())
        .build();
    let scope = Stock::<SdkTracer>::scope();
    let stock = Stock::new(
        tracers.tracer_with_scope(scope.clone()),
        meters.meter_with_scope(scope),
    );
    // The server's seed holds a probe; this endpoint has no use for it and takes its own.
    let sessions = Sessions::new(&Handle::new(stock));
    let handler = |upgrade: Upgrade| async move { upgrade.endpoint("live").on_session(echo) };
    let server = Server::seeded(None, Probe::new(), sessions, handler).await;
    let mut client = server.connect().await;
    client.send(Message::text("hello")).await.unwrap();
    client.next().await.unwrap().unwrap();
    client.close(None).await.unwrap();
    finish(&mut client).await;
    while server.sessions.open() > 0 {
        tokio::task::yield_now().await;
    }
    let flush = move || {
        tracers.force_flush().unwrap();
        meters.force_flush().unwrap();
    };
    tokio::task::spawn_blocking(flush).await.unwrap();

    let (connect, disconnect) = receiver
        .wait_for(|seen| {
            let connect = seen.spans().named(span::WEBSOCKET_CONNECT).one()?;
            let disconnect = seen.spans().named(span::WEBSOCKET_DISCONNECT).one()?;
            Some((connect, disconnect))
        })
        .await
        .unwrap();
    assert!(connect.is_root() && disconnect.is_root());
    let session = connect.attribute("session.id").unwrap();
    assert_eq!(disconnect.attribute("session.id"), Some(session));
    assert_eq!(disconnect.links[0].span_id, connect.span_id);
    assert_eq!(disconnect.status.code, StatusCode::Unset);
    let seen = receiver.seen();
    let total = |metric: &metric::Metric| seen.metric(metric.name).total();
    assert_eq!(total(&metric::WEBSOCKET_CONNECTION_ACTIVE), Some(0.0));
    assert_eq!(total(&metric::WEBSOCKET_DISCONNECTS), Some(1.0));
    let count = |metric: &metric::Metric| seen.metric(metric.name).count();
    assert_eq!(count(&metric::WEBSOCKET_CONNECTION_DURATION), Some(1));
    assert_eq!(count(&metric::WEBSOCKET_HANDSHAKE_DURATION), Some(1));
    let accepted = total(&metric::WEBSOCKET_DELIVERY_ACCEPTED).unwrap();
    let decided = total(&metric::WEBSOCKET_DELIVERY_MESSAGES).unwrap_or_default();
    let pending = total(&metric::WEBSOCKET_DELIVERY_PENDING).unwrap_or_default();
    assert_eq!((accepted, decided + pending), (1.0, 1.0));

    let registry = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/signals/registry");
    let contract = Contract::new(Registry::from_dir(registry).unwrap());
    contract.without(Rule::Resource).assert_kept(&seen);
}
