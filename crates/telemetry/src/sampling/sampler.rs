//! The decision itself, as the SDK asks for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use campanile_recorder::Moment;
use campanile_semconv::attribute;
use opentelemetry::trace::{
    Link, SpanContext, SpanKind, Status, TraceContextExt, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample, SpanData};

use super::{About, Rule, Sampling};

/// Why a decision fell (`campanile.sampling.reason`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    Parent,
    Ratio,
    Rule,
    Failure,
    Slow,
}

impl Reason {
    pub(crate) const ALL: [Self; 5] = [
        Self::Parent,
        Self::Ratio,
        Self::Rule,
        Self::Failure,
        Self::Slow,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Ratio => "ratio",
            Self::Rule => "rule",
            Self::Failure => "failure",
            Self::Slow => "slow",
        }
    }
}

/// How many decisions fell, by reason: for and against.
#[derive(Debug, Default)]
pub(crate) struct Decisions([[AtomicU64; 2]; Reason::ALL.len()]);

impl Decisions {
    fn count(&self, reason: Reason, kept: bool) {
        self.0[reason as usize][usize::from(kept)].fetch_add(1, Ordering::Relaxed);
    }

    /// Reason, result and number of every kind of decision that fell.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        Reason::ALL.into_iter().flat_map(|reason| {
            let counts = &self.0[reason as usize];
            let late = matches!(reason, Reason::Failure | Reason::Slow);
            let kept = if late { "kept" } else { "sampled" };
            [("dropped", 0), (kept, 1)].map(|(result, index)| {
                let count = counts[index].load(Ordering::Relaxed);
                (reason.as_str(), result, count)
            })
        })
    }
}

/// Decides which traces are kept.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    sampling: Arc<Sampling>,
    decisions: Arc<Decisions>,
}

impl Sampler {
    pub(crate) fn new(sampling: Sampling) -> Self {
        Self {
            sampling: Arc::new(sampling),
            decisions: Arc::default(),
        }
    }

    pub(crate) fn decisions(&self) -> &Arc<Decisions> {
        &self.decisions
    }

    /// The share of traces that begin here, as configured.
    pub(crate) fn ratio(&self) -> f64 {
        self.sampling.base.ratio()
    }

    /// Whether an ended span leaves though its trace was not kept; it is then marked.
    pub(crate) fn keep_late(&self, span: &mut SpanData) -> bool {
        let took = span
            .end_time
            .duration_since(span.start_time)
            .unwrap_or_default();
        let reason = if self.sampling.failures && matches!(span.status, Status::Error { .. }) {
            Reason::Failure
        } else if self
            .sampling
            .slow
            .is_some_and(|slow: Duration| took >= slow)
        {
            Reason::Slow
        } else {
            return false;
        };
        self.decisions.count(reason, true);
        let mark = KeyValue::new(attribute::CAMPANILE_SAMPLING_REASON, reason.as_str());
        span.attributes.push(mark);
        true
    }

    /// Decides where a trace enters the process.
    fn enter(
        &self,
        caller: Option<&SpanContext>,
        trace_id: TraceId,
        attributes: &[KeyValue],
    ) -> Entry {
        let rule = self.rule(attributes);
        if rule.is_some_and(|rule| rule.never) {
            return Entry {
                kept: false,
                reason: Reason::Rule,
                never: true,
            };
        }
        let (kept, reason) = match (caller, rule) {
            (Some(caller), _) if self.sampling.parent_based => {
                (caller.is_sampled(), Reason::Parent)
            }
            (_, Some(rule)) => (falls_into(trace_id, rule.ratio), Reason::Rule),
            (_, None) => (falls_into(trace_id, self.ratio()), Reason::Ratio),
        };
        Entry {
            kept,
            reason,
            never: false,
        }
    }

    /// The last rule that is about this span.
    fn rule(&self, attributes: &[KeyValue]) -> Option<&Rule> {
        let text = |key: &str| {
            let found = attributes
                .iter()
                .find(|attribute| attribute.key.as_str() == key);
            found.map(|attribute| attribute.value.as_str())
        };
        let route = text(attribute::HTTP_ROUTE).or_else(|| text(attribute::URL_PATH));
        let domain = text(attribute::CAMPANILE_DOMAIN);
        self.sampling
            .rules
            .iter()
            .rev()
            .find(|rule| match &rule.about {
                About::Route(name) => route.as_deref() == Some(name.as_ref()),
                About::Domain(name) => domain.as_deref() == Some(name.as_ref()),
            })
    }
}

#[derive(Debug)]
struct Entry {
    kept: bool,
    reason: Reason,
    never: bool,
}

/// The specification's rule for ratios: the same trace falls the same way everywhere.
fn falls_into(trace_id: TraceId, ratio: f64) -> bool {
    if ratio >= 1.0 {
        return true;
    }
    let bound = (ratio.max(0.0) * (1u64 << 63) as f64) as u64;
    let low = u128::from_be_bytes(trace_id.to_bytes()) as u64;
    (low >> 1) < bound
}

impl ShouldSample for Sampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        _name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        // spans that belong together fall together, whatever their traces
        let trace_id = parent.and_then(Moment::sampled_as).unwrap_or(trace_id);
        let span = parent.map(|context| context.span().span_context().clone());
        let caller = span.filter(SpanContext::is_valid);
        let trace_state = caller
            .as_ref()
            .map_or(TraceState::NONE, |caller| caller.trace_state().clone());
        let result = |decision, attributes| SamplingResult {
            decision,
            attributes,
            trace_state: trace_state.clone(),
        };
        if let Some(local) = caller.as_ref().filter(|caller| !caller.is_remote()) {
            // Inside the process a trace is whole or not there.
            let decision = if local.is_sampled() {
                SamplingDecision::RecordAndSample
            } else {
                SamplingDecision::Drop
            };
            return result(decision, Vec::new());
        }
        let Entry {
            kept,
            reason,
            never,
        } = self.enter(caller.as_ref(), trace_id, attributes);
        self.decisions.count(reason, kept);
        if kept {
            let told = reason == Reason::Rule || (reason == Reason::Ratio && self.ratio() < 1.0);
            let mark = KeyValue::new(attribute::CAMPANILE_SAMPLING_REASON, reason.as_str());
            return result(
                SamplingDecision::RecordAndSample,
                if told { vec![mark] } else { Vec::new() },
            );
        }
        let may_come_late = *kind == SpanKind::Server && !never && self.sampling.keeps_late();
        let decision = if may_come_late {
            SamplingDecision::RecordOnly
        } else {
            SamplingDecision::Drop
        };
        result(decision, Vec::new())
    }
}
