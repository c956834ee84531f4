//! A page over a real receiver, and telemetry to send it.

#![allow(dead_code)]

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use campanile_live_page::LivePage;
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
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, ResourceMetrics, ScopeMetrics,
    metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Link;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use tonic::transport::Channel;
use tower::ServiceExt as _;

/// A page, and the receiver behind it.
pub(crate) struct Page {
    pub(crate) receiver: Receiver,
    pub(crate) router: Router,
    channel: Channel,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Page {
    pub(crate) async fn start() -> Self {
        Self::over(Receiver::start().await.unwrap()).await
    }

    pub(crate) async fn over(receiver: Receiver) -> Self {
        let channel = Channel::from_shared(receiver.grpc_endpoint().to_owned())
            .unwrap()
            .connect()
            .await
            .unwrap();
        let router = LivePage::new(receiver.clone())
            .allow_host("box.local")
            .router();
        Self {
            receiver,
            router,
            channel,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[]).await
    }

    pub(crate) async fn json(&self, path: &str) -> serde_json::Value {
        let answer = self.get(path).await;
        serde_json::from_slice(&answer.body)
            .unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text()))
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let response = self.open(method, path, headers).await;
        let (head, body) = response.into_parts();
        let body = to_bytes(body, 1 << 24).await.unwrap().to_vec();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// Asks without reading the body: for streams.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> axum::http::Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:7070");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
    }

    pub(crate) async fn send(&self, traces: impl IntoIterator<Item = Trace>) {
        let spans = traces.into_iter().flat_map(|trace| trace.spans).collect();
        let scope_spans = vec![ScopeSpans {
            spans,
            ..ScopeSpans::default()
        }];
        let resource_spans = vec![ResourceSpans {
            resource: Some(resource()),
            scope_spans,
            ..ResourceSpans::default()
        }];
        TraceServiceClient::new(self.channel.clone())
            .max_encoding_message_size(1 << 26)
            .export(ExportTraceServiceRequest { resource_spans })
            .await
            .unwrap();
    }

    /// Sends a line of a part of the application.
    pub(crate) async fn send_log_of(&self, domain: &str, of: &Trace) {
        let record = LogRecord {
            attributes: vec![text("campanile.domain", domain)],
            ..LogRecord::default()
        };
        self.send_record(of, record).await;
    }

    pub(crate) async fn send_log(
        &self,
        of: &Trace,
        severity_number: i32,
        event: &str,
        message: &str,
    ) {
        let record = LogRecord {
            severity_number,
            event_name: event.to_owned(),
            body: Some(AnyValue {
                value: Some(Value::StringValue(message.to_owned())),
            }),
            ..LogRecord::default()
        };
        self.send_record(of, record).await;
    }

    async fn send_record(&self, of: &Trace, record: LogRecord) {
        let record = LogRecord {
            time_unix_nano: now(),
            trace_id: of.spans[0].trace_id.clone(),
            span_id: of.spans[0].span_id.clone(),
            ..record
        };
        let scope_logs = vec![ScopeLogs {
            log_records: vec![record],
            ..ScopeLogs::default()
        }];
        let resource_logs = vec![ResourceLogs {
            resource: Some(resource()),
            scope_logs,
            ..ResourceLogs::default()
        }];
        LogsServiceClient::new(self.channel.clone())
            .export(ExportLogsServiceRequest { resource_logs })
            .await
            .unwrap();
    }

    /// Sends a total of `http.server.request.duration` with bounds 100 ms and 250 ms.
    pub(crate) async fn send_histogram(
        &self,
        method: &str,
        route: &str,
        bucket_counts: &[u64],
        error: Option<&str>,
    ) {
        let name = "http.server.request.duration";
        self.send_metric(name, method, route, bucket_counts, error)
            .await;
    }

    /// The same under another name.
    pub(crate) async fn send_metric(
        &self,
        name: &str,
        method: &str,
        route: &str,
        bucket_counts: &[u64],
        error: Option<&str>,
    ) {
        let mut attributes = vec![
            text("http.request.method", method),
            text("http.route", route),
        ];
        attributes.extend(error.map(|error| text("error.type", error)));
        let point = HistogramDataPoint {
            attributes,
            start_time_unix_nano: now() - 60_000_000_000,
            time_unix_nano: now(),
            count: bucket_counts.iter().sum(),
            bucket_counts: bucket_counts.to_vec(),
            explicit_bounds: vec![0.1, 0.25],
            max: Some(0.25),
            ..HistogramDataPoint::default()
        };
        let data = Data::Histogram(Histogram {
            data_points: vec![point],
            aggregation_temporality: AggregationTemporality::Cumulative as i32,
        });
        let metric = Metric {
            name: name.to_owned(),
            unit: "s".to_owned(),
            data: Some(data),
            ..Metric::default()
        };
        let scope_metrics = vec![ScopeMetrics {
            metrics: vec![metric],
            ..ScopeMetrics::default()
        }];
        let resource_metrics = vec![ResourceMetrics {
            resource: Some(resource()),
            scope_metrics,
            ..ResourceMetrics::default()
        }];
        MetricsServiceClient::new(self.channel.clone())
            .export(ExportMetricsServiceRequest { resource_metrics })
            .await
            .unwrap();
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64
}

fn resource() -> Resource {
    Resource {
        attributes: vec![text("service.name", "chat-api")],
        ..Resource::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue {
        value: Some(Value::StringValue(value.to_owned())),
    });
    KeyValue {
        key: key.to_owned(),
        value,
        ..KeyValue::default()
    }
}

/// One request and what ran within it. It ended just now.
pub(crate) struct Trace {
    spans: Vec<Span>,
}

impl Trace {
    pub(crate) fn request(method: &str, route: &str) -> Self {
        let span = Span {
            trace_id: fastrand::u128(1..).to_be_bytes().to_vec(),
            span_id: fastrand::u64(1..).to_be_bytes().to_vec(),
            name: format!("{method} {route}"),
            kind: 2,
            flags: 1,
            attributes: vec![
                text("http.request.method", method),
                text("http.route", route),
            ],
            ..Span::default()
        };
        Self { spans: vec![span] }.lasting(1)
    }

    pub(crate) fn lasting(mut self, ms: u64) -> Self {
        self.spans[0].start_time_unix_nano = now() - ms * 1_000_000;
        self.spans[0].end_time_unix_nano = self.spans[0].start_time_unix_nano + ms * 1_000_000;
        self
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.spans[0].attributes.push(text(key, value));
        self
    }

    pub(crate) fn failing(mut self, how: &str) -> Self {
        self.spans[0].status = Some(Status {
            code: 2,
            message: String::new(),
        });
        self.with("error.type", how)
    }

    /// Adds a child of the request that begins after `at` milliseconds.
    pub(crate) fn child(mut self, name: &str, at: u64, ms: u64) -> Self {
        let root = &self.spans[0];
        let start_time_unix_nano = root.start_time_unix_nano + at * 1_000_000;
        let child = Span {
            trace_id: root.trace_id.clone(),
            span_id: fastrand::u64(1..).to_be_bytes().to_vec(),
            parent_span_id: root.span_id.clone(),
            name: name.to_owned(),
            kind: 1,
            start_time_unix_nano,
            end_time_unix_nano: start_time_unix_nano + ms * 1_000_000,
            ..Span::default()
        };
        self.spans.push(child);
        self
    }

    pub(crate) fn linked_to(mut self, other: &Self) -> Self {
        let (trace_id, span_id) = (
            other.spans[0].trace_id.clone(),
            other.spans[0].span_id.clone(),
        );
        self.spans[0].links.push(Link {
            trace_id,
            span_id,
            ..Link::default()
        });
        self
    }

    pub(crate) fn trace_hex(&self) -> String {
        hex(&self.spans[0].trace_id)
    }

    pub(crate) fn root_hex(&self) -> String {
        hex(&self.spans[0].span_id)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
