//! Sessions over real sockets: an axum server here, independent clients there.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "../../src/logged.rs"]
mod logged;
#[path = "../../src/probe.rs"]
mod probe;
mod server;
#[path = "../../../tests/src/until.rs"]
mod until;
mod wire;

mod bad_input;
mod client;
mod endings;
mod freshness;
mod handshake;
mod liveness;
mod otlp;
mod outbox;
mod peers;
mod proxy;
mod reconnect;
mod reconnect_js;
mod resume;
mod resume_contract;
mod resume_events;
mod resume_ladder;
mod resume_lapse;
mod resume_nodes;
mod sampling;
mod session;
mod simulation;
mod transparency;
