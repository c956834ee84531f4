//! What produced the telemetry: the process (resource) and the library in it (scope).

use super::{Attributes, allocated};

/// The process, host or other entity that telemetry comes from.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Resource {
    /// Its attributes.
    pub attributes: Attributes,
    /// Attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// Which version of the semantic conventions the attributes follow; empty if not said.
    pub schema_url: String,
}

impl Resource {
    /// Returns `service.name`, or an empty text when the sender did not say.
    pub fn service_name(&self) -> &str {
        self.attributes.get_str("service.name").unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.attributes.heap_bytes() + allocated(self.schema_url.capacity())
    }
}

/// The instrumentation library that made the telemetry.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Scope {
    /// Its name, usually of a crate or module; empty if not said.
    pub name: String,
    /// Its version; empty if not said.
    pub version: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// Attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// Which version of the semantic conventions its telemetry follows; empty if not said.
    pub schema_url: String,
}

impl Scope {
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + allocated(self.name.capacity())
            + allocated(self.version.capacity())
            + self.attributes.heap_bytes()
            + allocated(self.schema_url.capacity())
    }
}
