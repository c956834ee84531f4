use opentelemetry::trace::{SpanId, SpanKind, TraceContextExt, TraceFlags};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, ShouldSample};

use super::*;
use campanile_semconv::attribute;
use opentelemetry::trace::{SpanContext, TraceId, TraceState};

fn caller(sampled: bool, remote: bool) -> Context {
    let flags = TraceFlags::default().with_sampled(sampled);
    let span = SpanContext::new(
        TraceId::from(1),
        SpanId::from(2),
        flags,
        remote,
        TraceState::NONE,
    );
    Context::new().with_remote_span_context(span)
}

fn decide(
    sampler: &Sampler,
    parent: Option<&Context>,
    attributes: &[KeyValue],
) -> SamplingDecision {
    let trace_id = TraceId::from(u128::from(u64::MAX / 2));
    sampler
        .should_sample(parent, trace_id, "GET", &SpanKind::Server, attributes, &[])
        .decision
}

fn route(route: &'static str) -> [KeyValue; 1] {
    [KeyValue::new(attribute::HTTP_ROUTE, route)]
}

#[test]
fn by_default_a_caller_is_followed_and_everything_else_kept() {
    let sampler = Sampler::new(Sampling::default());
    assert_eq!(
        decide(&sampler, None, &[]),
        SamplingDecision::RecordAndSample
    );
    assert_eq!(
        decide(&sampler, Some(&caller(true, true)), &[]),
        SamplingDecision::RecordAndSample
    );
    assert_eq!(
        decide(&sampler, Some(&caller(false, true)), &[]),
        SamplingDecision::RecordOnly
    );
}

#[test]
fn children_in_the_process_follow_their_parent() {
    let sampler = Sampler::new(Sampling::ratio(0.0));
    assert_eq!(
        decide(&sampler, Some(&caller(true, false)), &[]),
        SamplingDecision::RecordAndSample
    );
    assert_eq!(
        decide(&sampler, Some(&caller(false, false)), &[]),
        SamplingDecision::Drop
    );
}

#[test]
fn health_checks_are_never_kept_whatever_the_caller_says() {
    let sampler = Sampler::new(Sampling::default());
    let kept = decide(&sampler, Some(&caller(true, true)), &route("/healthz"));
    assert_eq!(kept, SamplingDecision::Drop);
}

#[test]
fn the_last_rule_about_a_span_wins() {
    let sampling = Sampling::ratio(0.0)
        .route("/a", 0.0)
        .domain("auth", 1.0)
        .route("/b", 1.0);
    let sampler = Sampler::new(sampling.without_late_spans());
    let auth = KeyValue::new(attribute::CAMPANILE_DOMAIN, "auth");
    let [a] = route("/a");
    assert_eq!(
        decide(&sampler, None, &[a, auth]),
        SamplingDecision::RecordAndSample
    );
    assert_eq!(decide(&sampler, None, &route("/a")), SamplingDecision::Drop);
    assert_eq!(
        decide(&sampler, None, &route("/b")),
        SamplingDecision::RecordAndSample
    );
}

#[test]
fn decisions_are_counted_by_reason_and_result() {
    let sampler = Sampler::new(Sampling::default());
    decide(&sampler, None, &[]);
    decide(&sampler, Some(&caller(false, true)), &[]);
    decide(&sampler, None, &route("/healthz"));
    let counted: Vec<_> = sampler
        .decisions()
        .all()
        .filter(|(.., count)| *count > 0)
        .collect();
    assert_eq!(
        counted,
        [
            ("parent", "dropped", 1),
            ("ratio", "sampled", 1),
            ("rule", "dropped", 1)
        ]
    );
}

#[test]
fn a_ratio_keeps_about_its_share_of_random_traces() {
    let sampler = Sampler::new(Sampling::ratio(0.25));
    let mut random = fastrand::Rng::with_seed(1);
    let kept = (0..10_000).filter(|_| {
        let trace_id = TraceId::from(random.u128(1..));
        let result = sampler.should_sample(None, trace_id, "GET", &SpanKind::Server, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    });
    assert!((2_300..2_700).contains(&kept.count()));
}
