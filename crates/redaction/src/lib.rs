//! Secret keys, secret shapes and URL rules, in one place for spans, logs and errors.
//!
//! Default-deny where the form of a value is known: of a query only its keys leave, unless they
//! were allowed by name. Everything else goes through a [`Redactor`]: by the name of a field, by
//! the shape of its value, and in domains such as `auth` by a list of what may leave at all.
//! [`Pseudonyms`] stand in for ids that must be compared but not read.
//!
//! ```
//! use campanile_redaction::Redactor;
//!
//! let redactor = Redactor::standard();
//! assert_eq!(redactor.field("user.password", "hunter2"), "REDACTED");
//! assert_eq!(redactor.field("note", "sent Bearer mF_9.B5f-4.1JqM"), "sent Bearer REDACTED");
//! assert_eq!(redactor.field("token_count", "12"), "12");
//! ```

mod allow;
mod keys;
mod kind;
mod pseudonyms;
mod query;
mod redactor;
mod repeated;
mod shapes;
mod url;

pub use kind::Kind;
pub use pseudonyms::{PseudonymKeyError, Pseudonyms};
pub use query::{CONVENTIONAL_KEYS, REDACTED, redact_query, redact_query_keys};
pub use redactor::{Builder, Redactor};
pub use repeated::Repeated;
pub use url::redact_url;
