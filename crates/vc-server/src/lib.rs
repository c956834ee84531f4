//! A real chat server: rooms and messages over HTTP, live over WebSocket, stored in SQLite.
//!
//! It exists so that every promise of Campanile is exercised by something real, and so that one
//! command shows a person their own telemetry: it embeds an OTLP receiver and a live page over it.
//!
//! The library is what `main.rs` runs, split off so that tests can hold its parts.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answerable;
mod api;
mod app;
mod check;
mod demo;
mod events;
mod failure;
mod faults;
mod hosts;
mod hub;
mod live;
mod options;
mod page;
mod resume;
mod serve;
pub mod store;
pub mod words;

pub use app::App;
pub use check::check;
pub use events::EVENTS;
pub use failure::Failure;
pub use options::Options;
pub use serve::serve;
