//! Serves the live page over a receiver that gets a realistic sample, by OTLP/gRPC as from any service.
//!
//! `cargo run -p campanile-live-page --example sample -- 127.0.0.1:7070` fills 15 minutes at once and goes on sending;
//! `--empty` sends nothing, `--still` stops after the first 15 minutes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use campanile_live_page::{LivePage, Onward};
use campanile_otlp_receiver::Receiver;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, logs_service_client::LogsServiceClient,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
};
use tonic::transport::Channel;

#[path = "sample/make.rs"]
mod make;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let address = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"))
        .map_or("127.0.0.1:0", String::as_str);
    let receiver = Receiver::start().await?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("live page on http://{}", listener.local_addr()?);
    let page = LivePage::new(receiver.clone())
        .target(Duration::from_millis(300))
        .route_target("GET /live", Duration::from_millis(500))
        .onward("otelcol:4317, gRPC", || {
            vec![
                Onward::new("Spans sent", "411 790"),
                Onward::new("Spans dropped", "312, unauthenticated").warning(),
            ]
        });
    if !has("--empty") {
        let endpoint = receiver.grpc_endpoint().to_owned();
        let still = has("--still");
        tokio::spawn(async move {
            if let Err(error) = send(endpoint, still).await {
                eprintln!("the sample ended: {error}");
            }
        });
    }
    axum::serve(listener, page.router()).await?;
    Ok(())
}

async fn send(endpoint: String, still: bool) -> Outcome {
    let channel = Channel::from_shared(endpoint)?.connect().await?;
    let mut traces = TraceServiceClient::new(channel.clone());
    let mut metrics = MetricsServiceClient::new(channel.clone());
    let mut logs = LogsServiceClient::new(channel);
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64() * 1000.0)
    };
    let begun = now() - 15.0 * 60_000.0;
    let mut service = make::Service::new(begun);
    let mut at = begun;
    loop {
        let until = now();
        // The past comes in big steps, the present as it happens.
        let step = if until - at > 10_000.0 {
            10_000.0
        } else {
            500.0
        };
        if at + step > until {
            if still {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
            continue;
        }
        let batch = service.run(at, at + step, (at - begun) / (15.0 * 60_000.0));
        at += step;
        traces
            .export(ExportTraceServiceRequest {
                resource_spans: batch.spans,
            })
            .await?;
        logs.export(ExportLogsServiceRequest {
            resource_logs: batch.logs,
        })
        .await?;
        metrics
            .export(ExportMetricsServiceRequest {
                resource_metrics: batch.metrics,
            })
            .await?;
    }
}
