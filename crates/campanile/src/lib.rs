//! Correct telemetry for Tower, axum and WebSockets: the one crate to add.
//!
//! It only re-exports the matched set.

pub use campanile_http as http;
pub use campanile_logs as logs;
pub use campanile_logs::{JoinSet, audit, carried, events, spawn, spawn_blocking};
pub use campanile_propagation as propagation;
pub use campanile_propagation::Trust;
pub use campanile_recorder as recorder;
pub use campanile_redaction as redaction;
pub use campanile_semconv as semconv;
pub use campanile_telemetry as telemetry;
pub use campanile_telemetry::Telemetry;
pub use campanile_ws as ws;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The guide's chapter about several crates compiles, and does what it says.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/byo-sdk.md")]
struct BringYourOwnSdk;
