//! A sender that can send anything, right or wrong, over HTTP/1.1 and HTTP/2.

#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::io::Write;

use bytes::Bytes;
use campanile_otlp_receiver::Signal;
use http::{HeaderMap, Method, Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// An answer, with its trailers among the headers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client that keeps its connections.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    http1: Client<HttpConnector, Full<Bytes>>,
    http2: Client<HttpConnector, Full<Bytes>>,
}

impl Default for Sender {
    fn default() -> Self {
        Self {
            http1: Client::builder(TokioExecutor::new()).build_http(),
            http2: Client::builder(TokioExecutor::new())
                .http2_only(true)
                .build_http(),
        }
    }
}

impl Sender {
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let client = match request.version() {
            Version::HTTP_2 => &self.http2,
            _ => &self.http1,
        };
        let response = client.request(request).await;
        let (head, body) = response.map_err(|error| format!("{error:?}"))?.into_parts();
        let body = body.collect().await.map_err(|error| format!("{error:?}"))?;
        let mut headers = head.headers;
        headers.extend(body.trailers().cloned().unwrap_or_default());
        Ok(Answer {
            status: head.status.as_u16(),
            headers,
            body: body.to_bytes(),
        })
    }

    /// Posts a body to a path, with a content type.
    pub(crate) async fn post(
        &self,
        url: &str,
        content_type: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let mut request = Request::post(url).header("content-type", content_type);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(body.into());
        self.send(request.body(body).unwrap()).await
    }

    /// Makes a unary gRPC call with a body that is framed already, or is not.
    pub(crate) async fn call(
        &self,
        endpoint: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(format!("{endpoint}{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(body.into());
        self.send(request.body(body).unwrap()).await
    }
}

pub(crate) const PROTOBUF: &str = "application/x-protobuf";
pub(crate) const JSON: &str = "application/json";
pub(crate) const TRACE_EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

pub(crate) fn export_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => TRACE_EXPORT,
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// Puts a gRPC frame around a message.
pub(crate) fn framed(packed: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![packed];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
}

pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Makes a request with one item of that name.
pub(crate) fn request(signal: Signal, name: &str) -> Vec<u8> {
    let name = name.to_owned();
    match signal {
        Signal::Traces => traces(vec![span(1, &name)]),
        Signal::Metrics => {
            let point = NumberDataPoint {
                value: Some(number_data_point::Value::AsInt(1)),
                ..Default::default()
            };
            let data = Data::Sum(Sum {
                data_points: vec![point],
                aggregation_temporality: 2,
                is_monotonic: true,
            });
            let metrics = vec![Metric {
                name,
                data: Some(data),
                ..Default::default()
            }];
            let scope_metrics = vec![ScopeMetrics {
                metrics,
                ..Default::default()
            }];
            let resource_metrics = vec![ResourceMetrics {
                scope_metrics,
                ..Default::default()
            }];
            ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
        }
        Signal::Logs => {
            let log_records = vec![LogRecord {
                event_name: name,
                ..Default::default()
            }];
            let scope_logs = vec![ScopeLogs {
                log_records,
                ..Default::default()
            }];
            let resource_logs = vec![ResourceLogs {
                scope_logs,
                ..Default::default()
            }];
            ExportLogsServiceRequest { resource_logs }.encode_to_vec()
        }
    }
}

pub(crate) fn span(id: u8, name: &str) -> Span {
    Span {
        trace_id: vec![7; 16],
        span_id: vec![id; 8],
        name: name.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn traces(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans {
        spans,
        ..Default::default()
    }];
    let resource_spans = vec![ResourceSpans {
        scope_spans,
        ..Default::default()
    }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}
