//! Span processors and samplers of one's own, on the stock path.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_logs::Sink;
use campanile_otlp_receiver::Receiver;
use campanile_telemetry::Telemetry;
use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, Span, SpanData, SpanProcessor};

/// Marks spans as they begin, and notes the names of those that end.
#[derive(Clone, Debug, Default)]
struct Mine(Arc<Mutex<Vec<String>>>);

impl SpanProcessor for Mine {
    fn on_start(&self, span: &mut Span, _: &Context) {
        span.set_attribute(KeyValue::new("mine", true));
    }

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span.name.into_owned());
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[tokio::test]
async fn a_processor_and_a_sampler_of_one_s_own_are_obeyed() {
    let receiver = Receiver::start().await.unwrap();
    for (sampler, arrive) in [(Sampler::AlwaysOn, 1), (Sampler::AlwaysOff, 0)] {
        receiver.clear();
        let mine = Mine::default();
        let processor = mine.clone();
        let telemetry = Telemetry::from_env("test")
            .environment(|_| None)
            .default_endpoint(receiver.grpc_endpoint())
            .lines(Sink::nowhere())
            .stock_with(move |tracers| {
                tracers
                    .with_sampler(sampler.clone())
                    .with_span_processor(processor.clone())
            })
            .build();
        telemetry.tracer("test").start("work").end();
        telemetry.shutdown(Duration::from_secs(10)).await.log();
        let spans = receiver.spans();
        assert_eq!(spans.len(), arrive);
        assert!(
            spans
                .iter()
                .all(|span| span.attributes.get("mine").is_some())
        );
        assert_eq!(mine.0.lock().unwrap().len(), arrive);
    }
}
