//! Metrics: buckets, names, units, `error.type` of durations.

use super::super::{Findings, Rule};
use crate::model::{Metric, MetricKind, PointValue, Value};

/// The SDK's default buckets, made for milliseconds.
const SDK_DEFAULT: &[f64] = &[
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0,
    10000.0,
];
const HTTP: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
const DATABASE: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Metrics whose buckets the conventions fix.
const FIXED: &[(&str, &[f64])] = &[
    ("http.server.request.duration", HTTP),
    ("http.client.request.duration", HTTP),
    ("rpc.server.call.duration", HTTP),
    ("rpc.client.call.duration", HTTP),
    ("db.client.operation.duration", DATABASE),
];

/// Units with a prefix, or that are not UCUM.
const PREFIXED: &[&str] = &[
    "ms",
    "us",
    "ns",
    "kBy",
    "KBy",
    "MBy",
    "KiBy",
    "MiBy",
    "GiBy",
    "bytes",
    "seconds",
    "milliseconds",
];

pub(super) fn check(metric: &Metric, findings: &mut Findings<'_>) {
    let subject = format!("metric {:?}", metric.name());
    check_name(metric, &subject, findings);
    check_buckets(metric, &subject, findings);
    check_error_type(metric, &subject, findings);
}

fn check_name(metric: &Metric, subject: &str, findings: &mut Findings<'_>) {
    let name = metric.name();
    if name.ends_with("_total") || name.ends_with(".total") {
        findings.add(
            Rule::MetricName,
            subject,
            "ends in total, which backends add",
        );
    }
    let last = name.rsplit(['.', '_']).next().unwrap_or_default();
    if ["seconds", "milliseconds", "ms", "bytes", "ratio"].contains(&last) {
        let message = format!("ends in {last:?}, which is for the unit to say");
        findings.add(Rule::MetricName, subject, message);
    }
    if PREFIXED.contains(&metric.unit()) {
        let message = format!(
            "has unit {:?}, expected a base unit as s or By",
            metric.unit()
        );
        findings.add(Rule::MetricName, subject, message);
    }
}

fn check_buckets(metric: &Metric, subject: &str, findings: &mut Findings<'_>) {
    let fixed = FIXED.iter().find(|(name, _)| *name == metric.name());
    for series in &metric.series {
        let Some(PointValue::Histogram(histogram)) = series.last().map(|point| &point.value) else {
            continue;
        };
        if metric.unit() == "s" && histogram.bounds == SDK_DEFAULT {
            let message = "is in seconds with the SDK's default buckets, made for milliseconds";
            findings.add(Rule::Buckets, subject, message);
        } else if let Some((_, bounds)) = fixed
            && !histogram.bounds.is_empty()
            && histogram.bounds != *bounds
        {
            let message = format!("has buckets {:?}, expected {bounds:?}", histogram.bounds);
            findings.add(Rule::Buckets, subject, message);
        }
    }
}

fn check_error_type(metric: &Metric, subject: &str, findings: &mut Findings<'_>) {
    let distribution = matches!(
        metric.kind(),
        MetricKind::Histogram { .. } | MetricKind::ExponentialHistogram { .. }
    );
    if !distribution || !metric.name().starts_with("http.") {
        return;
    }
    let least = if metric.name().starts_with("http.client.") {
        400
    } else {
        500
    };
    for series in &metric.series {
        let code = series.attribute("http.response.status_code");
        let failed = code
            .and_then(Value::as_int)
            .is_some_and(|code| code >= least);
        if failed && series.attribute("error.type").is_none() {
            let code = code.map(ToString::to_string).unwrap_or_default();
            let message = format!("counts answers of {code} without \"error.type\"");
            findings.add(Rule::ErrorType, subject, message);
        }
    }
}
