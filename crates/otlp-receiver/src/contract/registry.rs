//! A registry of names, in the YAML format of OpenTelemetry Weaver: files of groups, and a manifest beside them.

mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use self::yaml::{File, Group, Level, Manifest};
use crate::model::Value;

/// Every declared attribute, metric and event.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    pub(super) attributes: BTreeMap<String, Attribute>,
    pub(super) metrics: BTreeMap<String, Metric>,
    pub(super) events: BTreeMap<String, Event>,
    groups: BTreeMap<String, Group>,
}

#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub(super) kind: AttributeKind,
    pub(super) deprecated: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum AttributeKind {
    /// `string`, `int`, `double`, `boolean`, `any`, or one of them with `[]`.
    Plain(String),
    /// Declares all keys that begin with its own.
    Template(String),
    /// One of these; if not closed, other values of the same type too.
    Members { values: Vec<Value>, closed: bool },
}

#[derive(Clone, Debug, Default)]
pub(super) struct Metric {
    pub(super) instrument: String,
    pub(super) unit: String,
    pub(super) deprecated: bool,
    pub(super) attributes: Uses,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Event {
    pub(super) deprecated: bool,
    pub(super) attributes: Uses,
}

/// Attributes that a metric or event may have, and whether it must.
pub(super) type Uses = BTreeMap<String, bool>;

/// A registry that cannot be read.
#[derive(Clone, Debug)]
pub struct RegistryError(String);

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RegistryError {}

impl Registry {
    /// Reads all `.yaml` and `.yml` files of a folder and the folders in it.
    ///
    /// What its manifest (`registry_manifest.yaml` or `manifest.yaml`) depends on is read too when it is a folder; an
    /// archive or a Git address is not followed: fetch it and use [`and`](Self::and).
    ///
    /// # Errors
    /// When a file cannot be read or is not of that format. The message names the file.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, RegistryError> {
        let dir = dir.as_ref();
        let mut registry = Self::default();
        for path in yaml_files(dir)? {
            let text = read(&path)?;
            if is_manifest(&path) {
                let manifest: Manifest = parse(&text, &path)?;
                for dependency in manifest.dependencies {
                    let local = path.with_file_name(&dependency.registry_path);
                    if local.is_dir() {
                        registry = registry.and(Self::from_dir(local)?);
                    }
                }
                continue;
            }
            registry.add(&text, &path)?;
        }
        registry.resolve();
        Ok(registry)
    }

    /// Reads one file's text.
    ///
    /// # Errors
    /// When it is not of that format.
    pub fn from_yaml(text: &str) -> Result<Self, RegistryError> {
        let mut registry = Self::default();
        registry.add(text, Path::new("the given text"))?;
        registry.resolve();
        Ok(registry)
    }

    /// Adds what another registry declares.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.attributes.extend(other.attributes);
        self.groups.extend(other.groups);
        self.resolve();
        self
    }

    /// Counts what is declared: attributes, metrics, events.
    pub fn len(&self) -> (usize, usize, usize) {
        (self.attributes.len(), self.metrics.len(), self.events.len())
    }

    /// Says whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0, 0)
    }

    /// Finds the declaration of a key, its own or that of a template.
    pub(super) fn attribute(&self, key: &str) -> Option<&Attribute> {
        self.attributes.get(key).or_else(|| {
            let ends = key.rmatch_indices('.').map(|(end, _)| &key[..end]);
            let mut declared = ends.filter_map(|prefix| self.attributes.get(prefix));
            declared.find(|found| matches!(found.kind, AttributeKind::Template(_)))
        })
    }

    fn add(&mut self, text: &str, path: &Path) -> Result<(), RegistryError> {
        let file: File = parse(text, path)?;
        for group in file.groups {
            for used in &group.attributes {
                if let (Some(id), Some(kind)) = (&used.id, &used.kind) {
                    let deprecated = used.deprecated.is_some();
                    let kind = kind.clone().into();
                    self.attributes
                        .insert(id.clone(), Attribute { kind, deprecated });
                }
            }
            self.groups.insert(group.id.clone(), group);
        }
        Ok(())
    }

    /// Makes metrics and events of the groups, once all are known.
    fn resolve(&mut self) {
        for group in self.groups.values() {
            let deprecated = group.deprecated.is_some();
            let attributes = self.uses(group, 0);
            match (group.kind.as_str(), &group.metric_name, &group.name) {
                ("metric", Some(name), _) => {
                    let metric = Metric {
                        instrument: group.instrument.clone().unwrap_or_default(),
                        unit: group.unit.clone().unwrap_or_default(),
                        deprecated,
                        attributes,
                    };
                    self.metrics.insert(name.clone(), metric);
                }
                ("event", _, Some(name)) => {
                    let event = Event {
                        deprecated,
                        attributes,
                    };
                    self.events.insert(name.clone(), event);
                }
                _ => {}
            }
        }
    }

    /// Collects the attributes of a group and of what it extends.
    fn uses(&self, group: &Group, depth: usize) -> Uses {
        let base = group.extends.as_ref().and_then(|id| self.groups.get(id));
        // Groups that extend each other in a circle would never end.
        let base = base.filter(|_| depth < 16);
        let mut uses = base.map_or_else(Uses::new, |base| self.uses(base, depth + 1));
        for used in &group.attributes {
            if let Some(key) = used.reference.as_ref().or(used.id.as_ref()) {
                let required = used.requirement_level.as_ref().map(Level::is_required);
                let required = required.or_else(|| uses.get(key).copied());
                uses.insert(key.clone(), required.unwrap_or(false));
            }
        }
        uses
    }
}

fn is_manifest(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str());
    matches!(name, Some("registry_manifest" | "manifest"))
}

fn yaml_files(dir: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let problem = |error| RegistryError(format!("cannot read {}: {error}", dir.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(problem)? {
        let path = entry.map_err(problem)?.path();
        if path.is_dir() {
            files.extend(yaml_files(&path)?);
        } else if path
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String, RegistryError> {
    let text = fs::read_to_string(path);
    text.map_err(|error| RegistryError(format!("cannot read {}: {error}", path.display())))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> Result<T, RegistryError> {
    let parsed = serde_saphyr::from_str(text);
    parsed.map_err(|error| RegistryError(format!("invalid registry {}: {error}", path.display())))
}
