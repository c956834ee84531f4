//! The committed figures, and when a measured one is too dear.

#[path = "../../shared/baseline.rs"]
mod shared;

use std::io;

pub use self::shared::{Baseline, read};
use crate::callgrind::Cost;

/// What a request may cost at most, whatever the baseline says: on its thread, and over all.
const LIMITS: [(&str, f64, f64); 3] = [
    ("server-sampled", 22_000.0, f64::INFINITY),
    ("lean-sampled", 5_000.0, 6_500.0),
    ("lean-unsampled", 4_600.0, 4_600.0),
];

/// How often a request may call the allocator over the bare work, through our own pipeline: axum
/// does it four times for a layer that looks at bodies, the OpenTelemetry API twice for a span in
/// a context, and we never.
const ALLOCATIONS: f64 = 6.0;
const ALLOCATING: [&str; 2] = ["lean-sampled", "lean-unsampled"];

/// Replaces the committed figures.
pub fn write(measured: &[(&str, Cost)]) -> io::Result<()> {
    shared::write(
        "Instructions per request on the request thread, over the bare work",
        measured.iter(),
    )
}

/// What is too dear, in words; a contender without a committed figure counts as such.
pub fn judge(baseline: &Baseline, measured: &[(&str, Cost)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, cost) in measured {
        let now = cost.request_thread;
        problems.extend(shared::growth(baseline, name, now));
        if ALLOCATING.contains(name) && cost.allocations > ALLOCATIONS + 0.05 {
            problems.push(format!(
                "{name}: {:.1} allocations, the limit is {ALLOCATIONS}",
                cost.allocations
            ));
        }
        for (_, here, everywhere) in LIMITS.iter().filter(|(limited, ..)| limited == name) {
            for (count, limit) in [(now, here), (cost.all_threads, everywhere)] {
                if count > *limit {
                    problems.push(format!(
                        "{name}: {count:.0} instructions, the limit is {limit:.0}"
                    ));
                }
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(request_thread: f64) -> Cost {
        Cost {
            request_thread,
            ..Cost::default()
        }
    }

    #[test]
    fn what_grew_by_more_than_the_tolerance_is_named() {
        let baseline = Baseline::from([("a".to_owned(), 100.0)]);
        assert_eq!(
            judge(&baseline, &[("a", cost(104.0))]),
            Vec::<String>::new()
        );
        assert_eq!(judge(&baseline, &[("a", cost(106.0))]).len(), 1);
        assert_eq!(judge(&baseline, &[("b", cost(1.0))]).len(), 1);
    }

    #[test]
    fn an_allocation_of_ours_is_named() {
        let baseline = Baseline::from([(ALLOCATING[0].to_owned(), 100.0)]);
        let allocating = |allocations| Cost {
            request_thread: 100.0,
            all_threads: 100.0,
            allocations,
        };
        let judge = |allocations| judge(&baseline, &[(ALLOCATING[0], allocating(allocations))]);
        assert_eq!(judge(6.0), Vec::<String>::new());
        assert_eq!(judge(7.0).len(), 1);
    }

    #[test]
    fn the_limit_holds_whatever_the_baseline_says() {
        for (name, here, everywhere) in LIMITS {
            let baseline = Baseline::from([(name.to_owned(), 30_000.0)]);
            assert_eq!(
                judge(&baseline, &[(name, cost(here))]),
                Vec::<String>::new()
            );
            assert_eq!(judge(&baseline, &[(name, cost(here + 1.0))]).len(), 1);
            let mut elsewhere = cost(here);
            elsewhere.all_threads = everywhere * 1.1;
            let is_limited = everywhere.is_finite();
            assert_eq!(
                judge(&baseline, &[(name, elsewhere)]).len(),
                usize::from(is_limited)
            );
        }
    }
}
