//! Attributes and texts of others: redacted, cut, then written.
//!
//! Redacted before they are cut, as half a secret does not look like one. Values from closed sets
//! need none of this: they go straight through [`proto`].

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use campanile_redaction::{REDACTED, Redactor};
use opentelemetry::{Array, KeyValue, Value};

use super::proto;

/// Whole numbers below this are no card's; they are looked at only when their name says so.
const SMALLEST_CARD: u64 = 1_000_000_000_000;

/// A name that was looked at before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) text: &'a str,
    /// Its values are secrets, whatever they look like.
    pub(crate) is_secret: bool,
}

/// The rules for values.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) redactor: Redactor,
    /// Characters of a text value.
    pub(crate) length: Option<usize>,
}

impl Values {
    /// Appends an attribute of the API as field `tag` of the message around it.
    pub(crate) fn attribute(&self, out: &mut Vec<u8>, tag: u8, attribute: &KeyValue) {
        let key = attribute.key.as_str();
        match &attribute.value {
            Value::Bool(value) => self.bool(out, tag, key, *value),
            Value::I64(value) => self.int(out, tag, key, *value),
            Value::F64(value) => self.double(out, tag, key, *value),
            Value::String(value) => self.string(out, tag, key, value.as_str()),
            Value::Array(array) => {
                proto::array_attribute(out, tag, key.as_bytes(), |out| self.array(out, key, array));
            }
            // The API has no other kinds of values; one that comes stands without its value.
            _ => proto::message(out, tag, |out| proto::bytes(out, 0x0a, key.as_bytes())),
        }
    }

    /// Appends a text attribute.
    #[inline]
    pub(crate) fn string(&self, out: &mut Vec<u8>, tag: u8, key: &str, value: &str) {
        let clean = self.redactor.field(key, value);
        let cut = self.cut(&clean);
        proto::string_attribute(out, tag, key.as_bytes(), cut.as_bytes());
    }

    /// Appends a whole number; it becomes text where it is a secret.
    #[inline]
    pub(crate) fn int(&self, out: &mut Vec<u8>, tag: u8, key: &str, value: i64) {
        match self.hidden(key, value) {
            None => proto::int_attribute(out, tag, key.as_bytes(), value),
            Some(text) => {
                let cut = self.cut(&text);
                proto::string_attribute(out, tag, key.as_bytes(), cut.as_bytes());
            }
        }
    }

    /// Appends a floating point number; it becomes text under a secret's name.
    pub(crate) fn double(&self, out: &mut Vec<u8>, tag: u8, key: &str, value: f64) {
        match self.named(key) {
            None => proto::double_attribute(out, tag, key.as_bytes(), value),
            Some(text) => {
                let cut = self.cut(text);
                proto::string_attribute(out, tag, key.as_bytes(), cut.as_bytes());
            }
        }
    }

    /// Appends a truth value; it becomes text under a secret's name.
    pub(crate) fn bool(&self, out: &mut Vec<u8>, tag: u8, key: &str, value: bool) {
        match self.named(key) {
            None => proto::bool_attribute(out, tag, key.as_bytes(), value),
            Some(text) => {
                let cut = self.cut(text);
                proto::string_attribute(out, tag, key.as_bytes(), cut.as_bytes());
            }
        }
    }

    /// Appends a text attribute under a name that was looked at before.
    #[inline]
    pub(crate) fn known_string(&self, out: &mut Vec<u8>, tag: u8, name: Name<'_>, value: &str) {
        let clean = match name.is_secret {
            true => self.redactor.field(name.text, value),
            false => self.redactor.text(value),
        };
        let cut = self.cut(&clean);
        proto::string_attribute(out, tag, name.text.as_bytes(), cut.as_bytes());
    }

    /// Appends a whole number under a name that was looked at before.
    #[inline]
    pub(crate) fn known_int(&self, out: &mut Vec<u8>, tag: u8, name: Name<'_>, value: i64) {
        if name.is_secret || value.unsigned_abs() >= SMALLEST_CARD {
            return self.int(out, tag, name.text, value);
        }
        proto::int_attribute(out, tag, name.text.as_bytes(), value);
    }

    /// Appends a floating point number under a name that was looked at before.
    #[inline]
    pub(crate) fn known_double(&self, out: &mut Vec<u8>, tag: u8, name: Name<'_>, value: f64) {
        if name.is_secret {
            return self.double(out, tag, name.text, value);
        }
        proto::double_attribute(out, tag, name.text.as_bytes(), value);
    }

    /// Appends a truth value under a name that was looked at before.
    #[inline]
    pub(crate) fn known_bool(&self, out: &mut Vec<u8>, tag: u8, name: Name<'_>, value: bool) {
        if name.is_secret {
            return self.bool(out, tag, name.text, value);
        }
        proto::bool_attribute(out, tag, name.text.as_bytes(), value);
    }

    /// Appends bytes; they become text where there is a secret in them.
    pub(crate) fn bytes(&self, out: &mut Vec<u8>, tag: u8, key: &str, value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        match self.redactor.field(key, &text) {
            Cow::Owned(clean) => {
                let cut = self.cut(&clean);
                proto::string_attribute(out, tag, key.as_bytes(), cut.as_bytes());
            }
            Cow::Borrowed(_) => {
                let end = self
                    .length
                    .map_or(value.len(), |most| most.min(value.len()));
                proto::bytes_attribute(out, tag, key.as_bytes(), &value[..end]);
            }
        }
    }

    /// Text without a name, such as a status message; its length has no limit.
    #[inline]
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redactor.text(text)
    }

    fn array(&self, out: &mut Vec<u8>, key: &str, array: &Array) {
        match array {
            Array::Bool(values) => {
                for value in values {
                    proto::element(out, |out| match self.named(key) {
                        None => proto::bool_value(out, *value),
                        Some(text) => proto::string_value(out, self.cut(text).as_bytes()),
                    });
                }
            }
            Array::I64(values) => {
                for value in values {
                    proto::element(out, |out| match self.hidden(key, *value) {
                        None => proto::int_value(out, *value),
                        Some(text) => proto::string_value(out, self.cut(&text).as_bytes()),
                    });
                }
            }
            Array::F64(values) => {
                for value in values {
                    proto::element(out, |out| match self.named(key) {
                        None => proto::double_value(out, *value),
                        Some(text) => proto::string_value(out, self.cut(text).as_bytes()),
                    });
                }
            }
            Array::String(values) => {
                for value in values {
                    let clean = self.redactor.field(key, value.as_str());
                    let cut = self.cut(&clean);
                    proto::element(out, |out| proto::string_value(out, cut.as_bytes()));
                }
            }
            _ => {}
        }
    }

    /// The text that takes the place of a number; none when it may stay.
    #[inline]
    fn hidden(&self, key: &str, value: i64) -> Option<String> {
        if value.unsigned_abs() < SMALLEST_CARD && !self.redactor.is_secret(key) {
            return None;
        }
        match self.redactor.field(key, &value.to_string()) {
            Cow::Owned(text) => Some(text),
            Cow::Borrowed(_) => None,
        }
    }

    /// The text that takes the place of a value that only its name can give away; none when it may
    /// stay.
    fn named(&self, key: &str) -> Option<&'static str> {
        if !self.redactor.is_secret(key) {
            return None;
        }
        // any text will do: it is the name that decides, and that counts
        match self.redactor.field(key, "0") {
            Cow::Owned(_) => Some(REDACTED),
            Cow::Borrowed(_) => None,
        }
    }

    /// As much of a text as the limit lets through, whole characters only.
    #[inline]
    pub(crate) fn cut<'a>(&self, text: &'a str) -> &'a str {
        match self.length {
            Some(length) if text.len() > length => match text.char_indices().nth(length) {
                Some((end, _)) => &text[..end],
                None => text,
            },
            _ => text,
        }
    }
}
