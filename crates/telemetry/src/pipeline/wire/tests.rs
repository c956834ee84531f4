use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::*;

/// A request with this many spans in each scope of each resource.
fn request(resources: &[&[usize]]) -> ExportTraceServiceRequest {
    let mut number = 0;
    let mut spans = |count: usize| {
        let numbered = std::iter::repeat_with(|| {
            number += 1;
            Span {
                name: format!("span {number}"),
                ..Span::default()
            }
        });
        numbered.take(count).collect()
    };
    let resource_spans = resources
        .iter()
        .enumerate()
        .map(|(index, scopes)| ResourceSpans {
            schema_url: format!("resource {index}"),
            scope_spans: scopes
                .iter()
                .map(|count| ScopeSpans {
                    schema_url: format!("scope of {count}"),
                    spans: spans(*count),
                    ..ScopeSpans::default()
                })
                .collect(),
            ..ResourceSpans::default()
        });
    ExportTraceServiceRequest {
        resource_spans: resource_spans.collect(),
    }
}

/// Each span with what it stands under.
fn flat(request: &ExportTraceServiceRequest) -> Vec<(String, String, String)> {
    let mut flat = Vec::new();
    for resource in &request.resource_spans {
        for scope in &resource.scope_spans {
            for span in &scope.spans {
                let (resource, scope) = (resource.schema_url.clone(), scope.schema_url.clone());
                flat.push((resource, scope, span.name.clone()));
            }
        }
    }
    flat
}

#[test]
fn halves_together_are_the_whole_and_nothing_empty_is_left() {
    for resources in [
        &[&[2][..]][..],
        &[&[1, 1]],
        &[&[1], &[1]],
        &[&[5, 0, 3], &[], &[7]],
        &[&[100]],
    ] {
        let whole = request(resources);
        let cut = split(Signal::Traces, &whole.encode_to_vec()).expect("two or more");
        let halves = cut.map(|(bytes, items)| {
            let half = ExportTraceServiceRequest::decode(bytes).expect("a request");
            assert_eq!(flat(&half).len() as u64, items);
            for resource in &half.resource_spans {
                assert!(
                    resource
                        .scope_spans
                        .iter()
                        .all(|scope| !scope.spans.is_empty())
                );
                assert!(!resource.scope_spans.is_empty());
            }
            flat(&half)
        });
        assert!(halves[0].len().abs_diff(halves[1].len()) <= 1);
        assert_eq!(halves.concat(), flat(&whole));
    }
}

#[test]
fn one_entry_cannot_be_cut() {
    let whole = request(&[&[1], &[0]]);
    assert!(split(Signal::Traces, &whole.encode_to_vec()).is_none());
    assert!(split(Signal::Traces, &[]).is_none());
}

#[test]
fn the_items_of_metrics_are_their_points() {
    let metric = |points| Metric {
        name: "m".into(),
        data: Some(Data::Gauge(Gauge {
            data_points: vec![NumberDataPoint::default(); points],
        })),
        ..Metric::default()
    };
    let whole = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![metric(3), metric(4)],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    };
    let bytes = whole.encode_to_vec();
    assert_eq!(items(Signal::Metrics, &bytes), Some(7));
    let [(_, left), (_, right)] = split(Signal::Metrics, &bytes).expect("two metrics");
    assert_eq!((left, right), (3, 4));
}

#[test]
fn partial_success_is_read_and_anything_else_is_none() {
    let answer = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 5,
            error_message: "too old".into(),
        }),
    };
    let read = partial_success(&answer.encode_to_vec());
    assert_eq!(read, (5, Some("too old".into())));
    assert_eq!(partial_success(&[]), (0, None));
    assert_eq!(partial_success(b"<html>"), (0, None));
    let negative = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: -1,
            ..ExportTracePartialSuccess::default()
        }),
    };
    assert_eq!(partial_success(&negative.encode_to_vec()), (0, None));
}

#[test]
fn malformed_bytes_are_no_message_and_break_nothing() {
    let whole = request(&[&[5, 3], &[2]]).encode_to_vec();
    for end in 0..whole.len() {
        let _ = split(Signal::Traces, &whole[..end]);
        let _ = items(Signal::Metrics, &whole[..end]);
    }
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..10_000 {
        let length = random.usize(..64);
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
            .take(length)
            .collect();
        let _ = split(Signal::Logs, &bytes);
        let _ = partial_success(&bytes);
    }
    assert!(fields(&[0xff; 11]).is_none());
    assert!(fields(&[0x0a, 0x7f]).is_none());
}
