//! Holds what was received against a registry.

use super::registry::{Attribute, AttributeKind, Registry, Uses};
use super::{Findings, Rule, log_subject, places};
use crate::model::{Attributes, Metric, MetricKind, Value};
use crate::seen::Seen;

pub(super) fn check(registry: &Registry, seen: &Seen, findings: &mut Findings<'_>) {
    for place in places(seen) {
        for (key, value) in place.attributes.iter() {
            check_attribute(registry, &place.subject, key, value, findings);
        }
    }
    for metric in &seen.metrics {
        check_metric(registry, metric, findings);
    }
    for span in &seen.spans {
        for event in &span.events {
            let subject = format!("event {:?} of span {:?}", event.name, span.name);
            check_event(registry, &event.name, &subject, &event.attributes, findings);
        }
    }
    for log in seen.logs.iter().filter(|log| !log.event_name.is_empty()) {
        check_event(
            registry,
            &log.event_name,
            &log_subject(log),
            &log.attributes,
            findings,
        );
    }
}

fn check_attribute(
    registry: &Registry,
    subject: &str,
    key: &str,
    value: &Value,
    findings: &mut Findings<'_>,
) {
    let Some(declared) = registry.attribute(key) else {
        if !findings.contract.allows(key) {
            let message = format!("attribute {key:?} is not declared");
            findings.add(Rule::UndeclaredAttribute, subject, message);
        }
        return;
    };
    if declared.deprecated {
        let message = format!("attribute {key:?} is deprecated");
        findings.add(Rule::Deprecated, subject, message);
    }
    check_value(declared, subject, key, value, findings);
}

fn check_value(
    declared: &Attribute,
    subject: &str,
    key: &str,
    value: &Value,
    findings: &mut Findings<'_>,
) {
    match &declared.kind {
        AttributeKind::Plain(wanted) | AttributeKind::Template(wanted) => {
            if !has_type(value, wanted) {
                let got = type_of(value);
                let message = format!("attribute {key:?} is of type {got}, declared is {wanted}");
                findings.add(Rule::AttributeType, subject, message);
            }
        }
        AttributeKind::Members { values, closed } => {
            let same_type = values
                .iter()
                .any(|member| member.type_name() == value.type_name());
            if !same_type {
                let got = type_of(value);
                let message = format!("attribute {key:?} is of type {got}, unlike all its members");
                findings.add(Rule::AttributeType, subject, message);
            } else if *closed && !values.contains(value) {
                let message =
                    format!("attribute {key:?} has a value that is not declared: {value:?}");
                findings.add(Rule::AttributeValue, subject, message);
            }
        }
    }
}

fn type_of(value: &Value) -> String {
    match value {
        Value::Array(items) => match items.first() {
            Some(item) => format!("{}[]", item.type_name()),
            None => "[]".to_owned(),
        },
        other => other.type_name().to_owned(),
    }
}

fn has_type(value: &Value, wanted: &str) -> bool {
    match (value, wanted.strip_suffix("[]")) {
        _ if wanted == "any" => true,
        (Value::Array(items), Some(wanted)) => items.iter().all(|item| item.type_name() == wanted),
        (value, None) => value.type_name() == wanted,
        _ => false,
    }
}

fn check_metric(registry: &Registry, metric: &Metric, findings: &mut Findings<'_>) {
    let (name, subject) = (metric.name(), format!("metric {:?}", metric.name()));
    let Some(declared) = registry.metrics.get(name) else {
        if !findings.contract.allows(name) {
            findings.add(Rule::UndeclaredMetric, subject, "is not declared");
        }
        return;
    };
    if declared.deprecated {
        findings.add(Rule::Deprecated, &subject, "is deprecated");
    }
    if instrument(metric.kind()) != declared.instrument {
        let (got, wanted) = (instrument(metric.kind()), &declared.instrument);
        let message = format!("is a {got}, declared is {wanted}");
        findings.add(Rule::MetricInstrument, &subject, message);
    }
    if metric.unit() != declared.unit {
        let message = format!(
            "has unit {:?}, declared is {:?}",
            metric.unit(),
            declared.unit
        );
        findings.add(Rule::MetricUnit, &subject, message);
    }
    for series in &metric.series {
        // What the SDK folds together past its limit has no other attributes.
        if series.attribute("otel.metric.overflow").is_some() {
            continue;
        }
        requires(
            &declared.attributes,
            &subject,
            &series.attributes,
            Rule::MetricRequires,
            findings,
        );
        for (key, _) in series.attributes.iter() {
            let allowed = declared.attributes.contains_key(key) || findings.contract.allows(key);
            if !allowed && registry.attribute(key).is_some() {
                let message = format!("attribute {key:?} is not declared for it");
                findings.add(Rule::MetricAllows, &subject, message);
            }
        }
    }
}

fn instrument(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Gauge => "gauge",
        MetricKind::Sum {
            monotonic: true, ..
        } => "counter",
        MetricKind::Sum { .. } => "updowncounter",
        MetricKind::Histogram { .. } | MetricKind::ExponentialHistogram { .. } => "histogram",
        MetricKind::Summary => "summary",
    }
}

fn check_event(
    registry: &Registry,
    name: &str,
    subject: &str,
    attributes: &Attributes,
    findings: &mut Findings<'_>,
) {
    let Some(declared) = registry.events.get(name) else {
        if !findings.contract.allows(name) {
            findings.add(Rule::UndeclaredEvent, subject, "is not declared");
        }
        return;
    };
    if declared.deprecated {
        findings.add(Rule::Deprecated, subject, "is deprecated");
    }
    requires(
        &declared.attributes,
        subject,
        attributes,
        Rule::EventRequires,
        findings,
    );
}

fn requires(
    uses: &Uses,
    subject: &str,
    attributes: &Attributes,
    rule: Rule,
    findings: &mut Findings<'_>,
) {
    for (key, required) in uses {
        if *required && attributes.get(key).is_none() {
            findings.add(
                rule,
                subject,
                format!("lacks the required attribute {key:?}"),
            );
        }
    }
}
