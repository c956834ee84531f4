//! Holds the house in shape: who may look into whose room, which versions there may be.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Who may import whom, of ours. Tests and xtask may import anything, and nobody imports them.
const ARROWS: &[(&str, &[&str])] = &[
    ("campanile-semconv", &[]),
    ("campanile-propagation", &["campanile-semconv"]),
    ("campanile-redaction", &["campanile-semconv"]),
    (
        "campanile-recorder",
        &[
            "campanile-semconv",
            "campanile-propagation",
            "campanile-redaction",
        ],
    ),
    (
        "campanile-http",
        &[
            "campanile-semconv",
            "campanile-propagation",
            "campanile-redaction",
            "campanile-recorder",
        ],
    ),
    (
        "campanile-ws",
        &[
            "campanile-semconv",
            "campanile-propagation",
            "campanile-recorder",
        ],
    ),
    (
        "campanile-logs",
        &[
            "campanile-semconv",
            "campanile-propagation",
            "campanile-redaction",
            "campanile-recorder",
        ],
    ),
    (
        "campanile-telemetry",
        &[
            "campanile-semconv",
            "campanile-propagation",
            "campanile-redaction",
            "campanile-recorder",
            "campanile-logs",
        ],
    ),
    ("campanile-otlp-receiver", &[]),
    (
        "campanile-live-page",
        &["campanile-semconv", "campanile-otlp-receiver"],
    ),
    (
        "campanile",
        &[
            "campanile-semconv",
            "campanile-propagation",
            "campanile-redaction",
            "campanile-recorder",
            "campanile-logs",
            "campanile-telemetry",
            "campanile-http",
            "campanile-ws",
        ],
    ),
    (
        "vc-server",
        &[
            "campanile",
            "campanile-otlp-receiver",
            "campanile-live-page",
        ],
    ),
];

/// What a room must never know, beside ours.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("campanile-semconv", &["http", "tracing", "opentelemetry"]),
    (
        "campanile-propagation",
        &["tokio", "tracing", "opentelemetry_sdk"],
    ),
    (
        "campanile-recorder",
        &["opentelemetry_sdk", "tokio", "tower", "axum", "hyper"],
    ),
    (
        "campanile-http",
        &[
            "opentelemetry_sdk",
            "opentelemetry-otlp",
            "tokio",
            "tower",
            "tower-http",
        ],
    ),
    ("campanile-ws", &["opentelemetry_sdk", "opentelemetry-otlp"]),
    ("campanile-logs", &["axum", "hyper", "opentelemetry-otlp"]),
    ("campanile-telemetry", &["axum"]),
    ("campanile-otlp-receiver", &["axum", "opentelemetry-otlp"]),
    (
        "campanile-live-page",
        &["opentelemetry_sdk", "opentelemetry-otlp"],
    ),
];

const FREE: &[&str] = &["campanile-tests", "xtask"];

fn metadata() -> Metadata {
    let manifest = campanile_tests::peers::root().join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .exec()
        .unwrap()
}

fn workspace(metadata: &Metadata) -> BTreeMap<String, &Package> {
    let members = metadata.workspace_packages();
    members
        .into_iter()
        .map(|package| (package.name.to_string(), package))
        .collect()
}

/// Every arrow that the house page does not allow.
fn wrong_arrows(members: &BTreeMap<String, &Package>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, package) in members {
        let allowed = ARROWS
            .iter()
            .find(|(room, _)| room == name)
            .map(|(_, allowed)| *allowed);
        let forbidden = FORBIDDEN
            .iter()
            .find(|(room, _)| room == name)
            .map_or(&[][..], |(_, all)| *all);
        if allowed.is_none() && !FREE.contains(&name.as_str()) {
            wrong.push(format!("{name} has no place on the house page"));
        }
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            let is_dev = dependency.kind == DependencyKind::Development;
            let ours = members.contains_key(to);
            let free = FREE.contains(&name.as_str());
            let is_allowed = match (ours, is_dev) {
                (false, true) => true,
                (false, false) => !forbidden.contains(&to),
                (true, true) => {
                    free || to == "campanile-otlp-receiver"
                        || allowed.is_some_and(|all| all.contains(&to))
                }
                (true, false) => free || allowed.is_some_and(|all| all.contains(&to)),
            };
            if !is_allowed || FREE.contains(&to) {
                wrong.push(format!("{name} -> {to}"));
            }
        }
    }
    wrong
}

#[test]
fn every_arrow_is_one_of_the_house_page() {
    let metadata = metadata();
    assert_eq!(wrong_arrows(&workspace(&metadata)), Vec::<String>::new());
}

#[test]
fn an_added_arrow_is_found() {
    let metadata = metadata();
    let mut members = workspace(&metadata);
    let mut changed = members["campanile-semconv"].clone();
    let arrow = members["campanile-http"]
        .dependencies
        .iter()
        .find(|d| d.name == "campanile-recorder");
    changed.dependencies.push(arrow.unwrap().clone());
    let http = members["campanile-propagation"]
        .dependencies
        .iter()
        .find(|d| d.name == "http");
    changed.dependencies.push(http.unwrap().clone());
    members.insert("campanile-semconv".into(), &changed);
    let expected = [
        "campanile-semconv -> campanile-recorder",
        "campanile-semconv -> http",
    ];
    assert_eq!(wrong_arrows(&members), expected);
}

#[test]
fn there_is_one_version_of_what_types_pass_through() {
    let metadata = metadata();
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in &metadata.packages {
        versions
            .entry(package.name.as_str())
            .or_default()
            .insert(package.version.to_string());
    }
    for name in [
        "http",
        "hyper",
        "tower",
        "tonic",
        "prost",
        "rustls",
        "axum",
        "opentelemetry",
        "opentelemetry_sdk",
        "opentelemetry-proto",
        "tracing",
        "tracing-core",
    ] {
        let found = versions.get(name).cloned().unwrap_or_default();
        assert!(
            found.len() <= 1,
            "{name} is there in several versions: {found:?}"
        );
    }
}

#[test]
fn wire_names_are_spelled_in_semconv_only() {
    use campanile::semconv::{attribute, metric, span};
    let root = campanile_tests::peers::root();
    let names: Vec<&str> = attribute::ALL
        .iter()
        .map(|a| a.key)
        .chain(metric::ALL.iter().map(|m| m.name))
        .chain(span::ALL.iter().map(|s| s.name))
        .filter(|name| name.contains('.'))
        .collect();
    let mut found = Vec::new();
    for room in [
        "propagation",
        "recorder",
        "redaction",
        "logs",
        "telemetry",
        "vc-server",
    ]
    .map(|room| root.join("crates").join(room))
    .into_iter()
    .chain([root.join("middleware"), root.join("ws-layer")])
    {
        visit(&room.join("src"), &mut |path, text| {
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for name in names
                    .iter()
                    .filter(|name| code.contains(&format!("\"{name}\"")))
                {
                    found.push(format!("{}:{}: {name}", path.display(), number + 1));
                }
            }
        });
    }
    assert_eq!(
        found,
        Vec::<String>::new(),
        "use the constants of crates/semconv"
    );
}

fn visit(folder: &std::path::Path, see: &mut impl FnMut(&std::path::Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, see);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            see(&path, text.split("#[cfg(test)]").next().unwrap_or_default());
        }
    }
}
