//! Writes the names as a registry of OpenTelemetry Weaver: `docs/signals/registry/` for our own,
//! `docs/signals/standard/` for the part of the conventions that we use.
//!
//! Our own registry depends on the excerpt by its folder, so that it can be checked without a
//! network; for Weaver's live check put the public registry in its place.

use std::fmt::Write;

use campanile_semconv::{Origin, SCHEMA_URL, attribute, event, metric, span};

/// Every file of both registries: its path below `docs/signals/`, and its text.
pub(crate) fn files() -> Vec<(&'static str, String)> {
    vec![
        (
            "registry/registry_manifest.yaml",
            manifest("campanile", "Names of our own.", Some("../standard")),
        ),
        ("registry/attributes.yaml", attributes(Origin::Own)),
        ("registry/metrics.yaml", metrics(Origin::Own)),
        ("registry/events.yaml", events(Origin::Own)),
        ("registry/spans.yaml", spans()),
        (
            "standard/registry_manifest.yaml",
            manifest(
                "otel",
                "The part of the semantic conventions that Campanile uses.",
                None,
            ),
        ),
        ("standard/attributes.yaml", attributes(Origin::Standard)),
        ("standard/metrics.yaml", metrics(Origin::Standard)),
        ("standard/events.yaml", events(Origin::Standard)),
    ]
}

const HEADER: &str =
    "# Written by `cargo xtask signals` from crates/semconv; a test fails when it is stale.\n";

/// A text as YAML: a JSON string is one.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

fn manifest(name: &str, description: &str, dependency: Option<&str>) -> String {
    let mut out = String::from(HEADER);
    let _ = writeln!(
        out,
        "name: {name}\ndescription: {}\nsemconv_version: {}",
        quoted(description),
        quoted(env!("CARGO_PKG_VERSION"))
    );
    let _ = writeln!(
        out,
        "schema_base_url: {}",
        quoted(
            SCHEMA_URL
                .rsplit_once('/')
                .map_or(SCHEMA_URL, |(base, _)| base)
        )
    );
    if let Some(path) = dependency {
        let _ = writeln!(
            out,
            "dependencies:\n  - name: otel\n    registry_path: {}",
            quoted(path)
        );
    }
    out
}

fn stability(origin: Origin) -> &'static str {
    match origin {
        Origin::Standard => "stable",
        Origin::Own => "development",
    }
}

fn attributes(origin: Origin) -> String {
    let name = if origin == Origin::Own {
        "campanile"
    } else {
        "otel"
    };
    let mut out = format!(
        "{HEADER}groups:\n  - id: registry.{name}\n    type: attribute_group\n    display_name: {name}\n    brief: {}\n    attributes:\n",
        quoted("Attributes."),
    );
    for a in attribute::ALL.iter().filter(|a| a.origin == origin) {
        let _ = writeln!(
            out,
            "      - id: {}\n        stability: {}\n        brief: {}",
            a.key,
            stability(origin),
            quoted(a.brief)
        );
        if a.values.is_empty() {
            let _ = writeln!(out, "        type: {}", a.ty.as_str());
            if a.ty == attribute::Type::String {
                let _ = writeln!(out, "        examples: [\"...\"]");
            }
            continue;
        }
        let _ = writeln!(
            out,
            "        type:\n          allow_custom_values: false\n          members:"
        );
        for value in a.values {
            let id = value.replace(['.', '-'], "_").to_lowercase();
            let id = if id.starts_with(|c: char| c.is_ascii_digit()) {
                format!("v{id}")
            } else {
                id
            };
            let _ = writeln!(
                out,
                "            - id: {id}\n              value: {}\n              brief: {}\n              stability: {}",
                quoted(value),
                quoted(value),
                stability(origin)
            );
        }
    }
    if origin == Origin::Standard {
        for (prefix, brief) in [
            (attribute::HTTP_REQUEST_HEADER, "A captured request header."),
            (
                attribute::HTTP_RESPONSE_HEADER,
                "A captured response header.",
            ),
        ] {
            let id = prefix.trim_end_matches('.');
            let _ = writeln!(
                out,
                "      - id: {id}\n        stability: stable\n        brief: {}\n        type: template[string[]]\n        examples: [[\"...\"]]",
                quoted(brief)
            );
        }
    }
    out
}

fn metrics(origin: Origin) -> String {
    let mut out = format!("{HEADER}groups:\n");
    for m in metric::ALL.iter().filter(|m| m.origin == origin) {
        let _ = writeln!(
            out,
            "  - id: metric.{name}\n    type: metric\n    metric_name: {name}\n    stability: {}\n    brief: {}\n    instrument: {}\n    unit: {}",
            stability(origin),
            quoted(m.brief),
            m.instrument.as_str(),
            quoted(m.unit),
            name = m.name,
        );
        references(&mut out, m.attributes);
    }
    out
}

fn references(out: &mut String, keys: &[&str]) {
    if !keys.is_empty() {
        let _ = writeln!(out, "    attributes:");
    }
    for key in keys {
        let _ = writeln!(
            out,
            "      - ref: {key}\n        requirement_level: recommended"
        );
    }
}

fn events(origin: Origin) -> String {
    let mut out = format!("{HEADER}groups:\n");
    let named = event::ALL.iter().filter(|e| e.origin == origin);
    for (name, brief) in named.map(|e| (e.name, e.brief)) {
        one_event(&mut out, name, stability(origin), brief, &[]);
    }
    if origin == Origin::Own {
        for e in vc_server::EVENTS {
            let keys: Vec<_> = e.fields.iter().map(|field| field.key).collect();
            one_event(&mut out, e.name, stability(origin), e.brief, &keys);
        }
    }
    out
}

fn one_event(out: &mut String, name: &str, stability: &str, brief: &str, keys: &[&str]) {
    let _ = writeln!(
        out,
        "  - id: event.{name}\n    type: event\n    name: {name}\n    stability: {stability}\n    brief: {}",
        quoted(brief),
    );
    references(out, keys);
}

fn spans() -> String {
    let mut out = format!("{HEADER}groups:\n");
    for s in span::ALL {
        let _ = writeln!(
            out,
            "  - id: span.{}\n    type: span\n    span_kind: internal\n    stability: development\n    brief: {}",
            s.name,
            quoted(s.brief)
        );
    }
    out
}
