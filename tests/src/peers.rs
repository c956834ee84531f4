//! Programs that are not ours: Python, Node, Chromium, from where `cargo xtask test --install` put
//! them.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Python with the packages of `tests/peers/python/requirements.txt`.
pub fn python() -> Option<Command> {
    let program = root().join(".provision/venv/bin/python");
    found(
        "python peers",
        program.exists().then(|| Command::new(program)),
    )
}

/// Node with the packages of `tests/peers/node/package.json`.
pub fn node() -> Option<Command> {
    let modules = root().join(".provision/node_modules");
    let command = modules.exists().then(|| {
        let mut command = Command::new("node");
        command
            .env("NODE_PATH", &modules)
            .current_dir(root().join(".provision"));
        command
    });
    found("npm peers", command)
}

/// Where Debian's Prometheus is.
pub fn prometheus() -> Option<PathBuf> {
    let program = PathBuf::from("/usr/bin/prometheus");
    found("prometheus", program.exists().then_some(program))
}

/// Where Debian's Redis is.
pub fn redis() -> Option<PathBuf> {
    let program = PathBuf::from("/usr/bin/redis-server");
    found("redis-server", program.exists().then_some(program))
}

/// Where Debian's Chromium is.
pub fn chromium() -> Option<PathBuf> {
    let program = PathBuf::from("/usr/bin/chromium");
    found("chromium", program.exists().then_some(program))
}

/// Says loudly what is missing; with `CAMPANILE_REQUIRE_PEERS=1` that is a failure.
fn found<T>(what: &str, peer: Option<T>) -> Option<T> {
    let required = std::env::var("CAMPANILE_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(
        peer.is_some() || !required,
        "{what} are missing: run `cargo xtask test --install`"
    );
    if peer.is_none() {
        println!("SKIPPED: {what} are missing; `cargo xtask test --install` installs them");
    }
    peer
}
