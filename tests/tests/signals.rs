//! The catalogue of names: fresh, well formed, and in agreement with the conventions.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::process::Command;

use campanile::semconv::{Origin, attribute, event, metric, span};

#[test]
fn the_page_of_signals_is_fresh() {
    let root = campanile_tests::peers::root();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut check = Command::new(cargo);
    check.current_dir(root).args([
        "run",
        "--quiet",
        "--package",
        "xtask",
        "--",
        "signals",
        "--check",
    ]);
    let output = check.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Names of the `opentelemetry-semantic-conventions` crate, read from its source: it has constants
/// only, and a constant that does not exist could not be asked for at run time.
fn published() -> BTreeSet<String> {
    let manifest = campanile_tests::peers::root().join("Cargo.toml");
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(manifest)
        .exec()
        .unwrap();
    let package = metadata
        .packages
        .iter()
        .find(|p| p.name == "opentelemetry-semantic-conventions")
        .unwrap();
    let source = package.manifest_path.parent().unwrap().join("src");
    let mut names = BTreeSet::new();
    for file in ["attribute.rs", "metric.rs", "resource.rs"] {
        let text = std::fs::read_to_string(source.join(file)).unwrap();
        for line in text.lines().map(str::trim) {
            if let Some(value) = line.split('"').nth(1).filter(|_| !line.starts_with("//")) {
                names.insert(value.to_owned());
            }
        }
    }
    names
}

/// Standard names that the published crate (schema 1.42.0) does not have yet, each with its reason.
const NEWER: &[(&str, &str)] = &[
    (
        "otel.metric.overflow",
        "named by the metrics SDK specification, not by the conventions",
    ),
    (
        "rpc.status_code",
        "replaced `rpc.grpc.status_code` after 1.42.0",
    ),
];

#[test]
fn standard_names_are_those_of_the_conventions() {
    let published = published();
    assert!(
        published.contains(opentelemetry_semantic_conventions::attribute::HTTP_ROUTE),
        "the source was read"
    );
    let ours = attribute::ALL
        .iter()
        .filter(|a| a.origin == Origin::Standard)
        .map(|a| a.key);
    let ours = ours.chain(
        metric::ALL
            .iter()
            .filter(|m| m.origin == Origin::Standard)
            .map(|m| m.name),
    );
    let unknown: Vec<_> = ours.filter(|name| !published.contains(*name)).collect();
    let known: Vec<_> = NEWER.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        unknown, known,
        "names that no convention has, or a stale list of differences"
    );
}

#[test]
fn own_names_follow_the_rules_for_names() {
    let published = published();
    let attributes = attribute::ALL.iter().map(|a| (a.key, a.origin));
    let metrics = metric::ALL.iter().map(|m| (m.name, m.origin));
    for (name, origin) in attributes.chain(metrics) {
        let parts: Vec<_> = name.split('.').collect();
        let well_formed = parts.iter().all(|part| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.split('_').all(|word| !word.is_empty())
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        });
        assert!(well_formed && parts.len() > 1, "{name}");
        if origin == Origin::Own {
            let ours = ["websocket", "voice", "campanile", "chat", "tokio"];
            assert!(
                ours.contains(&parts[0]),
                "{name} is in a namespace that is not ours"
            );
            assert!(!published.contains(name), "{name} is a standard name");
        }
    }
}

#[test]
fn own_spans_and_events_are_in_namespaces_of_our_own() {
    let events = event::ALL
        .iter()
        .filter(|e| e.origin == Origin::Own)
        .map(|e| e.name);
    for name in span::ALL.iter().map(|s| s.name).chain(events) {
        let namespace = name.split('.').next().unwrap();
        assert!(
            ["websocket", "voice", "campanile", "chat"].contains(&namespace),
            "{name}"
        );
    }
}

#[test]
fn no_name_is_declared_twice_and_no_attribute_is_a_namespace() {
    for names in [
        attribute::ALL.iter().map(|a| a.key).collect::<Vec<_>>(),
        metric::ALL.iter().map(|m| m.name).collect(),
        event::ALL.iter().map(|e| e.name).collect(),
        span::ALL.iter().map(|s| s.name).collect(),
    ] {
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "{names:?}");
    }
    for a in attribute::ALL {
        let inside = attribute::ALL.iter().find(|b| {
            b.key
                .strip_prefix(a.key)
                .is_some_and(|rest| rest.starts_with('.'))
        });
        assert!(
            inside.is_none(),
            "{} is the namespace of {:?}",
            a.key,
            inside.map(|b| b.key)
        );
    }
}

/// Counters of things whose name is not a plural, each with its reason.
const SINGULAR: &[(&str, &str)] = &[(
    "websocket.delivery.accepted",
    "the whole of which `websocket.delivery.messages` are the parts",
)];

#[test]
fn metrics_carry_declared_attributes_and_proper_units() {
    let declared: BTreeSet<_> = attribute::ALL.iter().map(|a| a.key).collect();
    for metric in metric::ALL {
        for key in metric.attributes {
            assert!(declared.contains(key), "{}: {key}", metric.name);
        }
        let unit = metric.unit;
        let annotation = unit.starts_with('{') && unit.ends_with('}') && !unit.ends_with("s}");
        assert!(
            annotation || ["s", "By", "1"].contains(&unit),
            "{}: unit {unit}",
            metric.name
        );
        let is_histogram = metric.instrument == metric::Instrument::Histogram;
        assert_eq!(is_histogram, !metric.buckets.is_empty(), "{}", metric.name);
        assert!(metric.buckets.is_sorted(), "{}", metric.name);
        let plural = metric.name.ends_with('s') && !metric.name.ends_with("ss");
        let is_counted = metric.origin == Origin::Own
            && metric.instrument == metric::Instrument::Counter
            && unit.starts_with('{');
        assert!(
            !is_counted || plural || SINGULAR.iter().any(|(name, _)| *name == metric.name),
            "{}: a counter of things is plural",
            metric.name
        );
    }
}
