//! A subscriber for tests: keeps what is said to the target `campanile`.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "shared by unit tests and suites"
)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, Once};

use tracing::Metadata;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};

/// The fields of one line.
pub type Line = BTreeMap<&'static str, String>;

/// What was said, kept if anyone wants it.
#[derive(Clone)]
pub struct Logged(Option<Arc<Mutex<Vec<Line>>>>);

impl Logged {
    /// Listens on this thread until the guard is dropped.
    ///
    /// While there is at most one subscriber, `tracing` decides about a place in the source by what
    /// the thread that comes there first listens to, for all threads. So there is one more, for the
    /// tests that do not listen.
    pub fn listen() -> (Self, DefaultGuard) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let _ = tracing::subscriber::set_global_default(Self(None));
        });
        let logged = Self(Some(Arc::default()));
        let guard = tracing::subscriber::set_default(logged.clone());
        (logged, guard)
    }

    /// The lines of an event.
    pub fn of(&self, event: &str) -> Vec<Line> {
        let all = self.0.as_ref().unwrap().lock().unwrap();
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
    /// Each thread's own is asked each time.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.is_some() && metadata.target() == "campanile"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(Line::new());
        event.record(&mut fields);
        if let Some(lines) = &self.0 {
            lines.lock().unwrap().push(fields.0);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
