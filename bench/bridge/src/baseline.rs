//! The committed figures, and when a measured one is too dear.

#[path = "../../shared/baseline.rs"]
mod shared;

use std::io;

pub use self::shared::{Baseline, read};
use crate::callgrind::Cost;

/// What a span may cost at most with everything in the subscriber, whatever the baseline says:
/// instructions, and allocations.
const LIMITS: [(&str, f64, f64); 2] = [
    ("own-sampled", 6000.0, f64::INFINITY),
    // the half stands for what is allocated once
    ("own-unsampled", 1900.0, 0.5),
];

/// Replaces the committed figures of what is ours.
pub fn write(measured: &[(&str, Cost)]) -> io::Result<()> {
    shared::write(
        "Instructions of a span with two fields on the thread that makes it",
        ours(measured),
    )
}

fn ours<'a>(measured: &'a [(&'a str, Cost)]) -> impl Iterator<Item = &'a (&'a str, Cost)> {
    measured.iter().filter(|(name, _)| name.starts_with("own"))
}

/// What is too dear, in words; a contender of ours without a committed figure counts as such.
pub fn judge(baseline: &Baseline, measured: &[(&str, Cost)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, cost) in ours(measured) {
        let now = cost.request_thread;
        problems.extend(shared::growth(baseline, name, now));
        let limit = LIMITS.iter().find(|(limited, ..)| limited == name);
        if let Some((_, most, allocations)) = limit
            && (now > *most || cost.allocations > *allocations)
        {
            problems.push(format!(
                "{name}: {now:.0} instructions and {:.2} allocations, the limits are {most:.0} and {allocations}",
                cost.allocations
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(request_thread: f64, allocations: f64) -> Cost {
        Cost {
            request_thread,
            allocations,
            ..Cost::default()
        }
    }

    #[test]
    fn what_grew_by_more_than_the_tolerance_is_named() {
        let baseline = Baseline::from([("own".to_owned(), 100.0)]);
        let problems = |now| {
            judge(
                &baseline,
                &[("own", cost(now, 9.0)), ("other", cost(900.0, 9.0))],
            )
        };
        assert_eq!(problems(104.0), Vec::<String>::new());
        assert_eq!(problems(106.0).len(), 1);
        assert_eq!(judge(&baseline, &[("own-new", cost(1.0, 0.0))]).len(), 1);
    }

    #[test]
    fn the_limits_hold_whatever_the_baseline_says() {
        let baseline = Baseline::from([("own-unsampled".to_owned(), 9000.0)]);
        let problems =
            |now, allocations| judge(&baseline, &[("own-unsampled", cost(now, allocations))]);
        assert_eq!(problems(1900.0, 0.1), Vec::<String>::new());
        assert_eq!(problems(1901.0, 0.1).len(), 1);
        assert_eq!(problems(1.0, 1.0).len(), 1);
    }
}
