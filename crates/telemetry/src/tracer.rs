//! The tracer that an application gets, whichever pipeline is behind it.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{self, SpanBuilder, SpanContext, Status, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace as sdk;

use crate::lean;

/// A tracer of a [`Telemetry`](crate::Telemetry), for everything that takes an OpenTelemetry one.
#[derive(Clone, Debug)]
pub struct Tracer(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Lean(lean::Tracer),
    Stock(sdk::SdkTracer),
}

impl Tracer {
    /// The tracer of the lean pipeline, if it is one.
    pub(crate) fn lean(&self) -> Option<&lean::Tracer> {
        match &self.0 {
            Kind::Lean(tracer) => Some(tracer),
            Kind::Stock(_) => None,
        }
    }
}

/// A span of a [`Tracer`]. It ends when it is dropped, if not before.
#[derive(Debug)]
pub struct Span(Inner);

#[derive(Debug)]
enum Inner {
    Lean(lean::Span),
    /// Boxed, as it is large.
    Stock(Box<sdk::Span>),
}

/// Where tracers come from.
#[derive(Clone, Debug)]
pub(crate) enum Tracers {
    Lean(lean::TracerProvider),
    Stock(sdk::SdkTracerProvider),
}

impl TracerProvider for Tracers {
    type Tracer = Tracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> Tracer {
        Tracer(match self {
            Self::Lean(provider) => Kind::Lean(provider.tracer_with_scope(scope)),
            Self::Stock(provider) => Kind::Stock(provider.tracer_with_scope(scope)),
        })
    }
}

impl trace::Tracer for Tracer {
    type Span = Span;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> Span {
        Span(match &self.0 {
            Kind::Lean(tracer) => Inner::Lean(tracer.build_with_context(builder, parent)),
            Kind::Stock(tracer) => {
                Inner::Stock(Box::new(tracer.build_with_context(builder, parent)))
            }
        })
    }
}

impl trace::Span for Span {
    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        match &mut self.0 {
            Inner::Lean(span) => span.add_event_with_timestamp(name, timestamp, attributes),
            Inner::Stock(span) => span.add_event_with_timestamp(name, timestamp, attributes),
        }
    }

    fn span_context(&self) -> &SpanContext {
        match &self.0 {
            Inner::Lean(span) => span.span_context(),
            Inner::Stock(span) => span.span_context(),
        }
    }

    fn is_recording(&self) -> bool {
        match &self.0 {
            Inner::Lean(span) => span.is_recording(),
            Inner::Stock(span) => span.is_recording(),
        }
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        match &mut self.0 {
            Inner::Lean(span) => span.set_attribute(attribute),
            Inner::Stock(span) => span.set_attribute(attribute),
        }
    }

    fn set_status(&mut self, status: Status) {
        match &mut self.0 {
            Inner::Lean(span) => span.set_status(status),
            Inner::Stock(span) => span.set_status(status),
        }
    }

    fn update_name<T>(&mut self, name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        match &mut self.0 {
            Inner::Lean(span) => span.update_name(name),
            Inner::Stock(span) => span.update_name(name),
        }
    }

    fn add_link(&mut self, context: SpanContext, attributes: Vec<KeyValue>) {
        match &mut self.0 {
            Inner::Lean(span) => span.add_link(context, attributes),
            Inner::Stock(span) => span.add_link(context, attributes),
        }
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        match &mut self.0 {
            Inner::Lean(span) => span.end_with_timestamp(timestamp),
            Inner::Stock(span) => span.end_with_timestamp(timestamp),
        }
    }
}
