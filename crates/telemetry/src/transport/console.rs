//! The `console` exporter: one line an item on standard output, for people.

use std::fmt::Write as _;
use std::io::Write as _;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric};
use prost::Message;

use super::{Failure, Verdict};
use crate::Signal;

pub(super) fn write(signal: Signal, request: &[u8]) -> Verdict {
    let text = match signal {
        Signal::Traces => spans(request),
        Signal::Logs => logs(request),
        Signal::Metrics => metrics(request),
    };
    let written = text.map_err(|error| error.to_string()).and_then(|text| {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .map_err(|error| error.to_string())
    });
    match written {
        Ok(()) => Verdict::Delivered {
            rejected: 0,
            message: None,
        },
        Err(error) => Verdict::Refused(Failure::new("console", error)),
    }
}

fn spans(request: &[u8]) -> Result<String, prost::DecodeError> {
    let request = ExportTraceServiceRequest::decode(request)?;
    let mut text = String::new();
    let scopes = request
        .resource_spans
        .iter()
        .flat_map(|resource| &resource.scope_spans);
    for span in scopes.flat_map(|scope| &scope.spans) {
        let nanos = span
            .end_time_unix_nano
            .saturating_sub(span.start_time_unix_nano);
        let _ = write!(text, "span {:?} {} us", span.name, nanos / 1000);
        let _ = write!(
            text,
            " trace={} span={}",
            hex(&span.trace_id),
            hex(&span.span_id)
        );
        if !span.parent_span_id.is_empty() {
            let _ = write!(text, " parent={}", hex(&span.parent_span_id));
        }
        attributes(&mut text, &span.attributes);
        text.push('\n');
    }
    Ok(text)
}

fn logs(request: &[u8]) -> Result<String, prost::DecodeError> {
    let request = ExportLogsServiceRequest::decode(request)?;
    let mut text = String::new();
    let scopes = request
        .resource_logs
        .iter()
        .flat_map(|resource| &resource.scope_logs);
    for record in scopes.flat_map(|scope| &scope.log_records) {
        let _ = write!(text, "log {} ", record.severity_text);
        value(&mut text, record.body.as_ref());
        if !record.trace_id.is_empty() {
            let _ = write!(
                text,
                " trace={} span={}",
                hex(&record.trace_id),
                hex(&record.span_id)
            );
        }
        attributes(&mut text, &record.attributes);
        text.push('\n');
    }
    Ok(text)
}

fn metrics(request: &[u8]) -> Result<String, prost::DecodeError> {
    let request = ExportMetricsServiceRequest::decode(request)?;
    let mut text = String::new();
    let scopes = request
        .resource_metrics
        .iter()
        .flat_map(|resource| &resource.scope_metrics);
    for metric in scopes.flat_map(|scope| &scope.metrics) {
        points(&mut text, metric);
    }
    Ok(text)
}

fn points(text: &mut String, metric: &Metric) {
    let mut line = |attributes_: &[KeyValue], what: String| {
        let _ = write!(text, "metric {} {what} {}", metric.name, metric.unit);
        attributes(text, attributes_);
        text.push('\n');
    };
    match &metric.data {
        Some(metric::Data::Gauge(metric_gauge)) => {
            for point in &metric_gauge.data_points {
                line(&point.attributes, format!("{:?}", point.value));
            }
        }
        Some(metric::Data::Sum(sum)) => {
            for point in &sum.data_points {
                line(&point.attributes, format!("{:?}", point.value));
            }
        }
        Some(metric::Data::Histogram(histogram)) => {
            for point in &histogram.data_points {
                line(
                    &point.attributes,
                    format!("count={} sum={:?}", point.count, point.sum),
                );
            }
        }
        Some(metric::Data::ExponentialHistogram(histogram)) => {
            for point in &histogram.data_points {
                line(
                    &point.attributes,
                    format!("count={} sum={:?}", point.count, point.sum),
                );
            }
        }
        _ => {}
    }
}

fn attributes(text: &mut String, attributes: &[KeyValue]) {
    for attribute in attributes {
        let _ = write!(text, " {}=", attribute.key);
        value(text, attribute.value.as_ref());
    }
}

fn value(text: &mut String, value: Option<&AnyValue>) {
    // Writing to a `String` cannot fail.
    let _ = match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(found)) => write!(text, "{found:?}"),
        Some(Value::BoolValue(found)) => write!(text, "{found}"),
        Some(Value::IntValue(found)) => write!(text, "{found}"),
        Some(Value::DoubleValue(found)) => write!(text, "{found}"),
        Some(other) => write!(text, "{other:?}"),
        None => write!(text, "-"),
    };
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
