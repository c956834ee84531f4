#![allow(clippy::unwrap_used)]

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as ProtoValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::trace::v1 as traces;

use super::*;
use crate::model::Value;

fn read(signal: Signal, bytes: &[u8]) -> Result<Decoded, DecodeError> {
    protobuf(signal, Bytes::copy_from_slice(bytes), &mut Keys::default())
}

fn span_request(spans: Vec<traces::Span>) -> Vec<u8> {
    let scope_spans = vec![traces::ScopeSpans {
        spans,
        ..Default::default()
    }];
    let resource_spans = vec![traces::ResourceSpans {
        scope_spans,
        ..Default::default()
    }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn span() -> traces::Span {
    traces::Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "a".to_owned(),
        ..Default::default()
    }
}

#[test]
fn attributes_keep_their_types() {
    let pair = |key: &str, value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    };
    let bytes = span_request(vec![traces::Span {
        attributes: vec![
            pair("int", ProtoValue::IntValue(-1)),
            pair("double", ProtoValue::DoubleValue(0.5)),
            pair("bytes", ProtoValue::BytesValue(vec![0, 255])),
        ],
        ..span()
    }]);
    let Items::Spans(spans) = read(Signal::Traces, &bytes).unwrap().items else {
        panic!("expected spans");
    };
    assert_eq!(spans[0].attribute("int"), Some(&Value::Int(-1)));
    assert_eq!(spans[0].attribute("double"), Some(&Value::Double(0.5)));
    assert_eq!(
        spans[0].attribute("bytes"),
        Some(&Value::Bytes(vec![0, 255]))
    );
    assert_eq!(spans[0].parent_span_id, None);
}

#[test]
fn an_id_of_wrong_length_refuses_the_request_and_is_named() {
    let wrong = traces::Span {
        span_id: vec![2; 7],
        ..span()
    };
    let error = read(Signal::Traces, &span_request(vec![span(), wrong])).unwrap_err();
    let expected = "resourceSpans[0].scopeSpans[0].spans[1].spanId: expected 8 bytes, got 7";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_span_without_ids_is_left_out_and_counted() {
    let zero = traces::Span {
        trace_id: vec![0; 16],
        ..span()
    };
    let decoded = read(Signal::Traces, &span_request(vec![zero, span()])).unwrap();
    assert_eq!((decoded.items.len(), decoded.rejected.count), (1, 1));
    assert!(
        decoded.rejected.message.contains("spans[0]"),
        "{}",
        decoded.rejected.message
    );
}

#[test]
fn a_histogram_whose_buckets_do_not_fit_its_bounds_is_left_out_and_counted() {
    let point = |bounds: &[f64], counts: &[u64]| metrics::HistogramDataPoint {
        explicit_bounds: bounds.to_vec(),
        bucket_counts: counts.to_vec(),
        ..Default::default()
    };
    let data_points = vec![
        point(&[1.0, 2.0], &[1, 2, 3]),
        point(&[1.0, 2.0], &[1, 2]),
        point(&[2.0, 1.0], &[1, 2, 3]),
        point(&[1.0, f64::NAN], &[1, 2, 3]),
        point(&[], &[]),
    ];
    let data = metrics::metric::Data::Histogram(metrics::Histogram {
        data_points,
        aggregation_temporality: 2,
    });
    let metric = metrics::Metric {
        name: "wait".to_owned(),
        data: Some(data),
        ..Default::default()
    };
    let metrics = vec![
        metric,
        metrics::Metric {
            name: "void".to_owned(),
            ..Default::default()
        },
    ];
    let scope_metrics = vec![metrics::ScopeMetrics {
        metrics,
        ..Default::default()
    }];
    let resource_metrics = vec![metrics::ResourceMetrics {
        scope_metrics,
        ..Default::default()
    }];
    let bytes = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let decoded = read(Signal::Metrics, &bytes).unwrap();
    assert_eq!((decoded.items.len(), decoded.rejected.count), (2, 3));
    assert!(
        decoded.rejected.message.contains("(wait), data point 1"),
        "{:?}",
        decoded.rejected
    );
}

#[test]
fn truncated_protobuf_is_an_error_at_any_length() {
    let whole = span_request(vec![span()]);
    for length in 1..whole.len() {
        assert!(read(Signal::Traces, &whole[..length]).is_err(), "{length}");
    }
    assert!(
        read(
            Signal::Logs,
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
        )
        .is_err()
    );
}
