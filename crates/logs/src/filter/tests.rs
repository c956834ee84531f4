use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::{Lines, Sink};

fn messages(filter: &LogFilter, work: impl FnOnce()) -> Vec<String> {
    let (sink, captured) = Sink::captured();
    let subscriber = tracing_subscriber::registry()
        .with(filter.clone())
        .with(Lines::new("shop", sink));
    tracing::subscriber::with_default(subscriber, work);
    let text = captured.text();
    let message = |line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("one object");
        line["message"].as_str().expect("a message").to_owned()
    };
    text.lines().map(message).collect()
}

#[test]
fn new_directives_are_in_force_for_known_places_in_the_source() {
    let filter = LogFilter::new("off").expect("a level");
    let say = |text: &str| {
        tracing::info!("{text}");
        tracing::debug!(target: "noisy", "{text} noise");
    };
    let found = messages(&filter, || {
        for directives in ["off", "info", "info,noisy=debug", "error"] {
            filter.set(directives).expect("directives");
            say(directives);
        }
    });
    assert_eq!(
        found,
        ["info", "info,noisy=debug", "info,noisy=debug noise"]
    );
    assert_eq!(filter.directives(), "error");
}

#[test]
fn directives_about_spans_work_also_when_they_come_later() {
    let filter = LogFilter::new("warn").expect("a level");
    let visit = |room: u64| {
        let _span = tracing::info_span!("visit", room).entered();
        tracing::debug!("in {room}");
    };
    let found = messages(&filter, || {
        visit(7);
        filter
            .set("warn,[visit{room=7}]=debug")
            .expect("directives");
        visit(7);
        visit(8);
        filter.set("warn").expect("directives");
        visit(7);
    });
    assert_eq!(found, ["in 7"]);
}

#[test]
fn what_cannot_be_read_is_named_with_a_remedy_and_changes_nothing() {
    let filter = LogFilter::new("warn").expect("a level");
    let error = filter.set("info,hyper=loud\n").expect_err("no level");
    let text = error.to_string();
    assert!(
        text.contains("\"info,hyper=loud\\n\"") && text.contains("target=level"),
        "{text}"
    );
    assert_eq!(filter.directives(), "warn");
}

#[test]
fn a_field_that_logs_while_the_filter_reads_it_does_not_lock_up() {
    struct Chatty;
    impl fmt::Debug for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            tracing::info!("within");
            f.write_str("chatty")
        }
    }
    let filter = LogFilter::new("info,[visit{room=chatty}]=debug").expect("directives");
    let found = messages(&filter, || {
        let _span = tracing::info_span!("visit", room = ?Chatty).entered();
        tracing::info!("inside");
    });
    assert_eq!(found.last().map(String::as_str), Some("inside"));
}
