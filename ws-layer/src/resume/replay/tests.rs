use proptest::prelude::*;

use super::*;

fn log(from: u32, messages: usize) -> Log {
    let limits = LogLimits {
        messages,
        bytes: 1000,
    };
    Log::new(limits, Seq(from))
}

fn push(log: &mut Log) -> Seq {
    log.push(0, ClassId::default(), Kind::Text, Bytes::from_static(b"hi"))
}

#[test]
fn numbers_wrap_and_stay_in_order() {
    let mut log = log(u32::MAX - 1, 8);
    assert_eq!(
        [push(&mut log), push(&mut log), push(&mut log)],
        [Seq(u32::MAX), Seq(0), Seq(1)]
    );
    let after = log.after(Seq(u32::MAX)).map(|one| one.seq);
    assert_eq!(after.collect::<Vec<_>>(), [Seq(0), Seq(1)]);
    assert_eq!(log.acknowledge(Seq(0)), Some(2));
    assert_eq!(log.kept(), (1, 2));
    assert_eq!(log.position(Seq(2)), Position::Ahead);
}

#[test]
fn what_left_is_a_gap_and_what_was_never_sent_is_ahead() {
    let mut log = log(0, 2);
    for _ in 0..5 {
        push(&mut log);
    }
    assert_eq!(log.kept(), (2, 4));
    assert_eq!(log.position(Seq(1)), Position::Gap(2));
    assert_eq!(log.position(Seq(3)), Position::Whole);
    assert_eq!(log.acknowledge(Seq(6)), None);
    assert_eq!(log.acknowledge(Seq(2)), Some(0), "an old word is no news");
}

#[test]
fn serial_numbers_are_compared_over_the_edge() {
    let (last, first) = (Seq(u32::MAX), Seq(0));
    assert_eq!((first.since(last), last.since(first)), (Some(1), None));
    assert_eq!((last.since(last), last.next()), (Some(0), first));
    assert_eq!(
        Seq(1 << 31).since(Seq(0)),
        None,
        "half the circle away is ahead"
    );
    assert_eq!(Seq((1 << 31) - 1).since(Seq(0)), Some((1 << 31) - 1));
}

#[test]
fn a_message_that_is_larger_than_the_log_is_a_gap_at_once() {
    let mut log = log(0, 8);
    push(&mut log);
    let large = Bytes::from(vec![0; 1001]);
    let seq = log.push(0, ClassId::default(), Kind::Binary, large);
    assert_eq!((seq, log.kept(), log.base()), (Seq(2), (0, 0), Seq(2)));
    assert_eq!(log.position(Seq(0)), Position::Gap(2));
    assert_eq!(push(&mut log), Seq(3));
    assert_eq!(log.position(Seq(2)), Position::Whole);
}

/// The same, with numbers that never wrap and nothing that is clever.
struct Model {
    start: u32,
    sent: u64,
    base: u64,
    sizes: Vec<(u64, usize)>,
}

impl Model {
    fn seq(&self, number: u64) -> Seq {
        let number = u32::try_from(number % (1 << 32)).unwrap_or_default();
        Seq(self.start.wrapping_add(number))
    }

    fn push(&mut self, size: usize, limits: LogLimits) {
        self.sent += 1;
        self.sizes.push((self.sent, size));
        let bytes = |sizes: &[(u64, usize)]| sizes.iter().map(|(_, size)| size).sum::<usize>();
        while self.sizes.len() > limits.messages || bytes(&self.sizes) > limits.bytes {
            self.base = self.sizes.remove(0).0;
        }
    }

    fn acknowledge(&mut self, number: u64) -> Option<u64> {
        if number > self.sent {
            return None;
        }
        let settled = number.saturating_sub(self.base);
        self.base = self.base.max(number);
        self.sizes.retain(|(one, _)| *one > number);
        Some(settled)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    /// So many behind what was sent; negative is ahead.
    Acknowledge(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_usize..40).prop_map(Step::Push),
        1 => (-3_i64..30).prop_map(Step::Acknowledge),
    ]
}

proptest! {
    #[test]
    fn the_log_is_what_a_simple_one_would_be(
        start in prop_oneof![Just(0), u32::MAX - 40..=u32::MAX, (1_u32 << 31) - 20..1 << 31],
        messages in 0_usize..12,
        bytes in 0_usize..200,
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let limits = LogLimits { messages, bytes };
        let mut log = Log::new(limits, Seq(start));
        let mut model = Model { start, sent: 0, base: 0, sizes: Vec::new() };
        for step in steps {
            match step {
                Step::Push(size) => {
                    let payload = Bytes::from(vec![0; size]);
                    let seq = log.push(7, ClassId::default(), Kind::Text, payload);
                    model.push(size, limits);
                    prop_assert_eq!(seq, model.seq(model.sent));
                }
                Step::Acknowledge(behind) => {
                    let Some(number) = model.sent.checked_add_signed(-behind) else { continue };
                    let settled = log.acknowledge(model.seq(number));
                    prop_assert_eq!(settled.map(u64::from), model.acknowledge(number));
                }
            }
            let held: usize = model.sizes.iter().map(|(_, size)| size).sum();
            prop_assert_eq!(log.kept(), (model.sizes.len(), held));
            prop_assert!(log.kept().0 <= messages && log.kept().1 <= bytes);
            prop_assert_eq!((log.sent(), log.base()), (model.seq(model.sent), model.seq(model.base)));
            for number in 0..=model.sent + 2 {
                let position = match number {
                    ahead if ahead > model.sent => Position::Ahead,
                    whole if whole >= model.base => Position::Whole,
                    gap => Position::Gap(u32::try_from(model.base - gap).unwrap_or_default()),
                };
                prop_assert_eq!(log.position(model.seq(number)), position);
                let after: Vec<_> = log.after(model.seq(number)).map(|one| one.seq).collect();
                let expected = model.sizes.iter().filter(|(one, _)| *one > number);
                prop_assert_eq!(after, expected.map(|(one, _)| model.seq(*one)).collect::<Vec<_>>());
            }
        }
    }
}
