//! Assertions that say what differs: attributes, trees of spans, and whole snapshots kept in files.

mod diff;
mod golden;
mod tree;

pub use self::golden::Golden;

use std::fmt;

use crate::model::{Attributes, Span, Value};

/// How attributes differ from what was expected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference(Vec<String>);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Difference {}

impl Attributes {
    /// Compares with the attributes that have to be there. Others may be there too.
    ///
    /// # Errors
    /// When one is missing or has another value or type. The message has a line for each, `-` expected, `+` received.
    pub fn include(&self, expected: &Attributes) -> Result<(), Difference> {
        let mut lines = Vec::new();
        for (key, wanted) in expected.iter() {
            match self.get(key) {
                Some(value) if value == wanted => {}
                Some(value) => {
                    lines.push(format!("- {key}={}", typed(wanted)));
                    lines.push(format!("+ {key}={}", typed(value)));
                }
                None => {
                    lines.push(format!("- {key}={}", typed(wanted)));
                    lines.extend(self.similar(key));
                }
            }
        }
        match lines.is_empty() {
            true => Ok(()),
            false => Err(Difference(lines)),
        }
    }

    /// Fails the test unless these attributes are there, with these values of these types. Others may be there too.
    ///
    /// ```
    /// use campanile_otlp_receiver::{Attributes, Value};
    ///
    /// let attributes = Attributes::from([
    ///     ("http.route", Value::from("/orders")),
    ///     ("http.response.status_code", Value::from(200)),
    ///     ("client.address", Value::from("127.0.0.1")),
    /// ]);
    /// attributes.assert_include([("http.route", "/orders")]);
    /// attributes.assert_include([("http.response.status_code", 200)]);
    /// ```
    ///
    /// # Panics
    /// When one is missing or differs.
    #[track_caller]
    pub fn assert_include(&self, expected: impl Into<Attributes>) {
        if let Err(difference) = self.include(&expected.into()) {
            panic!("attributes differ:\n{difference}");
        }
    }

    /// Finds a key that was probably meant: the same but for case and separators.
    fn similar(&self, key: &str) -> Option<String> {
        let plain = |key: &str| {
            let letters = key.chars().filter(char::is_ascii_alphanumeric);
            letters.collect::<String>().to_ascii_lowercase()
        };
        let mut pairs = self.iter();
        let (key, value) = pairs.find(|(known, _)| plain(known) == plain(key))?;
        Some(format!("+ {key}={}", typed(value)))
    }
}

impl Span {
    /// Fails the test unless the span has these attributes. See [`Attributes::assert_include`].
    ///
    /// # Panics
    /// When one is missing or differs.
    #[track_caller]
    pub fn assert_has(&self, expected: impl Into<Attributes>) {
        if let Err(difference) = self.attributes.include(&expected.into()) {
            panic!("attributes of span {:?} differ:\n{difference}", self.name);
        }
    }
}

/// Prints a value so that its type can be seen: text quoted.
fn typed(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
