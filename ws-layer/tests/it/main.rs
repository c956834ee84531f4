//! Sessions over real sockets: an axum server here, independent clients there.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "../../src/probe.rs"]
mod probe;
mod server;

mod endings;
mod session;
