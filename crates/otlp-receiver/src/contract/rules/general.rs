//! Names and forms, wherever they occur.

use super::super::{Findings, Rule, places, resources};
use crate::model::Value;
use crate::seen::Seen;

/// Names of older conventions, and what came after them.
const OLD: &[(&str, &str)] = &[
    ("http.status_code", "http.response.status_code"),
    ("http.method", "http.request.method"),
    ("http.target", "url.path and url.query"),
    ("http.url", "url.full"),
    ("http.scheme", "url.scheme"),
    ("http.host", "server.address"),
    ("http.flavor", "network.protocol.version"),
    ("http.user_agent", "user_agent.original"),
    ("http.client_ip", "client.address"),
    ("net.peer.name", "server.address"),
    ("net.peer.port", "server.port"),
    ("net.peer.ip", "network.peer.address"),
    ("net.host.name", "server.address"),
    ("net.host.port", "server.port"),
    ("net.sock.peer.addr", "network.peer.address"),
    ("net.sock.peer.port", "network.peer.port"),
    ("net.transport", "network.transport"),
    ("peer.service", "service.peer.name"),
    ("db.system", "db.system.name"),
    ("db.statement", "db.query.text"),
    ("db.operation", "db.operation.name"),
    ("db.name", "db.namespace"),
    ("db.sql.table", "db.collection.name"),
    ("db.user", "nothing"),
    ("rpc.system", "rpc.system.name"),
    ("rpc.service", "rpc.method"),
    ("rpc.grpc.status_code", "rpc.status_code"),
    ("deployment.environment", "deployment.environment.name"),
    ("code.function", "code.function.name"),
    ("code.namespace", "code.function.name"),
    ("code.filepath", "code.file.path"),
    ("code.lineno", "code.line.number"),
    ("event.name", "the record's event name"),
    ("exception.escaped", "nothing"),
];

pub(super) fn check(seen: &Seen, findings: &mut Findings<'_>) {
    for place in places(seen) {
        for (key, value) in place.attributes.iter() {
            if let Some((_, now)) = OLD.iter().find(|(old, _)| *old == key) {
                let message = format!("attribute {key:?} became {now}");
                findings.add(Rule::OldName, &place.subject, message);
            }
            if !is_well_formed(key) && !is_header(key) {
                let message = format!("attribute {key:?} is not of lower-case words");
                findings.add(Rule::NameFormat, &place.subject, message);
            }
            if let Some(wrong) = wrong_form(key, value) {
                findings.add(Rule::AttributeForm, &place.subject, wrong);
            }
        }
    }
    for metric in &seen.metrics {
        if !is_well_formed(metric.name()) {
            let subject = format!("metric {:?}", metric.name());
            findings.add(Rule::NameFormat, subject, "is not of lower-case words");
        }
    }
    for resource in resources(seen) {
        let subject = format!("resource of {:?}", resource.service_name());
        for key in [
            "service.name",
            "telemetry.sdk.name",
            "telemetry.sdk.language",
        ] {
            if resource.attributes.get(key).is_none() {
                findings.add(Rule::Resource, &subject, format!("lacks {key:?}"));
            }
        }
    }
}

/// Lower-case words that begin with a letter, joined by single `.` or `_`.
fn is_well_formed(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    let word = |word: &str| {
        let mut letters = word.chars();
        !word.is_empty()
            && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    begins && name.split(['.', '_']).all(word)
}

/// Header names stand in keys as they are, hyphens and all.
fn is_header(key: &str) -> bool {
    let prefixes = ["http.request.header.", "http.response.header."];
    prefixes.into_iter().any(|prefix| key.starts_with(prefix))
}

fn wrong_form(key: &str, value: &Value) -> Option<String> {
    if key == "http.response.status_code" && value.as_int().is_none() {
        let got = value.type_name();
        return Some(format!("attribute {key:?} is of type {got}, expected int"));
    }
    let text = value.as_str()?;
    match key {
        // One colon is a port; more make an IPv6 address.
        "server.address" | "client.address" if text.matches(':').count() == 1 => {
            Some(format!("attribute {key:?} has a port in it: {text:?}"))
        }
        "network.protocol.version" if text.starts_with("HTTP/") || text == "2.0" => Some(format!(
            "attribute {key:?} is {text:?}, expected as 1.1 or 2"
        )),
        "http.route" | "url.path" if text.contains('?') => {
            Some(format!("attribute {key:?} has a query in it: {text:?}"))
        }
        _ => None,
    }
}
