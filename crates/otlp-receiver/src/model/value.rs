//! Typed attribute values. An integer that arrives as text, or the other way round, is a different value:
//! a test that compares printed text would not notice.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::allocated;
use super::id::write_hex;

/// One attribute value, or a log body.
///
/// Doubles compare so that NaN equals itself: two received values are equal when a reader could not tell them apart.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing was set.
    #[default]
    Empty,
    /// Text.
    String(String),
    /// A truth value.
    Bool(bool),
    /// A signed 64-bit integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// A list.
    Array(Vec<Value>),
    /// Keys and values, in the order sent.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// Returns the text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the double, if it is one. An integer is not.
    pub fn as_double(&self) -> Option<f64> {
        match self {
            Self::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// Names the type: `string`, `int`, `double`, `boolean`, `bytes`, `array`, `map` or `empty`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::String(_) => "string",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::Bytes(_) => "bytes",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
        }
    }

    /// Estimates the heap bytes behind it.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::String(text) => allocated(text.capacity()),
            Self::Bytes(bytes) => allocated(bytes.capacity()),
            Self::Array(items) => {
                allocated(items.capacity() * size_of::<Value>())
                    + items.iter().map(Value::heap_bytes).sum::<usize>()
            }
            Self::Map(pairs) => {
                let inner = pairs
                    .iter()
                    .map(|(key, value)| allocated(key.capacity()) + value.heap_bytes());
                allocated(pairs.capacity() * size_of::<(String, Value)>()) + inner.sum::<usize>()
            }
            Self::Empty | Self::Bool(_) | Self::Int(_) | Self::Double(_) => 0,
        }
    }
}

/// Makes all NaN one value and both zeros one value, so that equality and hash agree.
fn double_bits(number: f64) -> u64 {
    if number.is_nan() {
        f64::NAN.to_bits()
    } else if number == 0.0 {
        0
    } else {
        number.to_bits()
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty, Self::Empty) => true,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => double_bits(*a) == double_bits(*b),
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Empty => {}
            Self::String(text) => text.hash(state),
            Self::Bool(truth) => truth.hash(state),
            Self::Int(number) => number.hash(state),
            Self::Double(number) => double_bits(*number).hash(state),
            Self::Bytes(bytes) => bytes.hash(state),
            Self::Array(items) => items.hash(state),
            Self::Map(pairs) => pairs.hash(state),
        }
    }
}

/// Text stands bare at the top and quoted inside a list or map; bytes are hex after `0x`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            other => write_nested(f, other),
        }
    }
}

fn write_nested(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Empty => f.write_str("null"),
        Value::String(text) => write!(f, "{text:?}"),
        Value::Bool(truth) => write!(f, "{truth}"),
        Value::Int(number) => write!(f, "{number}"),
        Value::Double(number) => write!(f, "{number:?}"),
        Value::Bytes(bytes) => {
            f.write_str("0x")?;
            write_hex(f, bytes)
        }
        Value::Array(items) => {
            f.write_str("[")?;
            for (index, item) in items.iter().enumerate() {
                f.write_str(if index > 0 { ", " } else { "" })?;
                write_nested(f, item)?;
            }
            f.write_str("]")
        }
        Value::Map(pairs) => {
            f.write_str("{")?;
            for (index, (key, item)) in pairs.iter().enumerate() {
                write!(f, "{}{key}: ", if index > 0 { ", " } else { "" })?;
                write_nested(f, item)?;
            }
            f.write_str("}")
        }
    }
}

macro_rules! from {
    ($($type:ty, $value:ident => $made:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        }
    )*};
}

from! {
    String, text => Value::String(text);
    bool, truth => Value::Bool(truth);
    i64, number => Value::Int(number);
    i32, number => Value::Int(number.into());
    u16, number => Value::Int(number.into());
    u32, number => Value::Int(number.into());
    f64, number => Value::Double(number);
    Vec<u8>, bytes => Value::Bytes(bytes);
    Vec<Value>, items => Value::Array(items);
}

macro_rules! equal {
    ($($type:ty => $read:ident),*) => {$(
        impl PartialEq<$type> for Value {
            fn eq(&self, other: &$type) -> bool {
                self.$read() == Some((*other).into())
            }
        }
    )*};
}

equal!(bool => as_bool, i64 => as_int, i32 => as_int, u16 => as_int, u32 => as_int, f64 => as_double);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl PartialEq<str> for Value {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl<const N: usize> From<[&str; N]> for Value {
    fn from(items: [&str; N]) -> Self {
        Self::Array(items.into_iter().map(Value::from).collect())
    }
}

/// Attributes in the order sent.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Attributes(Vec<(Arc<str>, Value)>);

impl Attributes {
    /// Returns the value of `key`; the first one, should a sender repeat it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// Returns the text of `key`, if it is there and is text.
    pub fn get_str(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// Walks keys and values in the order sent.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// Counts them.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Orders them by key, which makes two sets that differ in order alone equal.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
        self
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let inner = self.0.iter().map(|(key, value)| {
            // A key that others share is held, and paid for, once.
            let shared = Arc::strong_count(key) > 1;
            let key = if shared { 0 } else { allocated(key.len() + 16) };
            key + value.heap_bytes()
        });
        allocated(self.0.capacity() * size_of::<(Arc<str>, Value)>()) + inner.sum::<usize>()
    }

    pub(crate) fn from_pairs(pairs: Vec<(Arc<str>, Value)>) -> Self {
        Self(pairs)
    }
}

impl<K: Into<Arc<str>>, V: Into<Value>> FromIterator<(K, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(
            pairs
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

impl<K: Into<Arc<str>>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Attributes {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = &'a (Arc<str>, Value);
    type IntoIter = std::slice::Iter<'a, (Arc<str>, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Prints `key=value key="a text with spaces"`.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.iter().enumerate() {
            write!(f, "{}{key}=", if index > 0 { " " } else { "" })?;
            write_nested(f, value)?;
        }
        Ok(())
    }
}
