//! Where a session goes on whose messages come from the store.

use crate::resume::logical::Plan;
use crate::resume::replay::{Logged, Seq};

/// The messages after `seq` without a gap among them, and where they begin.
pub(super) fn whole_tail(seq: Seq, sent: Seq, entries: Vec<Logged>) -> (Plan, Vec<Logged>) {
    let mut tail: Vec<Logged> = Vec::with_capacity(entries.len());
    for entry in entries {
        if seq.since(entry.seq).is_some() {
            continue;
        }
        if tail.last().is_some_and(|last| last.seq.next() != entry.seq) {
            tail.clear();
        }
        tail.push(entry);
    }
    if tail.last().is_none_or(|last| last.seq != sent) {
        // What the store knows to be sent and does not have is lost, and what lies before it
        // cannot be told from it by a count.
        tail.clear();
    }
    let from = match tail.first() {
        Some(first) => Seq(first.seq.0.wrapping_sub(1)),
        None => sent,
    };
    let plan = Plan {
        from,
        replayed: u32::try_from(tail.len()).unwrap_or(u32::MAX),
        lost: from.since(seq).unwrap_or(0),
    };
    (plan, tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClassId, Kind};

    fn logged(seq: u32) -> Logged {
        Logged {
            seq: Seq(seq),
            made: 0,
            class: ClassId::default(),
            kind: Kind::Text,
            payload: axum::body::Bytes::new(),
        }
    }

    fn tail(seq: u32, sent: u32, entries: &[u32]) -> (u32, u32, u32) {
        let entries = entries.iter().copied().map(logged).collect();
        let (plan, _) = whole_tail(Seq(seq), Seq(sent), entries);
        (plan.from.0, plan.replayed, plan.lost)
    }

    #[test]
    fn what_a_store_has_goes_on_where_no_message_is_missing() {
        assert_eq!(tail(3, 5, &[2, 3, 4, 5]), (3, 2, 0));
        assert_eq!(tail(5, 5, &[4, 5]), (5, 0, 0));
        assert_eq!(tail(1, 5, &[4, 5]), (3, 2, 2), "evicted");
        assert_eq!(tail(1, 5, &[2, 4, 5]), (3, 2, 2), "a hole");
        assert_eq!(tail(1, 5, &[]), (5, 0, 4), "nothing was handed over");
        assert_eq!(tail(1, 5, &[2, 3]), (5, 0, 4), "the end is missing");
        assert_eq!(tail(u32::MAX, 1, &[0, 1]), (u32::MAX, 2, 0), "the wrap");
    }
}
