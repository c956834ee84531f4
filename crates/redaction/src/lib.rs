//! Secret keys, secret shapes and URL rules, in one place for spans, logs and errors.
//!
//! Default-deny: of a query only its keys leave, unless they were allowed by name.

mod query;

pub use query::{REDACTED, redact_query};
