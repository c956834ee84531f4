//! The example of the guide chapter "Test your telemetry" (`docs/guide/testing.md`), which shows these lines as they are.

#![allow(clippy::unwrap_used)]

mod service {
    //! Somebody's service. It knows axum and OpenTelemetry, and nothing of ours.

    use axum::Router;
    use axum::extract::{Path, State};
    use axum::http::StatusCode;
    use axum::routing::get;
    use opentelemetry::KeyValue;
    use opentelemetry::metrics::{Histogram, MeterProvider};
    use opentelemetry::trace::{Span, SpanKind, Status, Tracer, TracerProvider};
    use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::metrics::SdkMeterProvider;
    use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

    pub(crate) struct Telemetry {
        tracers: SdkTracerProvider,
        meters: SdkMeterProvider,
    }

    impl Telemetry {
        pub(crate) fn new(endpoint: &str) -> Result<Self, Box<dyn std::error::Error>> {
            let resource = Resource::builder().with_service_name("shop").build();
            let spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
            let metrics = MetricExporter::builder()
                .with_tonic()
                .with_endpoint(endpoint);
            Ok(Self {
                tracers: SdkTracerProvider::builder()
                    .with_resource(resource.clone())
                    .with_batch_exporter(spans.build()?)
                    .build(),
                meters: SdkMeterProvider::builder()
                    .with_resource(resource)
                    .with_periodic_exporter(metrics.build()?)
                    .build(),
            })
        }

        /// Sends what is left. It blocks, so a test calls it where blocking does no harm.
        pub(crate) fn shutdown(&self) {
            self.tracers.shutdown().ok();
            self.meters.shutdown().ok();
        }
    }

    #[derive(Clone)]
    struct App {
        tracer: SdkTracer,
        duration: Histogram<f64>,
    }

    pub(crate) fn router(telemetry: &Telemetry) -> Router {
        let meter = telemetry.meters.meter("shop");
        let duration = meter.f64_histogram("http.server.request.duration");
        let buckets = [
            0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
        ];
        let app = App {
            tracer: telemetry.tracers.tracer("shop"),
            duration: duration
                .with_unit("s")
                .with_boundaries(buckets.to_vec())
                .build(),
        };
        Router::new()
            .route("/orders/{id}", get(order))
            .with_state(app)
    }

    async fn order(State(app): State<App>, Path(id): Path<u32>) -> Result<String, StatusCode> {
        let begin = std::time::Instant::now();
        let mut attributes = vec![
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("url.scheme", "http"),
            KeyValue::new("http.route", "/orders/{id}"),
        ];
        let mut span = app
            .tracer
            .span_builder("GET /orders/{id}")
            .with_kind(SpanKind::Server)
            .with_attributes(attributes.clone())
            .start(&app.tracer);
        span.set_attribute(KeyValue::new("url.path", format!("/orders/{id}")));
        let answer = match id {
            0 => Err(StatusCode::INTERNAL_SERVER_ERROR),
            id => Ok(format!("order {id}")),
        };
        let status = answer.as_ref().err().map_or(200, StatusCode::as_u16);
        attributes.push(KeyValue::new(
            "http.response.status_code",
            i64::from(status),
        ));
        span.set_attribute(KeyValue::new(
            "http.response.status_code",
            i64::from(status),
        ));
        if status >= 500 {
            attributes.push(KeyValue::new("error.type", status.to_string()));
            span.set_attribute(KeyValue::new("error.type", status.to_string()));
            span.set_status(Status::error(""));
        }
        span.end();
        app.duration
            .record(begin.elapsed().as_secs_f64(), &attributes);
        answer
    }
}

mod tests {
    use campanile_otlp_receiver::contract::Contract;
    use campanile_otlp_receiver::{Fault, Receiver, SpanKind};

    use super::get;
    use super::service::{Telemetry, router};

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[tokio::test]
    async fn an_order_that_fails_is_an_error_span() -> TestResult {
        let receiver = Receiver::start().await?;
        let telemetry = Telemetry::new(receiver.grpc_endpoint())?;

        assert_eq!(get(router(&telemetry), "/orders/0").await, 500);
        tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;

        let span = receiver.wait_for_span("GET /orders/{id}").await?;
        assert_eq!(span.kind, SpanKind::Server);
        assert!(span.is_error());
        span.assert_has([("url.path", "/orders/0"), ("error.type", "500")]);
        span.assert_has([("http.response.status_code", 500)]);
        Ok(())
    }

    #[tokio::test]
    async fn orders_are_counted_by_their_answer() -> TestResult {
        let receiver = Receiver::start().await?;
        let telemetry = Telemetry::new(receiver.grpc_endpoint())?;

        for path in ["/orders/1", "/orders/2", "/orders/0"] {
            get(router(&telemetry), path).await;
        }
        tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;

        let answered = |status: i64| {
            let wait = receiver.wait_for(move |seen| {
                let duration = seen.metric("http.server.request.duration");
                duration.with("http.response.status_code", status).count()
            });
            wait.called(format!("answers of {status}"))
        };
        assert_eq!(answered(200).await?, 2);
        assert_eq!(answered(500).await?, 1);
        Ok(())
    }

    #[tokio::test]
    async fn telemetry_keeps_the_conventions() -> TestResult {
        let receiver = Receiver::start().await?;
        let telemetry = Telemetry::new(receiver.grpc_endpoint())?;

        for path in ["/orders/1", "/orders/0"] {
            get(router(&telemetry), path).await;
        }
        tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;

        let seen = receiver.seen();
        assert_eq!(seen.spans().len(), 2);
        Contract::conventions().assert_kept(&seen);
        Ok(())
    }

    #[tokio::test]
    async fn a_collector_that_is_full_does_not_fail_orders() -> TestResult {
        let receiver = Receiver::start().await?;
        receiver.faults().always(Fault::status(503));
        let telemetry = Telemetry::new(receiver.grpc_endpoint())?;

        assert_eq!(get(router(&telemetry), "/orders/1").await, 200);
        tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;

        assert!(receiver.traffic().total().refused_requests > 0);
        assert!(receiver.spans().is_empty());
        Ok(())
    }
}

/// Sends one request through a router.
async fn get(router: axum::Router, path: &str) -> u16 {
    use tower_service::Service;

    let request = http::Request::get(path).body(axum::body::Body::empty());
    let response = router.clone().call(request.unwrap()).await;
    response.unwrap().status().as_u16()
}

#[test]
fn the_guide_shows_these_lines() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(folder.join("../../docs/guide/testing.md")).unwrap();
    let lines = |text: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    };
    let here = lines(include_str!("guide.rs"));
    let blocks = guide
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let mut shown = 0;
    for block in blocks {
        assert!(
            here.contains(&lines(block)),
            "the guide shows what is not tested:\n{block}"
        );
        shown += 1;
    }
    assert!(shown >= 4, "{shown} blocks");
}
