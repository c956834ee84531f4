//! Under a ratio all spans of a session are kept, or none.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use campanile_recorder::{Handle, Moment, Stock};
use campanile_semconv::span;
use campanile_ws::{Sessions, observe};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{Link, SpanKind, TraceId, TracerProvider};
use opentelemetry::{Context, KeyValue, SpanId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{
    Sampler, SamplingResult, SdkTracerProvider, ShouldSample, SpanData, SpanExporter,
};

/// The SDK's own sampler, deciding by the session where there is one.
#[derive(Clone, Debug)]
struct Together(Sampler);

impl ShouldSample for Together {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        own: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let id = parent.and_then(Moment::sampled_as).unwrap_or(own);
        let inner = &self.0;
        inner.should_sample(parent, id, name, kind, attributes, links)
    }
}

#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(spans);
        Ok(())
    }
}

/// How many connects and disconnects were kept, of how many sessions.
fn kept(sampler: impl ShouldSample + 'static, lives: usize) -> (usize, usize, usize) {
    let exporter = Exported::default();
    let tracers = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .with_sampler(sampler)
        .build();
    let meter = SdkMeterProvider::default().meter("test");
    let handle = Handle::new(Stock::new(tracers.tracer("test"), meter));
    let sessions = Sessions::builder(&handle)
        .spans_per_second(u32::MAX)
        .build();
    for _ in 0..lives {
        drop(observe((), &sessions).start());
    }
    let spans = exporter.0.lock().unwrap().clone();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).count();
    let of = |span: &SpanData| {
        let mut found = span.attributes.iter();
        let id = found.find(|one| one.key.as_str() == "session.id").unwrap();
        id.value.to_string()
    };
    let ids: BTreeSet<_> = spans.iter().map(of).collect();
    assert!(
        spans
            .iter()
            .all(|span| span.parent_span_id == SpanId::INVALID)
    );
    let (connects, disconnects) = (
        named(span::WEBSOCKET_CONNECT),
        named(span::WEBSOCKET_DISCONNECT),
    );
    (connects, disconnects, ids.len())
}

#[test]
fn a_sampler_that_asks_for_the_session_keeps_all_of_it_or_nothing() {
    let ratio = Sampler::TraceIdRatioBased(0.3);
    let (connects, disconnects, sessions) = kept(Together(ratio), 1_000);
    assert_eq!((connects, disconnects), (sessions, sessions));
    assert!((200..400).contains(&sessions), "about 300: {sessions}");
}

#[test]
fn roots_have_traces_of_their_own_so_a_sampler_that_does_not_ask_tears_sessions_apart() {
    let ratio = Sampler::TraceIdRatioBased(0.3);
    let (connects, disconnects, sessions) = kept(ratio, 1_000);
    assert!(sessions > connects && sessions > disconnects);
}
