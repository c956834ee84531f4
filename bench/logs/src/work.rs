//! The work: one event with three fields, again and again.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

/// The function whose instructions count; see [`drive`].
pub const DRIVE: &str = "campanile_bench_logs::work::drive";

pub const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub const SPAN: &str = "b7ad6b7169203331";

/// Tells `count` events. It is never inlined, as callgrind finds it by its name.
#[inline(never)]
pub fn drive(count: usize) {
    for number in 0..count as u64 {
        tracing::info!(
            room = 1000 + number % 256,
            kind = "text",
            bytes = 512_u64,
            "message stored"
        );
    }
}

/// Runs `work` where a sampled request would: its span is the current OpenTelemetry context, and a
/// `tracing` span with both ids in its fields is entered, as formatters without OpenTelemetry need
/// it.
pub fn sampled(work: impl FnOnce()) {
    let ids = SpanContext::new(
        TraceId::from_hex(TRACE).expect("an id"),
        SpanId::from_hex(SPAN).expect("an id"),
        TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    let _attached = Context::new().with_remote_span_context(ids).attach();
    let _entered = tracing::info_span!("request", trace_id = TRACE, span_id = SPAN).entered();
    work();
}
