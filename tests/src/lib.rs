//! Suites that cross crates.
//!
//! What several of them need: the real `vc-server` as a child process, and peers that are not ours.

pub mod peers;
pub mod server;
pub mod w3c;
