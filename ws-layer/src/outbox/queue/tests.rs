use super::*;

const NO_LIMIT: Limits = Limits {
    threshold: 100,
    time_to_live: 1_000,
};

fn limits(messages: usize, bytes: usize, when_full: WhenFull) -> OutboxLimits {
    OutboxLimits {
        messages,
        bytes,
        when_full,
    }
}

fn item(text: &'static str, at: u32, replaces: Option<u64>) -> Item<&'static str> {
    Item {
        at,
        class: ClassId::default(),
        late: false,
        replaces,
        size: text.len(),
        message: text,
    }
}

/// A queue with its ledger, driven by hand.
struct Bench {
    queue: Queue<&'static str>,
    ledger: Ledger,
    limits: OutboxLimits,
}

impl Bench {
    fn new(limits: OutboxLimits) -> Self {
        Self {
            queue: Queue::new(false),
            ledger: Ledger::new(1),
            limits,
        }
    }

    fn push(&mut self, item: Item<&'static str>) -> Pushed {
        self.ledger.accept(item.class);
        self.queue.push(item, self.limits, &mut self.ledger)
    }

    fn next(&mut self, now: u32) -> Option<&'static str> {
        let item = self.queue.next(now, &[NO_LIMIT], &mut self.ledger)?;
        Some(item.message)
    }
}

#[test]
fn a_full_queue_drops_the_newest_by_default() {
    let mut bench = Bench::new(limits(1, 100, WhenFull::DropNewest));
    assert_eq!(bench.push(item("a", 0, None)), Pushed::Queued);
    assert_eq!(bench.push(item("b", 0, None)), Pushed::Dropped);
    assert_eq!((bench.next(0), bench.next(0)), (Some("a"), None));
    assert_eq!(bench.ledger.pending(), 1, "a is on its way");
}

#[test]
fn a_full_queue_drops_the_oldest_if_asked_to() {
    let mut bench = Bench::new(limits(10, 4, WhenFull::DropOldest));
    for text in ["aa", "bb", "cc"] {
        assert_eq!(bench.push(item(text, 0, None)), Pushed::Queued);
    }
    assert_eq!((bench.next(0), bench.next(0)), (Some("bb"), Some("cc")));
}

#[test]
fn a_message_that_can_never_fit_does_not_empty_the_queue() {
    let mut bench = Bench::new(limits(10, 4, WhenFull::DropOldest));
    bench.push(item("aa", 0, None));
    assert_eq!(bench.push(item("too long", 0, None)), Pushed::Dropped);
    assert_eq!(bench.next(0), Some("aa"));
}

#[test]
fn a_newer_message_takes_the_place_of_the_one_with_its_key() {
    let mut bench = Bench::new(limits(2, 100, WhenFull::DropNewest));
    bench.push(item("typing: a", 0, Some(1)));
    bench.push(item("hello", 0, None));
    assert_eq!(
        bench.push(item("typing: abc", 5, Some(1))),
        Pushed::Superseded
    );
    assert_eq!(bench.queue.waiting(), (2, "typing: abchello".len()));
    assert_eq!(
        (bench.next(6), bench.next(6)),
        (Some("typing: abc"), Some("hello"))
    );
    assert_eq!(bench.ledger.pending(), 2);
}

#[test]
fn what_outlived_its_time_is_not_sent() {
    let mut bench = Bench::new(limits(10, 100, WhenFull::DropNewest));
    bench.push(item("old", 0, None));
    bench.push(item("new", 900, None));
    assert_eq!(bench.next(1_001), Some("new"));
    assert_eq!(bench.ledger.pending(), 1);
}

#[test]
fn a_tick_charges_late_once_and_expiry_does_not_charge_again() {
    let mut bench = Bench::new(limits(10, 100, WhenFull::DropNewest));
    bench.push(item("a", 0, None));
    assert_eq!(
        bench.queue.tick(50, &[NO_LIMIT], &mut bench.ledger),
        Some(50)
    );
    assert_eq!(bench.ledger.pending(), 1);
    for now in [101, 102] {
        bench.queue.tick(now, &[NO_LIMIT], &mut bench.ledger);
        assert_eq!(bench.ledger.pending(), 0);
    }
    assert_eq!(
        bench.queue.tick(1_001, &[NO_LIMIT], &mut bench.ledger),
        None
    );
    assert_eq!((bench.queue.waiting(), bench.ledger.pending()), ((0, 0), 0));
}

#[test]
fn what_was_told_is_told_as_a_difference() {
    let mut bench = Bench::new(limits(10, 100, WhenFull::DropNewest));
    bench.push(item("abc", 0, None));
    assert_eq!(bench.queue.untold(), (1, 3));
    assert_eq!(bench.queue.untold(), (0, 0));
    bench.queue.end(&mut bench.ledger);
    assert_eq!(bench.queue.untold(), (-1, -3));
    assert!(bench.queue.is_ended() && bench.ledger.pending() == 0);
}
