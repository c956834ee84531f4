//! Who is measured.

use std::time::Duration;

use campanile_logs::Sink;
use campanile_telemetry::{Signal, Telemetry};
use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
};
use tracing::Dispatch;
use tracing_subscriber::registry;

use crate::work::drive;

/// One thing to measure.
pub struct Contender {
    pub name: &'static str,
    kind: Kind,
    is_sampled: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    /// No span.
    Bare,
    /// A registry without layers.
    Registry,
    /// Everything but a bridge: the filter, the lines, the log records.
    Without,
    /// Everything, with our bridge.
    Own,
    /// Everything, with `tracing-opentelemetry`, over our tracer.
    Stock,
}

const fn contender(name: &'static str, kind: Kind, is_sampled: bool) -> Contender {
    Contender {
        name,
        kind,
        is_sampled,
    }
}

pub const ALL: &[Contender] = &[
    contender("bare", Kind::Bare, true),
    contender("registry", Kind::Registry, true),
    contender("without-bridge", Kind::Without, true),
    contender("own-sampled", Kind::Own, true),
    contender("own-unsampled", Kind::Own, false),
    contender("tracing-opentelemetry-sampled", Kind::Stock, true),
    contender("tracing-opentelemetry-unsampled", Kind::Stock, false),
];

/// Nobody listens there: what is counted is what leads to it.
const NOWHERE: &str = "http://127.0.0.1:9";

impl Contender {
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|contender| contender.name == name)
    }

    /// Makes `count` spans inside a request, then makes sure that every one was recorded.
    pub fn run(&self, count: usize) {
        let telemetry = self.telemetry();
        let subscriber = match self.kind {
            Kind::Bare | Kind::Registry => Dispatch::new(registry()),
            _ => telemetry.subscriber(),
        };
        tracing::dispatcher::set_global_default(subscriber).expect("the first one");
        let caller = SpanContext::new(
            TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
            SpanId::from(0xb7ad_6b71_6920_3331),
            TraceFlags::default().with_sampled(self.is_sampled),
            true,
            TraceState::NONE,
        );
        let caller = Context::new().with_remote_span_context(caller);
        let tracer = telemetry.tracer("bench");
        let builder = tracer
            .span_builder("GET /items/{id}")
            .with_kind(SpanKind::Server);
        let request = tracer.build_with_context(builder, &caller);
        {
            let _current = caller.with_span(request).attach();
            drive(count, self.kind != Kind::Bare);
        }
        let status = telemetry.status();
        let traces = status
            .signals
            .iter()
            .find(|signal| signal.signal == Signal::Traces);
        let recorded = traces.map_or(0, |signal| signal.offered);
        let expected = match self.kind {
            Kind::Own | Kind::Stock if self.is_sampled => count as u64 + 1,
            Kind::Bare | Kind::Registry if self.is_sampled => 1,
            _ => 0,
        };
        assert_eq!(recorded, expected);
        let _ = telemetry.shutdown_blocking(Duration::ZERO);
    }

    fn telemetry(&self) -> Telemetry {
        let mut builder = Telemetry::from_env("bench")
            .environment(|_| None)
            .default_endpoint(NOWHERE)
            .lines(Sink::nowhere())
            .setting("OTEL_METRICS_EXPORTER", "none")
            .setting("OTEL_BSP_SCHEDULE_DELAY", "60000");
        if self.kind == Kind::Without {
            builder = builder.setting("OTEL_TRACES_EXPORTER", "none");
        }
        if self.kind == Kind::Own {
            builder = builder.own_bridge();
        }
        builder.build()
    }
}
