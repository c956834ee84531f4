//! The messages of OTLP, as far as the receiver reads them, with the field numbers of `opentelemetry-proto` 1.x.
//!
//! They are written by hand rather than taken from the `opentelemetry-proto` crate for two reasons. Text and bytes are
//! slices of the request here, so that nothing is copied before it is known what it becomes; and a receiver that judges
//! an SDK does not depend on one. Tests hold them against that crate. Text is checked for UTF-8 where it is converted.

pub(crate) mod common;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod trace;

#[cfg(test)]
mod tests;
