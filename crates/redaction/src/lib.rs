//! Secret keys, secret shapes and URL rules, in one place for spans, logs and errors.
//!
//! Default-deny: of a query only its keys leave, unless they were allowed by name.

mod query;
mod url;

pub use query::{CONVENTIONAL_KEYS, REDACTED, redact_query, redact_query_keys};
pub use url::redact_url;
