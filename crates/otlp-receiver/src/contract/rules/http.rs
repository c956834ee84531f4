//! HTTP spans: kind, attributes, name, status.

use super::super::{Findings, Rule};
use crate::model::{Span, SpanKind, StatusCode};

/// What a server's span needs.
const SERVER: &[&str] = &["http.request.method", "url.path", "url.scheme"];
/// What a client's span needs.
const CLIENT: &[&str] = &[
    "http.request.method",
    "server.address",
    "server.port",
    "url.full",
];

pub(super) fn check(span: &Span, findings: &mut Findings<'_>) {
    let Some(method) = span.attributes.get_str("http.request.method") else {
        return;
    };
    let subject = format!("span {:?}", span.name);
    let required = match span.kind {
        SpanKind::Server => SERVER,
        SpanKind::Client => CLIENT,
        kind => {
            let message = format!("is of kind {kind}, expected server or client");
            findings.add(Rule::HttpSpanKind, subject, message);
            return;
        }
    };
    for key in required {
        if span.attribute(key).is_none() {
            findings.add(Rule::HttpSpanRequires, &subject, format!("lacks {key:?}"));
        }
    }
    if method == "_OTHER" && span.attribute("http.request.method_original").is_none() {
        let message = "lacks \"http.request.method_original\" beside the method _OTHER";
        findings.add(Rule::HttpSpanRequires, &subject, message);
    }
    check_name(span, method, findings);
    check_status(span, &subject, findings);
}

fn check_name(span: &Span, method: &str, findings: &mut Findings<'_>) {
    let method = if method == "_OTHER" { "HTTP" } else { method };
    let template = match span.kind {
        SpanKind::Server => "http.route",
        _ => "url.template",
    };
    let template = span.attributes.get_str(template);
    let expected = match template {
        Some(template) => format!("{method} {template}"),
        None => method.to_owned(),
    };
    if span.name != expected {
        let message = format!("expected the name {expected:?}");
        findings.add(Rule::HttpSpanName, format!("span {:?}", span.name), message);
    }
}

fn check_status(span: &Span, subject: &str, findings: &mut Findings<'_>) {
    let code = span.attribute("http.response.status_code");
    let Some(code) = code.and_then(crate::model::Value::as_int) else {
        return;
    };
    let failed = code
        >= if span.kind == SpanKind::Server {
            500
        } else {
            400
        };
    if failed && !span.is_error() {
        let message = format!("answered {code} and has status {}", span.status.code);
        findings.add(
            Rule::HttpSpanStatus,
            subject,
            format!("{message}, expected error"),
        );
    }
    // A success that broke while it was sent is an error too, but then says why.
    let cause = span.attributes.get_str("error.type");
    let explained = cause.is_some_and(|cause| cause != code.to_string());
    if !failed && span.status.code == StatusCode::Error && !explained {
        let message = format!("answered {code} and has status error, expected unset");
        findings.add(Rule::HttpSpanStatus, subject, message);
    }
    let repeats = span.status.message.contains(&code.to_string());
    if failed && repeats {
        let message = format!("has a status description that repeats {code}");
        findings.add(Rule::SpanStatus, subject, message);
    }
}
