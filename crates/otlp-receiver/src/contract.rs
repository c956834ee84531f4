//! The contract check: is everything that was received declared, and does it keep the conventions?
//!
//! Two things are checked. What was received is held against a [`Registry`] in the YAML format of OpenTelemetry
//! Weaver: names, types, units, instruments, required attributes. Then come the rules of the semantic conventions that
//! such a registry cannot express: which attributes a span needs, its kind and status, `error.type`, histogram buckets.
//! Every rule can be switched off.

mod names;
mod registry;
mod rule;
mod rules;

pub use self::registry::{Registry, RegistryError};
pub use self::rule::Rule;

use std::collections::BTreeMap;
use std::fmt;

use crate::model::Attributes;
use crate::seen::Seen;

/// One way in which what was received breaks the contract.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What breaks it, as `span "GET /orders"`.
    pub subject: String,
    /// How.
    pub message: String,
    /// How many items break it in the same way.
    pub times: usize,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: {}", self.rule, self.subject, self.message)?;
        match self.times {
            1 => Ok(()),
            times => write!(f, " ({times} times)"),
        }
    }
}

/// What telemetry has to keep to.
///
/// ```
/// use campanile_otlp_receiver::contract::{Contract, Registry, Rule};
///
/// # fn example(seen: campanile_otlp_receiver::Seen) -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::from_dir("docs/signals/registry")?;
/// let contract = Contract::new(registry)
///     .allowing("thread.*")             // what a library adds, say
///     .without(Rule::ExceptionEvent);
/// contract.assert_kept(&seen);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Contract {
    registry: Option<Registry>,
    allowed: Vec<String>,
    off: Vec<Rule>,
}

impl Contract {
    /// Checks against a registry, and the rules of the semantic conventions.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry: Some(registry),
            allowed: Vec::new(),
            off: Vec::new(),
        }
    }

    /// Checks the rules of the semantic conventions alone: any name may be used.
    pub fn conventions() -> Self {
        Self {
            registry: None,
            allowed: Vec::new(),
            off: Vec::new(),
        }
    }

    /// Switches a rule off.
    #[must_use]
    pub fn without(mut self, rule: Rule) -> Self {
        self.off.push(rule);
        self
    }

    /// Switches all rules off but these.
    #[must_use]
    pub fn only(mut self, rules: &[Rule]) -> Self {
        self.off = Rule::ALL.to_vec();
        self.off.retain(|rule| !rules.contains(rule));
        self
    }

    /// Allows a name that the registry does not declare; `otel.*` allows all that begin with `otel.`.
    #[must_use]
    pub fn allowing(mut self, name: impl Into<String>) -> Self {
        self.allowed.push(name.into());
        self
    }

    /// Lists how what was received breaks the contract, each way once.
    pub fn check(&self, seen: &Seen) -> Vec<Violation> {
        let mut findings = Findings {
            contract: self,
            found: BTreeMap::new(),
        };
        if let Some(registry) = &self.registry {
            names::check(registry, seen, &mut findings);
        }
        rules::check(seen, &mut findings);
        let found = findings.found.into_iter();
        found
            .map(|((rule, subject, message), times)| Violation {
                rule,
                subject,
                message,
                times,
            })
            .collect()
    }

    /// Fails the test unless the contract is kept, and lists every violation.
    ///
    /// # Panics
    /// When there is a violation.
    #[track_caller]
    pub fn assert_kept(&self, seen: &Seen) {
        let violations = self.check(seen);
        if violations.is_empty() {
            return;
        }
        let lines: Vec<_> = violations
            .iter()
            .map(|found| format!("   {found}"))
            .collect();
        panic!(
            "the contract is broken in {} ways:\n{}",
            lines.len(),
            lines.join("\n")
        );
    }

    fn allows(&self, name: &str) -> bool {
        self.allowed
            .iter()
            .any(|allowed| match allowed.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == allowed,
            })
    }
}

/// Violations, counted.
struct Findings<'a> {
    contract: &'a Contract,
    found: BTreeMap<(Rule, String, String), usize>,
}

impl Findings<'_> {
    fn add(&mut self, rule: Rule, subject: impl fmt::Display, message: impl Into<String>) {
        if self.contract.off.contains(&rule) {
            return;
        }
        let key = (rule, subject.to_string(), message.into());
        *self.found.entry(key).or_default() += 1;
    }
}

/// A place with attributes, and its name in a message.
struct Place<'a> {
    subject: String,
    attributes: &'a Attributes,
}

/// Lists every place where attributes may be.
fn places(seen: &Seen) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    let mut add = |subject: String, attributes| {
        places.push(Place {
            subject,
            attributes,
        });
    };
    for span in &seen.spans {
        let name = format!("span {:?}", span.name);
        for event in &span.events {
            add(
                format!("event {:?} of {name}", event.name),
                &event.attributes,
            );
        }
        for link in &span.links {
            add(format!("link of {name}"), &link.attributes);
        }
        add(name, &span.attributes);
    }
    for log in &seen.logs {
        add(log_subject(log), &log.attributes);
    }
    for metric in &seen.metrics {
        for series in &metric.series {
            add(format!("metric {:?}", metric.name()), &series.attributes);
        }
    }
    for resource in resources(seen) {
        add(
            format!("resource of {:?}", resource.service_name()),
            &resource.attributes,
        );
    }
    for scope in scopes(seen) {
        add(format!("scope {:?}", scope.name), &scope.attributes);
    }
    places
}

fn log_subject(log: &crate::model::LogRecord) -> String {
    match log.event_name.as_str() {
        "" => format!("log record of scope {:?}", log.scope.name),
        name => format!("event {name:?}"),
    }
}

fn resources(seen: &Seen) -> Vec<&crate::model::Resource> {
    let spans = seen.spans.iter().map(|span| &span.resource);
    let logs = seen.logs.iter().map(|log| &log.resource);
    let metrics = seen.metrics.iter().map(crate::model::Metric::resource);
    let mut all: Vec<_> = spans.chain(logs).chain(metrics).collect();
    // Equal ones share an allocation.
    all.sort_by_key(|resource| std::sync::Arc::as_ptr(resource));
    all.dedup_by_key(|resource| std::sync::Arc::as_ptr(resource));
    all.into_iter().map(std::sync::Arc::as_ref).collect()
}

fn scopes(seen: &Seen) -> Vec<&crate::model::Scope> {
    let spans = seen.spans.iter().map(|span| &span.scope);
    let logs = seen.logs.iter().map(|log| &log.scope);
    let metrics = seen.metrics.iter().map(crate::model::Metric::scope);
    let mut all: Vec<_> = spans.chain(logs).chain(metrics).collect();
    all.sort_by_key(|scope| std::sync::Arc::as_ptr(scope));
    all.dedup_by_key(|scope| std::sync::Arc::as_ptr(scope));
    all.into_iter().map(std::sync::Arc::as_ref).collect()
}

#[cfg(all(test, feature = "json"))]
mod tests;
