//! Random ids: a generator for each thread, so that none waits for another.
//!
//! The last seven bytes of a trace id are random as W3C Trace Context Level 2 asks of the random
//! flag; ids are unguessable enough to be unique, and no secrets.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};

use opentelemetry::{SpanId, TraceId};

thread_local! {
    /// Zero until this thread's first id.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// The next number of this thread's generator (wyrand): 2^64 of them before any pattern repeats.
#[inline]
fn next() -> u64 {
    let before = STATE.get();
    let state = if before == 0 { seed() } else { before };
    let state = state.wrapping_add(0xa076_1d64_78bd_642f);
    STATE.set(state);
    let product = u128::from(state) * u128::from(state ^ 0xe703_7ed1_a0b4_28db);
    (product >> 64) as u64 ^ product as u64
}

/// From the operating system's randomness, by way of the standard library's hash keys.
#[cold]
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A span id, never zero.
#[inline]
pub(crate) fn span_id() -> SpanId {
    loop {
        match next() {
            0 => {}
            id => return SpanId::from(id),
        }
    }
}

/// A trace id, never zero.
#[inline]
pub(crate) fn trace_id() -> TraceId {
    loop {
        match u128::from(next()) << 64 | u128::from(next()) {
            0 => {}
            id => return TraceId::from(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_do_not_repeat_within_a_thread_or_between_threads() {
        let draw = || -> Vec<_> { (0..10_000).map(|_| (trace_id(), span_id())).collect() };
        let others: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let mut all = draw();
        for other in others {
            all.extend(other.join().expect("a thread that draws ids"));
        }
        let traces: HashSet<_> = all.iter().map(|(trace, _)| *trace).collect();
        let spans: HashSet<_> = all.iter().map(|(_, span)| *span).collect();
        assert_eq!((traces.len(), spans.len()), (50_000, 50_000));
    }

    #[test]
    fn every_bit_of_an_id_is_a_fair_coin() {
        let draws = 20_000;
        let mut ones = [0u32; 128];
        for _ in 0..draws {
            let id = u128::from_be_bytes(trace_id().to_bytes());
            for (bit, ones) in ones.iter_mut().enumerate() {
                *ones += u32::from(id >> bit & 1 == 1);
            }
        }
        // 10,000 expected; nine standard deviations are 636
        assert!(
            ones.iter().all(|ones| ones.abs_diff(draws / 2) < 636),
            "{ones:?}"
        );
    }
}
