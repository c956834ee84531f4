//! The hand-over under every order of events that matters: [`queue`] and [`shard`] as they are, with
//! loom's locks in place of the standard library's.

#![allow(clippy::unwrap_used)]

use loom::thread;

use super::{lane, ledger, written};

mod sync {
    pub(super) use loom::sync::{Arc, Mutex, MutexGuard};
}

#[allow(dead_code, reason = "the model needs no spare buffers")]
#[allow(clippy::duplicate_mod, reason = "that is the point")]
#[path = "queue.rs"]
mod queue;
#[allow(clippy::duplicate_mod, reason = "that is the point")]
#[path = "shard.rs"]
mod shard;

use self::queue::Queue;
use self::shard::{Pushed, Shard};
use self::sync::Arc;
use super::lane::{Bounds, Intake};
use super::ledger::{Ledger, Loss};
use super::written::Scope;

/// Explores all orders with at most this many switches that nobody waited for.
const PREEMPTIONS: usize = 3;

fn explore(story: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(story);
}

fn queue(items: u64, batch: usize) -> Arc<Queue> {
    let bounds = Bounds {
        items,
        bytes: 1 << 20,
        batch,
    };
    Arc::new(Queue::new(bounds, 0))
}

/// What [`lane::Lane::push_written`] does, but for the thread-local list; whether it would wake.
fn push(queue: &Queue, shard: &Shard, scope: &Scope, item: u8) -> bool {
    let pushed = shard.push(scope, queue.full(), |out| {
        out.extend_from_slice(&[0x12, 1, item]);
    });
    match pushed {
        Pushed::Kept => false,
        Pushed::First => true,
        Pushed::Full => queue.hand_over(shard),
        Pushed::Closed => {
            queue.ledger(|ledger| ledger.turn_away(1, Loss::Shutdown));
            false
        }
    }
}

/// A thread that comes, pushes these items and goes.
fn producer(queue: &Arc<Queue>, scope: &Scope, items: &'static [u8]) -> thread::JoinHandle<()> {
    let (queue, scope) = (queue.clone(), scope.clone());
    thread::spawn(move || {
        let shard = queue.register();
        for item in items {
            push(&queue, &shard, &scope, *item);
        }
        shard.leave();
    })
}

fn items(intake: Intake) -> Vec<u8> {
    let written = intake.written.iter();
    let items: Vec<u8> = written
        .flat_map(|written| written.bytes.chunks(3).map(|item| item[2]))
        .collect();
    assert_eq!(items.len() as u64, intake.items);
    items
}

fn is_balanced(ledger: &Ledger) -> bool {
    ledger.offered == ledger.delivered + ledger.rejected + ledger.lost() + ledger.held()
}

#[test]
fn every_item_arrives_once_whoever_hands_it_over() {
    explore(|| {
        let (queue, scope) = (queue(100, 2), Scope::new(Vec::new()));
        let one = producer(&queue, &scope, &[1, 2]);
        let other = producer(&queue, &scope, &[3]);
        let mut arrived = items(queue.take());
        one.join().unwrap();
        other.join().unwrap();
        arrived.extend(items(queue.take()));
        arrived.sort_unstable();
        assert_eq!(arrived, [1, 2, 3]);
        let ledger = queue.books(Ledger::clone);
        assert_eq!((ledger.offered, ledger.queued), (3, 3));
    });
}

#[test]
fn what_comes_before_the_end_or_after_it_is_counted_once() {
    explore(|| {
        let (queue, scope) = (queue(100, 100), Scope::new(Vec::new()));
        let one = producer(&queue, &scope, &[1, 2]);
        let other = producer(&queue, &scope, &[3]);
        drop(queue.close());
        one.join().unwrap();
        other.join().unwrap();
        let ledger = queue.books(Ledger::clone);
        assert_eq!((ledger.offered, ledger.held()), (3, 0));
        assert_eq!(ledger.dropped[Loss::Shutdown as usize], 3);
    });
}

#[test]
fn books_balance_and_bounds_hold_in_every_snapshot() {
    explore(|| {
        let (queue, scope) = (queue(2, 1), Scope::new(Vec::new()));
        let one = producer(&queue, &scope, &[1, 2]);
        let other = producer(&queue, &scope, &[3]);
        queue.books(|ledger| assert!(is_balanced(ledger) && ledger.held() <= 2, "{ledger:?}"));
        one.join().unwrap();
        other.join().unwrap();
        let ledger = queue.books(Ledger::clone);
        assert_eq!((ledger.offered, ledger.queued), (3, 2));
        assert_eq!(ledger.dropped[Loss::QueueFull as usize], 1);
    });
}

#[test]
fn a_flush_waits_for_everything_that_was_pushed_before() {
    explore(|| {
        let (queue, scope) = (queue(100, 100), Scope::new(Vec::new()));
        let before = queue.register();
        push(&queue, &before, &scope, 1);
        let other = producer(&queue, &scope, &[2]);
        let mark = queue.mark();
        let intake = queue.take();
        assert!(mark >= 1 && intake.first == 0);
        // what is numbered below the mark is in hand, or was before
        assert!(intake.items >= mark);
        other.join().unwrap();
        assert_eq!(intake.items + queue.take().items, 2);
    });
}

#[test]
fn whoever_waits_is_woken_for_the_first_item_after_each_look() {
    explore(|| {
        let (queue, scope) = (queue(100, 100), Scope::new(Vec::new()));
        let wake = Arc::new(loom::sync::Notify::new());
        let worker = {
            let (queue, wake) = (queue.clone(), wake.clone());
            thread::spawn(move || {
                let shard = queue.register();
                for item in [1, 2] {
                    if push(&queue, &shard, &scope, item) {
                        wake.notify();
                    }
                }
            })
        };
        let mut arrived = Vec::new();
        // loom says so when this waits for ever
        while arrived.len() < 2 {
            if queue.waiting().is_none() {
                wake.wait();
            }
            arrived.extend(items(queue.take()));
        }
        worker.join().unwrap();
        assert_eq!(arrived, [1, 2]);
    });
}
