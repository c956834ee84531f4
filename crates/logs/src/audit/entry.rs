//! What an audit record says.

use std::borrow::Cow;
use std::time::SystemTime;

use campanile_recorder::{LogAttributes, RequestId, Route};
use campanile_redaction::{Pseudonyms, Redactor};
use campanile_semconv::{attribute as a, value};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};

/// Longer texts are cut: 1 KiB.
const MAX_TEXT: usize = 1024;

/// How an action ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not allowed.
    Denied,
    /// It was allowed, and did not succeed.
    Failed,
}

impl Outcome {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        value::AUDIT_OUTCOMES[self as usize]
    }
}

/// Who did something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor(String);

impl Actor {
    /// A name that may leave the process as it is: of a machine, a service, or a role.
    ///
    /// For people take a [`pseudonym`](Self::pseudonym).
    pub fn plain(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Stands in for a person: who has the key can tell whether it was `id`, and nobody else.
    pub fn pseudonym(pseudonyms: &Pseudonyms, id: &str) -> Self {
        Self(pseudonyms.of(id))
    }
}

/// What is to be recorded: who did what to whom, by which rule, and how it ended.
#[derive(Clone, Debug)]
#[must_use = "nothing is recorded before Audit::record or Audit::record_within"]
pub struct Entry {
    action: &'static str,
    outcome: Outcome,
    actor: Option<String>,
    target: Option<String>,
    policy: Option<Cow<'static, str>>,
    reason: Option<String>,
}

impl Entry {
    /// Begins an entry about `action`, a fixed word such as `room.delete`.
    pub fn new(action: &'static str, outcome: Outcome) -> Self {
        Self {
            action,
            outcome,
            actor: None,
            target: None,
            policy: None,
            reason: None,
        }
    }

    /// Says who did it.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(cut(actor.0));
        self
    }

    /// Says what it was done to. Texts longer than 1 KiB are cut, here and below.
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(cut(target.into()));
        self
    }

    /// Names the rule that decided.
    pub fn policy(mut self, policy: impl Into<Cow<'static, str>>) -> Self {
        self.policy = Some(policy.into());
        self
    }

    /// Says why it was decided so.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(cut(reason.into()));
        self
    }

    pub(super) fn action(&self) -> &'static str {
        self.action
    }

    fn redact(&mut self, redactor: &Redactor) {
        for (key, text) in [
            (a::CAMPANILE_AUDIT_ACTOR, &mut self.actor),
            (a::CAMPANILE_AUDIT_TARGET, &mut self.target),
            (a::CAMPANILE_AUDIT_REASON, &mut self.reason),
        ] {
            let Some(text) = text else { continue };
            if let Cow::Owned(clean) = redactor.field(key, text) {
                *text = clean;
            }
        }
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
    text
}

/// An entry with its time and place, as a [`Way`](super::Way) gets it.
#[derive(Clone, Debug)]
pub struct Record {
    entry: Entry,
    at: SystemTime,
    span: SpanContext,
    domain: Option<&'static str>,
    request_id: Option<RequestId>,
    carried: Option<LogAttributes>,
}

impl Record {
    /// Puts an entry where the current request is.
    pub(super) fn now(mut entry: Entry, redactor: &Redactor) -> Self {
        entry.redact(redactor);
        Context::map_current(|context| Self {
            entry,
            at: SystemTime::now(),
            span: context.span().span_context().clone(),
            domain: Route::current().and_then(Route::domain),
            request_id: RequestId::of(context).cloned(),
            carried: LogAttributes::of(context).cloned(),
        })
    }

    /// What was done.
    pub fn action(&self) -> &'static str {
        self.entry.action
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        self.entry.outcome
    }

    /// When.
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// The span it happened in; not valid when there was none.
    pub fn span(&self) -> &SpanContext {
        &self.span
    }

    /// The part of the application that it happened in.
    pub fn domain(&self) -> Option<&'static str> {
        self.domain
    }

    /// The request that it happened in.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_ref().map(RequestId::as_str)
    }

    /// For people: action and outcome.
    pub fn message(&self) -> String {
        format!("{}: {}", self.entry.action, self.entry.outcome.as_str())
    }

    /// What it says, name and value, in this order everywhere; then what the request carries.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let entry = &self.entry;
        [
            (a::CAMPANILE_AUDIT_ACTION, Some(entry.action)),
            (a::CAMPANILE_AUDIT_ACTOR, entry.actor.as_deref()),
            (a::CAMPANILE_AUDIT_TARGET, entry.target.as_deref()),
            (a::CAMPANILE_AUDIT_POLICY, entry.policy.as_deref()),
            (a::CAMPANILE_AUDIT_REASON, entry.reason.as_deref()),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .chain(self.carried.iter().flat_map(LogAttributes::iter))
    }
}
