//! Values, resources and scopes.

use serde::Deserialize;

use super::scalar::{Base64, Maybe, Num, Objects, Text};
use crate::proto::common as proto;
use crate::proto::common::Value;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue {
    key: Text,
    value: Maybe<AnyValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct AnyValue {
    string_value: Option<String>,
    bool_value: Option<bool>,
    int_value: Option<Num<i64>>,
    double_value: Option<Num<f64>>,
    array_value: Maybe<ArrayValue>,
    kvlist_value: Maybe<KeyValueList>,
    bytes_value: Option<Base64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ArrayValue {
    /// Elements that are null are empty values.
    values: Objects<AnyValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyValueList {
    values: Objects<KeyValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Resource {
    attributes: Objects<KeyValue>,
    dropped_attributes_count: Num<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Scope {
    name: Text,
    version: Text,
    attributes: Objects<KeyValue>,
    dropped_attributes_count: Num<u32>,
}

impl From<KeyValue> for proto::KeyValue {
    fn from(pair: KeyValue) -> Self {
        Self {
            key: pair.key.0.into(),
            value: pair.value.convert(),
        }
    }
}

impl From<AnyValue> for proto::AnyValue {
    fn from(any: AnyValue) -> Self {
        let string = any.string_value.map(|text| Value::String(text.into()));
        let value = string
            .or_else(|| any.bool_value.map(Value::Bool))
            .or_else(|| any.int_value.map(|number| Value::Int(number.0)))
            .or_else(|| any.double_value.map(|number| Value::Double(number.0)))
            .or_else(|| any.array_value.convert().map(Value::Array))
            .or_else(|| any.kvlist_value.convert().map(Value::Kvlist))
            .or_else(|| any.bytes_value.map(|bytes| Value::Bytes(bytes.0.into())));
        Self { value }
    }
}

impl From<ArrayValue> for proto::ArrayValue {
    fn from(array: ArrayValue) -> Self {
        Self {
            values: array.values.convert(),
        }
    }
}

impl From<KeyValueList> for proto::KeyValueList {
    fn from(list: KeyValueList) -> Self {
        Self {
            values: list.values.convert(),
        }
    }
}

impl From<Resource> for proto::Resource {
    fn from(resource: Resource) -> Self {
        Self {
            attributes: resource.attributes.convert(),
            dropped_attributes_count: resource.dropped_attributes_count.0,
        }
    }
}

impl From<Scope> for proto::Scope {
    fn from(scope: Scope) -> Self {
        Self {
            name: scope.name.0.into(),
            version: scope.version.0.into(),
            attributes: scope.attributes.convert(),
            dropped_attributes_count: scope.dropped_attributes_count.0,
        }
    }
}
