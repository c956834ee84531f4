//! What `tracing-subscriber` writes as JSON, ours must say as well.

use std::io;
use std::sync::Arc;

use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

#[derive(Clone, Default)]
struct Memory(Arc<std::sync::Mutex<Vec<u8>>>);

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Memory {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The same event, as ours and as theirs.
fn both(work: impl FnOnce()) -> (Line, Line) {
    let memory = Memory::default();
    let theirs = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(memory.clone());
    let (sink, captured) = Sink::captured();
    let ours = Lines::new("shop", sink);
    let subscriber = tracing_subscriber::registry()
        .with(theirs.boxed())
        .with(ours);
    tracing::subscriber::with_default(subscriber, work);
    let theirs = memory.0.lock().expect("no panic").clone();
    (
        serde_json::from_str(&captured.text()).expect("ours is one object"),
        serde_json::from_slice(&theirs).expect("theirs is one object"),
    )
}

fn agree(work: impl FnOnce()) {
    let (ours, theirs) = both(work);
    for (name, value) in theirs.iter().filter(|(name, _)| *name != "timestamp") {
        assert_eq!(ours.get(name), Some(value), "{name}");
    }
    let own = ours.keys().filter(|name| !theirs.contains_key(*name));
    let contract = [
        "service",
        "domain",
        "trace_id",
        "span_id",
        "trace_sampled",
        "request_id",
        "event",
        "outcome",
    ];
    for name in own {
        assert!(
            contract.contains(&name.as_str()) || name == "message",
            "{name}"
        );
    }
}

#[test]
fn levels_targets_messages_and_fields_of_every_type_are_the_same() {
    agree(|| tracing::error!("plain"));
    agree(|| tracing::warn!(target: "elsewhere", "with {} in it", 7));
    agree(|| {
        tracing::info!(
            int = -7,
            uint = 7_u64,
            float = 0.5,
            is = true,
            text = "t",
            "x"
        );
    });
    agree(|| tracing::info!(debug = ?Some("a"), display = %"b", "quoted \"text\"\n"));
    agree(|| tracing::info!(dotted.name = 1, "quoted name" = 2, "x"));
    agree(|| tracing::info!(only = "a field"));
}

proptest! {
    #[test]
    fn values_are_the_same(text in any::<String>(), int in any::<i64>(), uint in any::<u64>(), part in any::<i32>()) {
        // What looks like a card number is written differently on purpose.
        prop_assume!(!text.chars().any(|c| c.is_ascii_digit()));
        agree(|| tracing::info!(text, int = int % 100_000, uint = uint % 100_000, float = f64::from(part) / 4.0, debug = ?text, "{text}"));
    }
}
