//! The leaves of the JSON mapping, and what holds them together. Each reads null as its default.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

/// A list of numbers; null is empty.
pub(super) struct List<T>(Vec<T>);

impl<T> List<T> {
    pub(super) fn convert<U: From<T>>(self) -> Vec<U> {
        self.0.into_iter().map(U::from).collect()
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Option::<Vec<T>>::deserialize(deserializer)?;
        Ok(Self(items.unwrap_or_default()))
    }
}

/// An object, or null. Derived code alone would read an array too, as the object's fields in order.
pub(super) struct Maybe<T>(Option<T>);

impl<T> Maybe<T> {
    pub(super) fn convert<U: From<T>>(self) -> Option<U> {
        self.0.map(U::from)
    }

    pub(super) fn or_default(self) -> T
    where
        T: Default,
    {
        self.0.unwrap_or_default()
    }
}

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Maybe<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Maybe<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|object| Maybe(Some(object)))
    }

    fn visit_unit<E: Error>(self) -> Result<Maybe<T>, E> {
        Ok(Maybe(None))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

/// A list of objects; null is empty.
pub(super) struct Objects<T>(List<Maybe<T>>);

impl<T: Default> Objects<T> {
    pub(super) fn convert<U: From<T>>(self) -> Vec<U> {
        let objects = self.0.0.into_iter();
        objects.map(|object| U::from(object.or_default())).collect()
    }
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self(List::default())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Objects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        List::deserialize(deserializer).map(Self)
    }
}

/// Text; null is empty.
#[derive(Default)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(Self(text.unwrap_or_default()))
    }
}

/// A truth value; null is false.
#[derive(Default)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let truth = Option::<bool>::deserialize(deserializer)?;
        Ok(Self(truth.unwrap_or_default()))
    }
}

/// An id in hex digits of either case; null is empty.
#[derive(Default)]
pub(super) struct Hex(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?.0;
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &"pairs of hex digits");
        let digits = text
            .chars()
            .map(|digit| digit.to_digit(16).map(|digit| digit as u8));
        let digits: Vec<u8> = digits.collect::<Option<_>>().ok_or_else(wrong)?;
        let pairs = digits.chunks(2).map(|pair| match *pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        });
        pairs.collect::<Option<_>>().map(Self).ok_or_else(wrong)
    }
}

/// Bytes in base64, of the standard or the URL alphabet; null is empty.
#[derive(Default)]
pub(super) struct Base64(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?.0;
        let bytes = crate::base64::decode(&text);
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &"base64");
        bytes.map(Self).ok_or_else(wrong)
    }
}

/// A number, or its text; null is zero.
#[derive(Default)]
pub(super) struct Num<T>(pub(super) T);

/// An enumeration, which OTLP allows as a number only; null is zero.
#[derive(Default)]
pub(super) struct Enum(pub(super) i32);

/// A number that may come in any of JSON's shapes.
pub(super) trait Number: Copy + Default + FromStr {
    const EXPECTED: &'static str;
    fn from_integer(integer: i128) -> Option<Self>;
    fn from_double(double: f64) -> Option<Self>;
}

macro_rules! integer {
    ($($type:ty => $expected:literal),*) => {$(
        impl Number for $type {
            const EXPECTED: &'static str = $expected;

            fn from_integer(integer: i128) -> Option<Self> {
                integer.try_into().ok()
            }

            /// `5.0` and `5e2` are integers too. Beyond 2^53 a double is no exact integer.
            fn from_double(double: f64) -> Option<Self> {
                let exact = double.fract() == 0.0 && double.abs() <= 9_007_199_254_740_992.0;
                exact.then_some(double as i128).and_then(Self::from_integer)
            }
        }
    )*};
}

integer! {
    i32 => "a 32-bit integer",
    u32 => "an unsigned 32-bit integer",
    i64 => "a 64-bit integer, as a number or as text",
    u64 => "an unsigned 64-bit integer, as a number or as text"
}

impl Number for f64 {
    const EXPECTED: &'static str = "a double, \"NaN\", \"Infinity\" or \"-Infinity\"";

    fn from_integer(integer: i128) -> Option<Self> {
        Some(integer as f64)
    }

    fn from_double(double: f64) -> Option<Self> {
        Some(double)
    }
}

struct NumberVisitor<T>(PhantomData<T>);

impl<T: Number> Visitor<'_> for NumberVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        let value = T::from_integer(number.into());
        value.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        let value = T::from_integer(number.into());
        value.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        let value = T::from_double(number);
        value.ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let value = text.parse().ok();
        value.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
}

impl<'de, T: Number> Deserialize<'de> for Num<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = NumberVisitor(PhantomData);
        deserializer.deserialize_any(visitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Enum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Option::<i32>::deserialize(deserializer)?;
        Ok(Self(number.unwrap_or_default()))
    }
}

/// Turns optional numbers into what the generated types hold.
pub(super) fn optional<T>(number: Option<Num<T>>) -> Option<T> {
    number.map(|number| number.0)
}

/// Turns a list of numbers into what the generated types hold.
impl From<Num<u64>> for u64 {
    fn from(number: Num<u64>) -> Self {
        number.0
    }
}

impl From<Num<f64>> for f64 {
    fn from(number: Num<f64>) -> Self {
        number.0
    }
}
