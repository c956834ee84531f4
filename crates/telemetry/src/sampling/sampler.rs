//! The decision itself: [`Sampler::judge`], and the same as the SDK asks for it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use campanile_recorder::Moment;
use campanile_semconv::attribute;
use opentelemetry::trace::{
    Link, SpanContext, SpanKind, Status, TraceContextExt, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample, SpanData};

use super::{About, Rule, Sampling};
use crate::stripe::Stripes;

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

/// For and against, for each reason.
const COUNTS: usize = 2 * Reason::ALL.len();

/// How many decisions fell, by reason: against and for. Every request is one, so threads count apart.
#[derive(Debug)]
pub(crate) struct Decisions(Stripes<COUNTS>);

impl Decisions {
    fn new() -> Self {
        Self(Stripes::new(|_| 0))
    }

    #[inline]
    fn count(&self, reason: Reason, kept: bool) {
        let place = 2 * reason as usize + usize::from(kept);
        self.0.mine()[place].fetch_add(1, Ordering::Relaxed);
    }

    fn total(&self, place: usize) -> u64 {
        let counts = self.0.all().map(|stripe| &stripe[place]);
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Reason, result and number of every kind of decision that fell.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        Reason::ALL.into_iter().flat_map(|reason| {
            let late = matches!(reason, Reason::Failure | Reason::Slow);
            let kept = if late { "kept" } else { "sampled" };
            [("dropped", 0), (kept, 1)].map(|(result, index)| {
                let count = self.total(2 * reason as usize + index);
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
    hints: Hints,
}

/// What tells nearly every request quickly that no rule is about it.
#[derive(Clone, Copy, Debug, Default)]
struct Hints {
    /// A bit for each length that a route with a rule has, sixty-four and zero being the same.
    lengths: u64,
    domains: bool,
}

impl Hints {
    fn of(rules: &[Rule]) -> Self {
        let mut hints = Self::default();
        for rule in rules {
            match &rule.about {
                About::Route(name) => hints.lengths |= Self::bit(name),
                About::Domain(_) => hints.domains = true,
            }
        }
        hints
    }

    fn bit(name: &str) -> u64 {
        1 << (name.len() % 64)
    }

    #[inline]
    fn exclude(self, route: Option<&str>, domain: Option<&str>) -> bool {
        route.is_none_or(|route| self.lengths & Self::bit(route) == 0)
            && (domain.is_none() || !self.domains)
    }
}

impl Sampler {
    pub(crate) fn new(sampling: Sampling) -> Self {
        Self {
            hints: Hints::of(&sampling.rules),
            sampling: Arc::new(sampling),
            decisions: Arc::new(Decisions::new()),
        }
    }

    pub(crate) fn decisions(&self) -> &Arc<Decisions> {
        &self.decisions
    }

    /// The share of traces that begin here, as configured.
    pub(crate) fn ratio(&self) -> f64 {
        self.sampling.base.ratio()
    }

    /// Whether an ended span leaves though its trace was not kept: then why. It counts, and the
    /// span is to be marked (`campanile.sampling.reason`).
    pub(crate) fn late(&self, is_error: bool, took: Duration) -> Option<&'static str> {
        let reason = if self.sampling.failures && is_error {
            Reason::Failure
        } else if self.sampling.slow.is_some_and(|slow| took >= slow) {
            Reason::Slow
        } else {
            return None;
        };
        self.decisions.count(reason, true);
        Some(reason.as_str())
    }

    /// The same for a span of the SDK, which is marked.
    pub(crate) fn keep_late(&self, span: &mut SpanData) -> bool {
        let took = span.end_time.duration_since(span.start_time);
        let is_error = matches!(span.status, Status::Error { .. });
        let Some(reason) = self.late(is_error, took.unwrap_or_default()) else {
            return false;
        };
        let mark = KeyValue::new(attribute::CAMPANILE_SAMPLING_REASON, reason);
        span.attributes.push(mark);
        true
    }

    /// Decides about a span that is about to begin.
    ///
    /// `decisive` is the trace id that ratios go by. Only a span that may be an entry
    /// (`is_server`) is watched when its trace is not kept; `subject` is asked only where a trace
    /// enters the process.
    pub(crate) fn judge<'a>(
        &self,
        caller: Caller,
        decisive: TraceId,
        is_server: bool,
        subject: impl FnOnce() -> Subject<'a>,
    ) -> Verdict {
        let caller = match caller {
            // Inside the process a trace is whole or not there.
            Caller::Local { is_sampled: true } => return Verdict::Keep(None),
            Caller::Local { is_sampled: false } => return Verdict::Drop,
            Caller::Remote { is_sampled } => Some(is_sampled),
            Caller::Nobody => None,
        };
        let Entry {
            kept,
            reason,
            never,
        } = self.enter(caller, decisive, subject);
        self.decisions.count(reason, kept);
        if kept {
            let told = reason == Reason::Rule || (reason == Reason::Ratio && self.ratio() < 1.0);
            return Verdict::Keep(told.then_some(reason.as_str()));
        }
        if is_server && !never && self.sampling.keeps_late() {
            Verdict::Watch
        } else {
            Verdict::Drop
        }
    }

    /// Decides where a trace enters the process.
    #[inline]
    fn enter<'a>(
        &self,
        caller: Option<bool>,
        trace_id: TraceId,
        subject: impl FnOnce() -> Subject<'a>,
    ) -> Entry {
        let rule = if self.sampling.rules.is_empty() {
            None
        } else {
            self.rule(&subject())
        };
        if rule.is_some_and(|rule| rule.never) {
            return Entry {
                kept: false,
                reason: Reason::Rule,
                never: true,
            };
        }
        let (kept, reason) = match (caller, rule) {
            (Some(is_sampled), _) if self.sampling.parent_based => (is_sampled, Reason::Parent),
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
    #[inline]
    fn rule(&self, subject: &Subject<'_>) -> Option<&Rule> {
        let route = subject.route.as_ref().or(subject.path.as_ref());
        let (route, domain) = (route.map(Cow::as_ref), subject.domain.as_deref());
        if self.hints.exclude(route, domain) {
            return None;
        }
        self.last_rule(route, domain)
    }

    #[inline(never)]
    fn last_rule(&self, route: Option<&str>, domain: Option<&str>) -> Option<&Rule> {
        self.sampling
            .rules
            .iter()
            .rev()
            .find(|rule| match &rule.about {
                About::Route(name) => route == Some(name.as_ref()),
                About::Domain(name) => domain == Some(name.as_ref()),
            })
    }
}

/// Whose request a span is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller {
    /// The trace begins here.
    Nobody,
    /// The parent is in another process.
    Remote { is_sampled: bool },
    /// The parent is in this process.
    Local { is_sampled: bool },
}

impl Caller {
    pub(crate) fn of(parent: &SpanContext) -> Self {
        let is_sampled = parent.is_sampled();
        match (parent.is_valid(), parent.is_remote()) {
            (false, _) => Self::Nobody,
            (true, true) => Self::Remote { is_sampled },
            (true, false) => Self::Local { is_sampled },
        }
    }
}

/// What rules are about.
#[derive(Debug, Default)]
pub(crate) struct Subject<'a> {
    /// The route's template.
    pub(crate) route: Option<Cow<'a, str>>,
    /// Takes the route's place where there is none.
    pub(crate) path: Option<Cow<'a, str>>,
    pub(crate) domain: Option<Cow<'a, str>>,
}

impl<'a> Subject<'a> {
    pub(crate) fn of(attributes: &'a [KeyValue]) -> Self {
        let text = |key: &str| {
            let found = attributes
                .iter()
                .find(|attribute| attribute.key.as_str() == key);
            found.map(|attribute| attribute.value.as_str())
        };
        Self {
            route: text(attribute::HTTP_ROUTE),
            path: text(attribute::URL_PATH),
            domain: text(attribute::CAMPANILE_DOMAIN),
        }
    }
}

/// What is to be done with a span.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Keep it; where there is a reason, it is told (`campanile.sampling.reason`).
    Keep(Option<&'static str>),
    /// Record it, as it may be kept [late](Sampler::late).
    Watch,
    /// Record nothing.
    Drop,
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
        let caller = span.unwrap_or(SpanContext::NONE);
        let trace_state = if caller.is_valid() {
            caller.trace_state().clone()
        } else {
            TraceState::NONE
        };
        let is_server = *kind == SpanKind::Server;
        let subject = || Subject::of(attributes);
        let (decision, told) = match self.judge(Caller::of(&caller), trace_id, is_server, subject) {
            Verdict::Keep(told) => (SamplingDecision::RecordAndSample, told),
            Verdict::Watch => (SamplingDecision::RecordOnly, None),
            Verdict::Drop => (SamplingDecision::Drop, None),
        };
        let mark = |reason| KeyValue::new(attribute::CAMPANILE_SAMPLING_REASON, reason);
        SamplingResult {
            decision,
            attributes: told.map(mark).into_iter().collect(),
            trace_state,
        }
    }
}
