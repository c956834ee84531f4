//! What every log record of a request carries.

use std::sync::Arc;

use opentelemetry::Context;

/// Attributes for every log record that is written inside a context, such as allowed baggage.
///
/// The layer that knows them puts them into the context; log lines and exported records copy them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogAttributes(Arc<[(&'static str, String)]>);

impl LogAttributes {
    /// Takes them; `None` when there are none.
    pub fn new(attributes: Vec<(&'static str, String)>) -> Option<Self> {
        (!attributes.is_empty()).then(|| Self(attributes.into()))
    }

    /// Those of `context`.
    pub fn of(context: &Context) -> Option<&Self> {
        context.get::<Self>()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(key, value)| (*key, value.as_str()))
    }
}
