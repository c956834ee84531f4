#![allow(clippy::unwrap_used)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use campanile_redaction::Pseudonyms;
use tokio::sync::Notify;

use super::*;
use crate::Sink;

/// Holds so many records, and no more before some are taken away.
#[derive(Debug)]
struct Gated {
    room: usize,
    held: Mutex<Vec<Record>>,
    freed: Notify,
    lost: AtomicU64,
}

impl Gated {
    fn new(room: usize) -> Arc<Self> {
        Arc::new(Self {
            room,
            held: Mutex::default(),
            freed: Notify::new(),
            lost: AtomicU64::new(0),
        })
    }

    fn take(&self) -> Vec<Record> {
        let taken = std::mem::take(&mut *self.held.lock().unwrap());
        self.freed.notify_waiters();
        taken
    }

    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Way for Gated {
    fn name(&self) -> &'static str {
        "the gate"
    }

    fn offer(&self, record: &Record) -> Result<(), Refusal> {
        let mut held = self.held.lock().unwrap();
        if held.len() >= self.room {
            return Err(Refusal::Full);
        }
        held.push(record.clone());
        Ok(())
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.freed.notified())
    }

    fn lose(&self, _why: Refusal) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

const LONG: Duration = Duration::from_secs(30);

fn entry(action: &'static str) -> Entry {
    Entry::new(action, Outcome::Done)
}

fn actions(records: &[Record]) -> Vec<&'static str> {
    records.iter().map(Record::action).collect()
}

#[test]
fn a_full_queue_fails_who_does_not_wait_and_says_what_is_lost_and_where() {
    let (gate, (sink, captured)) = (Gated::new(1), Sink::captured());
    let audit = Audit::new([
        Lines::new("shop", sink).into(),
        gate.clone() as Arc<dyn Way>,
    ]);
    audit.record(entry("first")).unwrap();
    let error = audit.record(entry("second")).unwrap_err();
    assert!(error.is_full() && !error.is_nowhere());
    assert_eq!(error.action(), "second");
    assert_eq!(error.missing_in().collect::<Vec<_>>(), ["the gate"]);
    assert!(
        error
            .to_string()
            .starts_with("the audit record of second is lost in the gate"),
        "{error}"
    );
    assert_eq!(gate.lost(), 1);
    assert_eq!(captured.text().lines().count(), 2, "the other way has both");
    assert_eq!(actions(&gate.take()), ["first"]);
}

#[tokio::test]
async fn a_caller_that_waits_gets_the_room_that_comes() {
    let gate = Gated::new(1);
    let audit = Audit::new([gate.clone() as Arc<dyn Way>]);
    audit.record(entry("first")).unwrap();
    let waiting = {
        let audit = audit.clone();
        tokio::spawn(async move { audit.record_within(entry("second"), LONG).await })
    };
    let mut taken = Vec::new();
    while taken.len() < 2 {
        // Each take makes room; who waits is woken by it.
        taken.extend(actions(&gate.take()));
        tokio::task::yield_now().await;
    }
    waiting.await.unwrap().unwrap();
    assert_eq!(taken, ["first", "second"]);
    assert_eq!(gate.lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_way_that_stays_full_does_not_keep_another_from_the_room_it_gets() {
    for stuck_is_first in [true, false] {
        let (stuck, gate) = (Gated::new(0), Gated::new(1));
        let mut ways = [stuck.clone() as Arc<dyn Way>, gate.clone()];
        if !stuck_is_first {
            ways.reverse();
        }
        let audit = Audit::new(ways);
        audit.record(entry("first")).unwrap_err();
        let waiting = tokio::spawn(async move { audit.record_within(entry("second"), LONG).await });
        // it has been offered once and waits
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(actions(&gate.take()), ["first"]);
        waiting.await.unwrap().unwrap_err();
        assert_eq!(actions(&gate.take()), ["second"], "{stuck_is_first}");
        assert_eq!((gate.lost(), stuck.lost()), (0, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waited_long_enough_is_told_that_the_record_is_lost() {
    let gate = Gated::new(0);
    let audit = Audit::new([gate.clone() as Arc<dyn Way>]);
    let error = audit.record_within(entry("late"), LONG).await.unwrap_err();
    assert!(error.is_full());
    assert_eq!(gate.lost(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_waiting_is_counted() {
    let gate = Gated::new(0);
    let audit = Audit::new([gate.clone() as Arc<dyn Way>]);
    let record = audit.record_within(entry("abandoned"), LONG);
    let second = Duration::from_secs(1);
    tokio::time::timeout(second, record).await.unwrap_err();
    assert_eq!(gate.lost(), 1);
}

#[test]
fn with_nowhere_to_go_it_fails() {
    let error = Audit::new([]).record(entry("unheard")).unwrap_err();
    assert!(error.is_nowhere());
    let audit = Audit::new([Lines::new("shop", Sink::nowhere()).into()]);
    assert!(audit.record(entry("unheard")).is_err());
}

#[test]
fn a_line_has_the_fields_of_every_line_and_its_own_whatever_they_hold() {
    let (sink, captured) = Sink::captured();
    let audit = Audit::new([Lines::new("shop", sink).into()]);
    let entry = entry("order.cancel")
        .actor(Actor::plain("line\nfeed \"and quotes\""))
        .target("ü".repeat(1000))
        .policy("own orders only")
        .reason("said Bearer mF_9.B5f-4.1JqM");
    audit.record(entry).unwrap();
    let line: serde_json::Value = serde_json::from_str(&captured.text()).unwrap();
    for name in [
        "timestamp",
        "level",
        "service",
        "event",
        "outcome",
        "message",
        "target",
    ] {
        assert!(line[name].is_string(), "{name}: {line}");
    }
    for name in [
        "domain",
        "trace_id",
        "span_id",
        "trace_sampled",
        "request_id",
    ] {
        assert!(
            line.as_object().unwrap().contains_key(name),
            "{name}: {line}"
        );
    }
    assert_eq!(line["campanile.audit.actor"], "line\nfeed \"and quotes\"");
    assert_eq!(line["campanile.audit.target"], "ü".repeat(512));
    assert_eq!(line["campanile.audit.policy"], "own orders only");
    assert_eq!(line["campanile.audit.reason"], "said Bearer REDACTED");
}

#[test]
fn a_person_is_a_pseudonym_that_only_who_has_the_key_can_check() {
    let (sink, captured) = Sink::captured();
    let audit = Audit::new([Lines::new("shop", sink).into()]);
    let people = Pseudonyms::temporary();
    let actor = Actor::pseudonym(&people, "ines@example.com");
    audit.record(entry("order.cancel").actor(actor)).unwrap();
    assert!(!captured.text().contains("ines"));
    let line: serde_json::Value = serde_json::from_str(&captured.text()).unwrap();
    let actor = line["campanile.audit.actor"].as_str().unwrap();
    assert!(people.matches(actor, "ines@example.com") && !people.matches(actor, "ben@example.com"));
}
