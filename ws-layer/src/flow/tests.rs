use super::*;
use crate::probe::Probe;
use crate::{MessageClass, Role, Sessions};
use campanile_semconv::metric;
use std::sync::Arc;
use std::time::Duration;

/// A flow with its instruments; one class, on time up to 500 units (50 ms).
struct Bench {
    probe: Probe,
    series: Arc<Series>,
    flow: Flow,
    limits: Vec<Limits>,
}

impl Bench {
    fn new(decide: Stage) -> Self {
        Self::with(decide, false, 0)
    }

    fn with(decide: Stage, keep: bool, head: u32) -> Self {
        let probe = Probe::new();
        let class = MessageClass::new("m").threshold(Duration::from_millis(50));
        let sessions = Sessions::builder(&probe.handle()).class(class).build();
        Self {
            series: sessions.series("e", Role::Server),
            flow: Flow::new(1, decide, keep, head),
            limits: sessions.settings().limits.clone(),
            probe,
        }
    }

    fn write(&mut self, at: u32) {
        let class = ClassId::default();
        self.flow.ledger.accept(class);
        let late = false;
        self.flow.written(Entry { at, class, late });
    }

    fn flush(&mut self, now: u32) {
        self.flow.flush(now, &self.limits, &self.series);
    }

    fn receipt(&mut self, position: u32, now: u32) {
        self.flow.receipt(position, now, &self.limits, &self.series);
    }

    fn acknowledge(&mut self, count: usize, now: u32) -> usize {
        let (limits, series) = (&self.limits, &self.series);
        self.flow.acknowledge(count, now, limits, series)
    }

    fn told(&mut self, outcome: &str) -> i64 {
        self.flow.ledger.tell(&self.series);
        let outcome = format!("websocket.delivery.outcome={outcome}");
        self.probe
            .sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &[&outcome])
    }

    fn ages(&self, stage: &str) -> Vec<(f64, u64)> {
        let stage = format!("websocket.delivery.stage={stage}");
        self.probe
            .samples(&metric::WEBSOCKET_DELIVERY_AGE, &[&stage])
    }
}

#[test]
fn a_batch_is_one_sample_for_each_moment_of_acceptance() {
    let mut bench = Bench::new(Stage::Flush);
    for at in [0, 0, 0, 100] {
        bench.write(at);
    }
    bench.flush(400);
    assert_eq!(bench.ages("flush"), [(0.04, 3), (0.03, 1)]);
    assert_eq!((bench.told("on_time"), bench.flow.ledger.pending()), (4, 0));
    assert!(bench.flow.is_settled());
}

#[test]
fn receipt_covers_exactly_what_stood_before_the_ping() {
    let mut bench = Bench::new(Stage::Receipt);
    bench.write(0);
    bench.write(0);
    let barrier = bench.flow.written_to();
    bench.write(0);
    bench.flush(10);
    assert!(bench.flow.wants_receipt());
    bench.receipt(barrier, 600);
    assert_eq!(bench.ages("receipt"), [(0.06, 2)]);
    assert_eq!((bench.told("late"), bench.flow.ledger.pending()), (2, 1));
    assert!(bench.flow.wants_receipt(), "the third is still on its way");
    bench.receipt(barrier, 700);
    assert_eq!(
        bench.ages("receipt").len(),
        1,
        "an old answer proves nothing new"
    );
}

#[test]
fn late_is_charged_while_the_message_still_waits_and_only_once() {
    let mut bench = Bench::new(Stage::Receipt);
    bench.write(0);
    bench.flush(1);
    let oldest = bench.flow.tick(501, &bench.limits);
    assert_eq!((oldest.flush, oldest.receipt), (0, 501));
    assert_eq!((bench.told("late"), bench.flow.ledger.pending()), (1, 0));
    bench.flow.tick(502, &bench.limits);
    let position = bench.flow.written_to();
    bench.receipt(position, 503);
    assert_eq!((bench.told("late"), bench.told("on_time")), (1, 0));
}

#[test]
fn an_acknowledgement_decides_where_it_is_asked_for_and_cannot_run_ahead() {
    let mut bench = Bench::new(Stage::AppAck);
    bench.write(0);
    bench.write(0);
    bench.flush(1);
    bench.write(2);
    let acknowledged = bench.flow.acknowledge(5, 10, &bench.limits, &bench.series);
    assert_eq!(acknowledged, 2, "the third was not even flushed");
    assert_eq!((bench.told("on_time"), bench.flow.ledger.pending()), (2, 1));
    let mut elsewhere = Bench::new(Stage::Receipt);
    elsewhere.write(0);
    elsewhere.flush(1);
    assert_eq!(
        elsewhere
            .flow
            .acknowledge(1, 2, &elsewhere.limits, &elsewhere.series),
        0
    );
}

#[test]
fn the_end_loses_what_is_not_decided_and_nothing_else() {
    let mut bench = Bench::new(Stage::Receipt);
    bench.write(0);
    bench.write(400);
    bench.flush(1);
    bench.flow.tick(600, &bench.limits);
    bench.flow.end();
    assert_eq!((bench.told("late"), bench.told("lost")), (1, 1));
    assert_eq!(bench.flow.ledger.pending(), 0);
}

#[test]
fn positions_survive_their_wrap() {
    let mut bench = Bench::with(Stage::Receipt, false, u32::MAX - 1);
    for _ in 0..4 {
        bench.write(0);
    }
    bench.flush(1);
    let position = bench.flow.written_to();
    assert_eq!(position, 2);
    bench.receipt(position, 2);
    assert_eq!((bench.told("on_time"), bench.flow.ledger.pending()), (4, 0));
}

#[test]
fn an_entry_in_flight_is_eight_bytes() {
    assert_eq!(size_of::<Entry>(), 8);
}

#[test]
fn an_acknowledgement_is_measured_beside_the_receipt_that_decides() {
    let mut bench = Bench::with(Stage::Receipt, true, 0);
    for at in [0, 100] {
        bench.write(at);
    }
    bench.flush(110);
    bench.receipt(2, 300);
    assert!(bench.flow.is_settled() && !bench.flow.is_idle());
    assert_eq!(bench.acknowledge(1, 9_000), 1);
    assert_eq!(bench.acknowledge(5, 20_100), 1, "no more was sent");
    assert!(bench.flow.is_idle());
    assert_eq!(bench.ages("receipt"), [(0.03, 1), (0.02, 1)]);
    assert_eq!(bench.ages("app_ack"), [(0.9, 1), (2.0, 1)]);
    assert_eq!((bench.told("on_time"), bench.told("late")), (2, 0));
}

#[test]
fn what_waits_only_for_its_acknowledgement_is_neither_late_nor_lost() {
    let mut bench = Bench::with(Stage::Receipt, true, 0);
    bench.write(0);
    bench.flush(10);
    bench.receipt(1, 20);
    assert_eq!(bench.flow.tick(1_000_000, &bench.limits), Oldest::default());
    bench.flow.end();
    assert_eq!((bench.told("on_time"), bench.told("lost")), (1, 0));
    assert_eq!(bench.told("late"), 0);
}

#[test]
fn an_acknowledgement_proves_the_receipt_before_its_pong() {
    let mut bench = Bench::with(Stage::Receipt, true, 0);
    bench.write(0);
    bench.flush(10);
    assert_eq!(bench.acknowledge(1, 400), 1);
    bench.receipt(1, 900);
    assert_eq!(bench.ages("receipt"), [(0.04, 1)]);
    assert_eq!(bench.told("on_time"), 1);
}

#[test]
fn a_peer_that_never_acknowledges_makes_no_memory_grow_and_the_count_stays_right() {
    let mut bench = Bench::with(Stage::Receipt, true, 0);
    for _ in 0..MAX_KEPT + 10 {
        bench.write(0);
        bench.flush(1);
        bench.receipt(bench.flow.written_to(), 2);
    }
    assert_eq!(bench.flow.ring.len(), MAX_KEPT);
    assert_eq!(bench.acknowledge(MAX_KEPT, 3), MAX_KEPT);
    assert_eq!(bench.acknowledge(11, 3), 10);
    assert!(bench.flow.is_idle());
}

#[test]
fn a_pong_from_before_a_flow_was_made_anew_proves_nothing_about_it() {
    let mut bench = Bench::with(Stage::Receipt, false, 100);
    bench.write(0);
    bench.flush(1);
    bench.receipt(100, 2);
    assert!(bench.ages("receipt").is_empty());
    bench.receipt(101, 3);
    assert_eq!(bench.told("on_time"), 1);
}
