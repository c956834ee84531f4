//! What nobody will see costs no memory.

#![allow(clippy::unwrap_used)]

use std::alloc::System;
use std::time::Duration;

use campanile_logs::Sink;
use campanile_telemetry::Telemetry;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_span_below_one_that_is_not_kept_allocates_nothing() {
    // the other way boxes a span of the SDK
    let telemetry = Telemetry::from_env("test")
        .environment(|_| None)
        .setting("CAMPANILE_PIPELINE", "lean")
        .default_endpoint("http://127.0.0.1:1")
        .lines(Sink::nowhere())
        .drop_deadline(Duration::from_millis(100))
        .build();
    let tracer = telemetry.tracer("test");
    for is_remote in [false, true] {
        let parent = Context::new().with_remote_span_context(SpanContext::new(
            TraceId::from(1),
            SpanId::from(2),
            TraceFlags::NOT_SAMPLED,
            is_remote,
            TraceState::NONE,
        ));
        // what is made once is made
        drop(tracer.start_with_context("first", &parent));
        let least = (0..50).map(|_| {
            // the export thread allocates, too, whenever it likes
            let region = Region::new(ALLOCATOR);
            let mut span = tracer.start_with_context("work", &parent);
            span.set_attribute(KeyValue::new("n", 1));
            span.add_event("event", Vec::new());
            assert!(!span.is_recording());
            span.end();
            drop(span);
            region.change().allocations
        });
        assert_eq!(least.min(), Some(0), "remote: {is_remote}");
    }
}
