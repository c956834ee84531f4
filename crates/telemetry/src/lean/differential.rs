//! The same story told to both pipelines must leave the same bytes behind, but for random ids.
//!
//! A story is read from bytes, whichever they are, so that a fuzzer and a property test can make
//! them up: a setting (sampling, limits, rules), then spans with everything that the API lets one
//! do to them. The lean pipeline's requests are compared with those of the SDK and
//! `opentelemetry-proto`, field by field.

mod story;

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry::trace::SpanContext;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prost::Message;

use self::story::{Setting, Story};
use super::TracerProvider;
use super::values::Values;
use crate::pipeline::{Bounds, Encoder, Lane};
use crate::sampling::Sampler;
use crate::{Signal, sdk};

/// Tells the story in `bytes` to both, and compares.
///
/// # Panics
///
/// When they differ, or when something cannot be decoded.
pub fn check(bytes: &[u8]) {
    let (ours, stock) = (lean(bytes), stock(bytes));
    assert_eq!(ours, stock);
}

fn lane() -> Arc<Lane> {
    let bounds = Bounds {
        items: 10_000,
        bytes: 64 << 20,
        batch: BATCH,
    };
    Arc::new(Lane::new(Signal::Traces, bounds, 0))
}

/// Small, so that requests are cut.
const BATCH: usize = 3;

fn resource() -> Resource {
    Resource::builder_empty().with_service_name("story").build()
}

fn lean(bytes: &[u8]) -> Vec<ExportTraceServiceRequest> {
    let mut story = Story::new(bytes);
    let setting = Setting::read(&mut story);
    let lane = lane();
    let values = Values {
        redactor: setting.redactor.clone(),
        length: setting.values.span_value_length,
    };
    let sampler = Sampler::new(setting.sampling.clone());
    let provider = TracerProvider::new(Some(lane.clone()), sampler, setting.spans, values);
    let made = story.tell(&provider);
    let intake = lane.take();
    let encoder = Encoder::new(&resource(), setting.values, &setting.redactor);
    let requests = encoder.frame(&intake.written, BATCH);
    read(requests.into_iter().map(|request| request.request), &made)
}

fn stock(bytes: &[u8]) -> Vec<ExportTraceServiceRequest> {
    let mut story = Story::new(bytes);
    let setting = Setting::read(&mut story);
    let lane = lane();
    let sampler = Sampler::new(setting.sampling.clone());
    let provider = SdkTracerProvider::builder()
        .with_resource(resource())
        .with_span_limits(setting.spans)
        .with_sampler(sampler.clone())
        .with_span_processor(sdk::Spans {
            lane: lane.clone(),
            sampler,
            redactor: setting.redactor.clone(),
        })
        .build();
    let made = story.tell(&provider);
    let encoder = Encoder::new(&resource(), setting.values, &setting.redactor);
    let requests = encoder.encode(lane.take(), BATCH).into_iter();
    let requests = requests.map(|request| request.expect("a story can be encoded").request);
    read(requests, &made)
}

/// Decodes requests, with ids in the order in which they were made.
fn read(
    requests: impl Iterator<Item = bytes::Bytes>,
    made: &[SpanContext],
) -> Vec<ExportTraceServiceRequest> {
    let mut names = HashMap::new();
    for (index, context) in (1u8..).zip(made) {
        let trace = context.trace_id().to_bytes().to_vec();
        let next = names.len();
        names
            .entry(trace)
            .or_insert_with(|| format!("trace {next}"));
        let span = context.span_id().to_bytes().to_vec();
        names.insert(span, format!("span {index}"));
    }
    let name = |id: &mut Vec<u8>| {
        if let Some(name) = names.get(id) {
            *id = name.clone().into_bytes();
        }
    };
    let decode = |bytes: bytes::Bytes| {
        let mut request = ExportTraceServiceRequest::decode(bytes).expect("a request");
        let resources = request.resource_spans.iter_mut();
        let scopes = resources.flat_map(|resource| &mut resource.scope_spans);
        for span in scopes.flat_map(|scope| &mut scope.spans) {
            name(&mut span.trace_id);
            name(&mut span.span_id);
            name(&mut span.parent_span_id);
            for link in &mut span.links {
                name(&mut link.trace_id);
                name(&mut link.span_id);
            }
            // an empty message and none mean the same
            span.status.get_or_insert_default();
        }
        request
    };
    requests.map(decode).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 400,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn both_pipelines_leave_the_same_behind(
            bytes in proptest::collection::vec(any::<u8>(), 0..1500)
        ) {
            check(&bytes);
        }
    }

    #[test]
    fn the_fuzzer_s_stories_end_the_same() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/lean_spans");
        let mut replayed = 0;
        for entry in std::fs::read_dir(corpus).expect("a corpus") {
            let path = entry.expect("an entry").path();
            check(&std::fs::read(path).expect("a story"));
            replayed += 1;
        }
        assert!(replayed > 0, "no corpus in {corpus}");
    }

    #[test]
    fn stories_are_not_empty() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut spans, mut told) = (0, 0);
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..1000).map(|_| random.u8(..)).collect();
            let requests = lean(&bytes);
            let scopes = requests
                .iter()
                .flat_map(|request| &request.resource_spans[0].scope_spans);
            for span in scopes.flat_map(|scope| &scope.spans) {
                spans += 1;
                told += span.attributes.len() + span.events.len() + span.links.len();
            }
        }
        assert!(
            spans > 200 && told > 1000,
            "{spans} spans, {told} things told"
        );
    }
}
