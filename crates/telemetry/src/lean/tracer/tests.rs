#![allow(clippy::unwrap_used)]
use campanile_propagation::{Baggage, TraceStateText, inject};
use campanile_redaction::Redactor;
use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{
    Span as _, SpanId, Status, TraceId, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry_proto::tonic::trace::v1::Span as WireSpan;

use super::*;
use crate::Signal;
use crate::pipeline::{Bounds, wire};
use crate::sampling::Sampling;

fn provider(lane: Option<Arc<Lane>>) -> TracerProvider {
    let values = Values {
        redactor: Redactor::standard(),
        length: None,
    };
    let sampler = Sampler::new(Sampling::default());
    TracerProvider::new(lane, sampler, SpanLimits::default(), values)
}

fn lane() -> Arc<Lane> {
    let bounds = Bounds {
        items: 100,
        bytes: 1 << 20,
        batch: 100,
    };
    Arc::new(Lane::new(Signal::Traces, bounds, 0))
}

/// The spans that ended, in order.
fn ended(lane: &Lane) -> Vec<WireSpan> {
    let mut spans = Vec::new();
    for written in lane.take().written {
        for field in wire::fields(&written.bytes).unwrap() {
            spans.push(WireSpan::decode(field.value.bytes().unwrap()).unwrap());
        }
    }
    spans
}

fn remote() -> SpanContext {
    let sampled = TraceFlags::SAMPLED;
    SpanContext::new(1.into(), 2.into(), sampled, true, TraceState::NONE)
}

fn carrying(state: &'static str) -> Carried {
    Carried {
        tracestate: TraceStateText::from_lines([&HeaderValue::from_static(state)]),
        baggage: Baggage::default().with("plan", "pro").unwrap(),
        random: false,
    }
}

fn sent(context: &Context) -> HeaderMap {
    let mut headers = HeaderMap::new();
    inject(context, &mut headers);
    headers
}

#[test]
fn the_sender_s_own_text_is_in_the_span_and_goes_on() {
    // more than the API's own type can hold
    let state = "a=1, b@c=  2,0-9=x";
    let lane = lane();
    let tracer = provider(Some(lane.clone())).tracer("test");
    let above = Context::new()
        .with_value(carrying(state))
        .with_remote_span_context(remote());
    let span = above.with_span(tracer.start_with_context("child", &above));
    let headers = sent(&span);
    assert_eq!(
        (&headers["tracestate"], &headers["baggage"]),
        (
            &HeaderValue::from_static(state),
            &HeaderValue::from_static("plan=pro")
        )
    );
    span.span().end();
    let [span] = &ended(&lane)[..] else {
        panic!("one span");
    };
    assert_eq!(span.trace_state, state);
    assert_eq!((span.trace_id[15], span.parent_span_id[7]), (1, 2));
    assert_eq!(span.flags, 0x301);
}

#[test]
fn what_a_span_carries_itself_goes_on_through_its_children() {
    let lane = lane();
    let tracer = provider(Some(lane.clone())).tracer("test");
    let bearer = Span::dead(remote(), Some(carrying("a=1")));
    let above = Context::new().with_span(bearer);
    let child = above.with_span(tracer.start_with_context("child", &above));
    let grandchild = child.with_span(tracer.start_with_context("grandchild", &child));
    let headers = sent(&grandchild);
    assert_eq!(
        (&headers["tracestate"], &headers["baggage"]),
        (
            &HeaderValue::from_static("a=1"),
            &HeaderValue::from_static("plan=pro")
        )
    );
    drop((grandchild, child));
    let states = ended(&lane).into_iter().map(|span| span.trace_state);
    assert_eq!(states.collect::<Vec<_>>(), ["a=1", "a=1"]);
}

#[test]
fn a_trace_that_begins_here_says_that_its_id_is_random() {
    let tracer = provider(Some(lane())).tracer("test");
    let root = Context::new().with_span(tracer.start_with_context("root", &Context::new()));
    let child = root.with_span(tracer.start_with_context("child", &root));
    for context in [root, child] {
        let traceparent = sent(&context)["traceparent"].clone();
        assert!(traceparent.to_str().unwrap().ends_with("-03"));
    }
}

#[test]
fn where_spans_are_not_exported_they_have_ids_all_the_same() {
    let tracer = provider(None).tracer("test");
    let span = tracer.start_with_context("work", &Context::new());
    let context = span.span_context();
    assert!(context.is_valid() && !context.is_sampled() && !span.is_recording());
}

#[test]
fn a_suppressed_span_is_none_at_all() {
    let tracer = provider(Some(lane())).tracer("test");
    let suppressed = Context::new().with_telemetry_suppressed();
    let span = tracer.start_with_context("work", &suppressed);
    assert_eq!(*span.span_context(), SpanContext::NONE);
}

#[test]
fn a_span_ends_once_and_when_it_is_dropped_at_the_latest() {
    let lane = lane();
    let tracer = provider(Some(lane.clone())).tracer("test");
    let mut span = tracer.start_with_context("ended", &Context::new());
    span.set_status(Status::Ok);
    span.set_status(Status::error("too late"));
    span.end();
    span.end();
    span.update_name("never seen");
    drop(span);
    drop(tracer.start_with_context("dropped", &Context::new()));
    let spans = ended(&lane);
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["ended", "dropped"]);
    assert_eq!(spans[0].status.as_ref().unwrap().code, 1);
    assert!(
        spans
            .iter()
            .all(|span| span.end_time_unix_nano >= span.start_time_unix_nano)
    );
}

#[test]
fn an_entry_span_that_failed_leaves_though_its_trace_was_not_kept() {
    let lane = lane();
    let tracer = provider(Some(lane.clone())).tracer("test");
    let caller = SpanContext::new(
        TraceId::from(1),
        SpanId::from(2),
        TraceFlags::NOT_SAMPLED,
        true,
        TraceState::NONE,
    );
    let above = Context::new().with_remote_span_context(caller);
    for (kind, fails) in [
        (SpanKind::Server, true),
        (SpanKind::Server, false),
        (SpanKind::Internal, true),
    ] {
        let builder = tracer.span_builder("work").with_kind(kind);
        let mut span = tracer.build_with_context(builder, &above);
        if fails {
            span.set_status(Status::error(""));
        }
    }
    let [span] = &ended(&lane)[..] else {
        panic!("one span");
    };
    assert_eq!((span.kind, span.flags & 1), (2, 0));
    assert_eq!(span.attributes[0].key, attribute::CAMPANILE_SAMPLING_REASON);
}

#[test]
fn scopes_are_the_same_where_they_say_the_same_and_unused_ones_are_forgotten() {
    let provider = provider(None);
    assert_eq!(provider.tracer("one").scope, provider.tracer("one").scope);
    assert_ne!(provider.tracer("one").scope, provider.tracer("two").scope);
    let kept = provider.tracer("kept");
    for n in 0..3 * MAX_IDLE_SCOPES {
        let scope = InstrumentationScope::builder(format!("scope {n}")).build();
        drop(provider.tracer_with_scope(scope));
    }
    assert!(provider.0.scopes.lock().unwrap().len() <= MAX_IDLE_SCOPES + 1);
    assert_eq!(provider.tracer("kept").scope, kept.scope);
}
