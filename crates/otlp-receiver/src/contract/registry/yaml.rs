//! The files of a registry, as they are written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::AttributeKind;
use crate::model::Value;

#[derive(Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) groups: Vec<Group>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Group {
    pub(super) id: String,
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) extends: Option<String>,
    #[serde(default)]
    pub(super) metric_name: Option<String>,
    #[serde(default)]
    pub(super) instrument: Option<String>,
    #[serde(default)]
    pub(super) unit: Option<String>,
    /// An event's name.
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) deprecated: Option<Anything>,
    #[serde(default)]
    pub(super) attributes: Vec<Use>,
}

/// An attribute where it is declared (`id`) or where it is used (`ref`).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Use {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default, rename = "ref")]
    pub(super) reference: Option<String>,
    #[serde(default, rename = "type")]
    pub(super) kind: Option<Kind>,
    #[serde(default)]
    pub(super) requirement_level: Option<Level>,
    #[serde(default)]
    pub(super) deprecated: Option<Anything>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Kind {
    Plain(String),
    Enum {
        members: Vec<Member>,
        /// Weaver's default is to allow them.
        #[serde(default)]
        allow_custom_values: Option<bool>,
    },
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Member {
    pub(super) value: MemberValue,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum MemberValue {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Level {
    Word(String),
    /// `conditionally_required: when ..`, and the like.
    Explained(BTreeMap<String, String>),
}

/// That something is said matters, not what.
#[derive(Clone, Debug)]
pub(super) struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[derive(Deserialize)]
pub(super) struct Manifest {
    #[serde(default)]
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
pub(super) struct Dependency {
    #[serde(default)]
    pub(super) registry_path: String,
}

impl Level {
    pub(super) fn is_required(&self) -> bool {
        match self {
            Self::Word(word) => word == "required",
            Self::Explained(levels) => levels.contains_key("required"),
        }
    }
}

impl From<Kind> for AttributeKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Plain(name) => match name.strip_prefix("template[") {
                Some(inner) => Self::Template(inner.strip_suffix(']').unwrap_or(inner).to_owned()),
                None => Self::Plain(name),
            },
            Kind::Enum {
                members,
                allow_custom_values,
            } => {
                let values = members.into_iter().map(|member| match member.value {
                    MemberValue::Bool(truth) => Value::Bool(truth),
                    MemberValue::Int(number) => Value::Int(number),
                    MemberValue::Double(number) => Value::Double(number),
                    MemberValue::Text(text) => Value::String(text),
                });
                Self::Members {
                    values: values.collect(),
                    closed: allow_custom_values == Some(false),
                }
            }
        }
    }
}
