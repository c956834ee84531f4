//! Suites that cross crates.
//!
//! What several of them need: the real `vc-server` as a child process, and peers that are not ours.

use campanile_otlp_receiver::contract::{Contract, Registry};

pub mod live;
pub mod part;
pub mod peers;
pub mod plot;
pub mod server;
pub mod until;
pub mod w3c;

/// The contract that whatever we emit has to keep: our own registry, and the rules of the
/// conventions.
///
/// # Panics
///
/// When the registry in `docs/signals/` cannot be read.
pub fn contract() -> Contract {
    let registry = Registry::from_dir(peers::root().join("docs/signals/registry"));
    Contract::new(registry.expect("docs/signals/registry is a registry"))
}
