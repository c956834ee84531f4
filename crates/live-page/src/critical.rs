//! The critical path: the chain of work that decided when a trace ended.
//!
//! Read backwards from the end: whoever finished last held everybody up; before that span began, the one that finished
//! last by then. It is inferred from span times alone, and says so on the page.

/// A span as the algorithm sees it: times in milliseconds, and its children's places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bar {
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) children: Vec<usize>,
}

/// Returns for each bar the stretches in which it alone decided, in order of time. Costs O(n log n).
pub(crate) fn path(bars: &[Bar], root: usize) -> Vec<Vec<(f64, f64)>> {
    let mut found = vec![Vec::new(); bars.len()];
    let Some(first) = bars.get(root) else {
        return found;
    };
    // A list of its own instead of recursion: a hostile trace may be as deep as it is long.
    let mut open = vec![(root, first.end)];
    while let Some((at, limit)) = open.pop() {
        let bar = &bars[at];
        let mut cursor = bar.end.min(limit);
        let mut children = bar.children.clone();
        children.sort_unstable_by(|a, b| bars[*b].end.total_cmp(&bars[*a].end));
        for child in children {
            let start = bars[child].start.max(bar.start);
            let end = bars[child].end.min(cursor);
            if end <= start {
                continue;
            }
            push(&mut found[at], end, cursor);
            open.push((child, end));
            cursor = start;
        }
        push(&mut found[at], bar.start, cursor);
        found[at].reverse();
    }
    found
}

fn push(stretches: &mut Vec<(f64, f64)>, start: f64, end: f64) {
    if end > start {
        stretches.push((start, end - start));
    }
}

/// Returns the stretches of a bar in which no child ran.
pub(crate) fn uncovered(bars: &[Bar], at: usize) -> Vec<(f64, f64)> {
    let bar = &bars[at];
    let mut children: Vec<_> = bar
        .children
        .iter()
        .map(|&child| (bars[child].start, bars[child].end))
        .collect();
    children.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut cursor, mut gaps) = (bar.start, Vec::new());
    for (start, end) in children {
        push(&mut gaps, cursor, start.min(bar.end));
        cursor = cursor.max(end);
    }
    push(&mut gaps, cursor, bar.end);
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(start: f64, end: f64, children: &[usize]) -> Bar {
        Bar {
            start,
            end,
            children: children.to_vec(),
        }
    }

    #[test]
    fn stretches_sum_to_the_root() {
        let bars = [
            bar(0.0, 100.0, &[1, 2]),
            bar(10.0, 40.0, &[]),
            bar(30.0, 90.0, &[3]),
            bar(50.0, 60.0, &[]),
        ];
        let path = path(&bars, 0);
        assert_eq!(path[0], [(0.0, 10.0), (90.0, 10.0)]);
        assert_eq!(path[1], [(10.0, 20.0)]);
        assert_eq!(path[2], [(30.0, 20.0), (60.0, 30.0)]);
        assert_eq!(path[3], [(50.0, 10.0)]);
        let sum: f64 = path.iter().flatten().map(|(_, length)| length).sum();
        assert!((sum - 100.0).abs() < 1e-9);
    }

    #[test]
    fn work_that_outlives_its_parent_counts_only_while_the_parent_ran() {
        let bars = [bar(0.0, 50.0, &[1]), bar(40.0, 500.0, &[])];
        let path = path(&bars, 0);
        assert_eq!(
            (path[0].as_slice(), path[1].as_slice()),
            (&[(0.0, 40.0)][..], &[(40.0, 10.0)][..])
        );
    }

    #[test]
    fn a_span_that_others_outlasted_is_not_on_the_path() {
        let bars = [
            bar(0.0, 100.0, &[1, 2]),
            bar(0.0, 100.0, &[]),
            bar(20.0, 60.0, &[]),
        ];
        assert!(path(&bars, 0)[2].is_empty());
    }

    #[test]
    fn a_chain_as_deep_as_it_is_long_is_no_danger() {
        let most = 200_000;
        let child = |at: usize| Some(at + 1).filter(|next| *next < most);
        let bars: Vec<_> = (0..most)
            .map(|at| bar(0.0, 10.0, child(at).as_slice()))
            .collect();
        assert_eq!(path(&bars, 0)[most - 1], [(0.0, 10.0)]);
    }

    #[test]
    fn uncovered_time_is_what_no_child_fills() {
        let bars = [
            bar(0.0, 100.0, &[1, 2]),
            bar(10.0, 40.0, &[]),
            bar(30.0, 60.0, &[]),
        ];
        assert_eq!(uncovered(&bars, 0), [(0.0, 10.0), (60.0, 40.0)]);
    }
}
