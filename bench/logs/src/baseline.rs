//! The committed figures, and when a measured one is too dear.

#[path = "../../shared/baseline.rs"]
mod shared;

use std::io;

pub use self::shared::{Baseline, read};
use crate::callgrind::Cost;

/// Ours with redaction, and theirs: ours may cost a third at most.
const THIRDS: [(&str, &str); 4] = [
    ("lines-redacted", "fmt-json"),
    ("lines-redacted-sampled", "fmt-json-sampled"),
    ("lines-records", "fmt-json-appender"),
    ("lines-records-sampled", "fmt-json-appender-sampled"),
];

/// Replaces the committed figures of what is ours.
pub fn write(measured: &[(&str, Cost)]) -> io::Result<()> {
    shared::write(
        "Instructions of a line with three fields on the thread that logs",
        ours(measured),
    )
}

/// What is held: how often the writer's thread is woken is chance, so what goes there is not.
fn ours<'a>(measured: &'a [(&'a str, Cost)]) -> impl Iterator<Item = &'a (&'a str, Cost)> {
    let is_held = |name: &str| name.starts_with("lines") && !name.starts_with("lines-written");
    measured.iter().filter(move |(name, _)| is_held(name))
}

/// What is too dear, in words; a contender of ours without a committed figure counts as such.
pub fn judge(baseline: &Baseline, measured: &[(&str, Cost)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, cost) in ours(measured) {
        let now = cost.request_thread;
        problems.extend(shared::growth(baseline, name, now));
    }
    let find = |wanted: &str| {
        let found = measured.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, cost)| cost.request_thread)
    };
    for (ours, theirs) in THIRDS {
        if let (Some(cost), Some(their_cost)) = (find(ours), find(theirs))
            && cost * 3.0 > their_cost
        {
            problems.push(format!(
                "{ours}: {cost:.0} instructions, more than a third of {theirs}'s {their_cost:.0}"
            ));
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
        let baseline = Baseline::from([("lines".to_owned(), 100.0)]);
        assert_eq!(
            judge(
                &baseline,
                &[("lines", cost(104.0)), ("appender", cost(9.0))]
            ),
            Vec::<String>::new()
        );
        assert_eq!(judge(&baseline, &[("lines", cost(106.0))]).len(), 1);
        assert_eq!(judge(&baseline, &[("lines-new", cost(1.0))]).len(), 1);
    }

    #[test]
    fn more_than_a_third_of_theirs_is_too_dear_whatever_the_baseline_says() {
        let baseline = Baseline::from([("lines-redacted".to_owned(), 1000.0)]);
        let measured = |ours| [("lines-redacted", cost(ours)), ("fmt-json", cost(1500.0))];
        assert_eq!(judge(&baseline, &measured(500.0)), Vec::<String>::new());
        assert_eq!(judge(&baseline, &measured(501.0)).len(), 1);
    }
}
