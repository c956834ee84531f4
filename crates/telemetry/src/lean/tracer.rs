//! The tracer of the lean pipeline, behind the OpenTelemetry API.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use campanile_propagation::Carried;
use campanile_recorder::Moment;
use campanile_semconv::attribute;
use opentelemetry::trace::{SpanBuilder, SpanContext, SpanKind, TraceContextExt, TraceFlags};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope as WireScope;
use opentelemetry_proto::tonic::trace::v1::ScopeSpans;
use opentelemetry_sdk::trace::SpanLimits;
use prost::Message;

use super::ids;
use super::span::{Data, Span};
use super::values::Values;
use crate::pipeline::{Lane, Scope};
use crate::sampling::{Caller, Sampler, Subject, Verdict};

/// What all tracers of a pipeline share.
pub(super) struct Shared {
    /// Where ended spans go; none when they are not exported. Ids are made all the same.
    pub(super) lane: Option<Arc<Lane>>,
    pub(super) sampler: Sampler,
    pub(super) limits: SpanLimits,
    pub(super) values: Values,
    scopes: Mutex<HashMap<InstrumentationScope, Scope>>,
}

/// Hands out tracers. Clones are the same one.
#[derive(Clone)]
pub(crate) struct TracerProvider(Arc<Shared>);

impl TracerProvider {
    pub(crate) fn new(
        lane: Option<Arc<Lane>>,
        sampler: Sampler,
        limits: SpanLimits,
        values: Values,
    ) -> Self {
        Self(Arc::new(Shared {
            lane,
            sampler,
            limits,
            values,
            scopes: Mutex::default(),
        }))
    }
}

impl opentelemetry::trace::TracerProvider for TracerProvider {
    type Tracer = Tracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> Tracer {
        let mut scopes = self.0.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match scopes.get(&scope) {
            Some(known) => known.clone(),
            None => {
                // names that are made up as one goes must not pile up
                if scopes.len() >= MAX_IDLE_SCOPES {
                    scopes.retain(|_, scope| scope.is_in_use());
                }
                let new = wire_scope(&scope);
                scopes.insert(scope, new.clone());
                new
            }
        };
        Tracer {
            shared: self.0.clone(),
            scope: known,
        }
    }
}

/// Scopes that nobody uses are forgotten from this number on.
const MAX_IDLE_SCOPES: usize = 256;

fn wire_scope(scope: &InstrumentationScope) -> Scope {
    let message = ScopeSpans {
        scope: Some(WireScope::from((scope, None))),
        schema_url: scope.schema_url().unwrap_or_default().to_owned(),
        spans: Vec::new(),
    };
    Scope::new(message.encode_to_vec())
}

/// Makes spans of one instrumentation scope.
#[derive(Clone)]
pub(crate) struct Tracer {
    pub(super) shared: Arc<Shared>,
    pub(super) scope: Scope,
}

impl opentelemetry::trace::Tracer for Tracer {
    type Span = Span;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> Span {
        if parent.is_telemetry_suppressed() {
            return Span::dead(SpanContext::empty_context(), None);
        }
        let span = parent.span();
        let above = span.span_context();
        // what is not valid is nobody's parent
        let above = if above.is_valid() {
            above
        } else {
            &SpanContext::NONE
        };
        let trace_id = match Caller::of(above) {
            Caller::Nobody => ids::trace_id(),
            _ => above.trace_id(),
        };
        let kind = builder.span_kind.as_ref().unwrap_or(&SpanKind::Internal);
        let verdict = self.judge(&builder, kind, parent, above, trace_id);
        let flags = match verdict {
            Verdict::Keep(_) => above.trace_flags().with_sampled(true),
            Verdict::Watch => above.trace_flags().with_sampled(false),
            Verdict::Drop => TraceFlags::default(),
        };
        let state = above.trace_state().clone();
        let context = SpanContext::new(trace_id, ids::span_id(), flags, false, state);
        let value = parent.get::<Carried>();
        let carried = match value {
            // it goes on in the context
            Some(_) => None,
            None if above.is_valid() => Carried::of(parent),
            None => Some(Carried {
                random: true,
                ..Carried::default()
            }),
        };
        if verdict == Verdict::Drop {
            return Span::dead(context, carried);
        }
        let text = value.or(carried.as_ref()).filter(|_| above.is_valid());
        let text = text.and_then(|carried| carried.tracestate.clone());
        let mut data = Data::new(builder, above, text, &self.shared.limits);
        if let Verdict::Keep(Some(reason)) = verdict {
            let mark = KeyValue::new(attribute::CAMPANILE_SAMPLING_REASON, reason);
            data.add_attribute(mark, &self.shared.limits);
        }
        Span::live(context, carried, data, self.clone())
    }
}

impl Tracer {
    fn judge(
        &self,
        builder: &SpanBuilder,
        kind: &SpanKind,
        parent: &Context,
        above: &SpanContext,
        trace_id: opentelemetry::TraceId,
    ) -> Verdict {
        if self.shared.lane.is_none() {
            return Verdict::Drop;
        }
        let decisive = Moment::sampled_as(parent).unwrap_or(trace_id);
        let is_server = *kind == SpanKind::Server;
        self.shared
            .sampler
            .judge(Caller::of(above), decisive, is_server, || {
                Subject::of(builder.attributes.as_deref().unwrap_or_default())
            })
    }
}

impl fmt::Debug for TracerProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TracerProvider")
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracer")
    }
}
