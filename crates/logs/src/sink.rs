//! Where lines go: standard error, nowhere, or a buffer that a test reads.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Takes finished lines, each with one write.
#[derive(Clone, Debug)]
pub struct Sink(Target);

#[derive(Clone, Debug)]
enum Target {
    Stderr,
    Nowhere,
    Captured(Captured),
}

impl Sink {
    /// Writes to standard error.
    pub fn stderr() -> Self {
        Self(Target::Stderr)
    }

    /// Discards every line.
    pub fn nowhere() -> Self {
        Self(Target::Nowhere)
    }

    /// Keeps every line in memory: for tests, it has no bound.
    pub fn captured() -> (Self, Captured) {
        let captured = Captured::default();
        (Self(Target::Captured(captured.clone())), captured)
    }

    /// Whether lines are discarded anyway.
    pub fn is_nowhere(&self) -> bool {
        matches!(self.0, Target::Nowhere)
    }

    /// Writes one line, its line feed included. A sink that cannot take it loses it: logging
    /// never fails a caller.
    pub fn write_line(&self, line: &[u8]) {
        match &self.0 {
            Target::Stderr => {
                let _ = std::io::stderr().lock().write_all(line);
            }
            Target::Nowhere => {}
            Target::Captured(captured) => captured.lock().extend_from_slice(line),
        }
    }
}

/// What a captured [`Sink`] was given.
#[derive(Clone, Debug, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }
}
