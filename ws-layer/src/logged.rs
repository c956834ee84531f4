//! A subscriber for tests: keeps what is said to the target `campanile`.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "shared by unit tests and suites"
)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;

/// The fields of one line.
pub type Line = BTreeMap<&'static str, String>;

/// What was said.
#[derive(Clone, Default)]
pub struct Logged(Arc<Mutex<Vec<Line>>>);

impl Logged {
    /// Listens on this thread until the guard is dropped.
    pub fn listen() -> (Self, DefaultGuard) {
        let logged = Self::default();
        let guard = tracing::subscriber::set_default(logged.clone());
        (logged, guard)
    }

    /// The lines of an event.
    pub fn of(&self, event: &str) -> Vec<Line> {
        let all = self.0.lock().unwrap();
        let of = all.iter().filter(|line| line["event"] == event);
        of.cloned().collect()
    }
}

struct Fields(Line);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl tracing::Subscriber for Logged {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "campanile"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(Line::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
