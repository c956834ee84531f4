//! Any span: status, `error.type`, exceptions; and spans of databases.

use super::super::{Findings, Rule};
use crate::model::{Span, SpanKind, StatusCode};

/// Systems that may run within the process.
const EMBEDDED: &[&str] = &["sqlite", "h2database", "hsqldb", "derby"];

pub(super) fn check(span: &Span, findings: &mut Findings<'_>) {
    let subject = format!("span {:?}", span.name);
    if span.status.code == StatusCode::Ok {
        let message = "has status ok, which is for the application to set";
        findings.add(Rule::SpanStatus, &subject, message);
    }
    check_error_type(span, &subject, findings);
    if span.event("exception").is_some() {
        let message = "has an exception as a span event, expected a log record";
        findings.add(Rule::ExceptionEvent, &subject, message);
    }
    check_database(span, &subject, findings);
}

fn check_error_type(span: &Span, subject: &str, findings: &mut Findings<'_>) {
    let has_type = span.attribute("error.type").is_some();
    let conventional = span.attribute("http.request.method").is_some()
        || span.attribute("db.system.name").is_some()
        || span.attribute("rpc.system.name").is_some();
    if conventional && span.is_error() && !has_type {
        findings.add(
            Rule::ErrorType,
            subject,
            "has status error and lacks \"error.type\"",
        );
    }
    if has_type && !span.is_error() {
        let message = format!("has \"error.type\" and status {}", span.status.code);
        findings.add(Rule::ErrorType, subject, message);
    }
}

fn check_database(span: &Span, subject: &str, findings: &mut Findings<'_>) {
    let mut keys = span.attributes.iter().map(|(key, _)| key);
    if !keys.any(|key| key.starts_with("db.")) {
        return;
    }
    let Some(system) = span.attributes.get_str("db.system.name") else {
        findings.add(Rule::DatabaseSpan, subject, "lacks \"db.system.name\"");
        return;
    };
    let embedded = EMBEDDED.contains(&system);
    let fits = span.kind == SpanKind::Client || (embedded && span.kind == SpanKind::Internal);
    if !fits {
        let message = format!("is of kind {}, expected client", span.kind);
        findings.add(Rule::DatabaseSpan, subject, message);
    }
}
