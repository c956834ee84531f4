//! The committed figures of a benchmark, and what grew over them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use crate::callgrind::Cost;

/// How much dearer than the baseline is still noise (hash seeds differ between runs).
const TOLERANCE: f64 = 1.05;

/// Instructions on the thread that is measured, by contender.
pub type Baseline = BTreeMap<String, f64>;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("baseline.toml")
}

/// Reads the committed figures: a flat table of `name = number`.
pub fn read() -> io::Result<Baseline> {
    let text = std::fs::read_to_string(path())?;
    let entry = |line: &str| {
        let (name, number) = line.split_once('=')?;
        Some((name.trim().to_owned(), number.trim().parse().ok()?))
    };
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            entry(line).ok_or_else(|| {
                io::Error::other(format!(
                    "baseline.toml: expected `name = number`, found {line:?}"
                ))
            })
        })
        .collect()
}

/// Replaces the committed figures, of which `what` says what they are.
pub fn write<'a>(
    what: &str,
    measured: impl Iterator<Item = &'a (&'a str, Cost)>,
) -> io::Result<()> {
    let package = env!("CARGO_PKG_NAME");
    let mut text = format!(
        "# {what} (callgrind).\n\
         # Written by `cargo run --release -p {package} -- --update`; held by `--check`.\n"
    );
    for (name, cost) in measured {
        let _ = writeln!(text, "{name} = {:.0}", cost.request_thread);
    }
    std::fs::write(path(), text)
}

/// What is wrong with this figure beside the committed one, in words; none that is committed
/// counts as such.
pub fn growth(baseline: &Baseline, name: &str, now: f64) -> Option<String> {
    match baseline.get(name) {
        None => Some(format!(
            "{name}: no figure in baseline.toml; run with --update"
        )),
        Some(then) if now > then * TOLERANCE => Some(format!(
            "{name}: {now:.0} instructions, {:+.1} % over the committed {then:.0}",
            (now / then - 1.0) * 100.0
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_by_more_than_the_tolerance_is_named() {
        let baseline = Baseline::from([("a".to_owned(), 100.0)]);
        assert_eq!(growth(&baseline, "a", 104.0), None);
        assert!(growth(&baseline, "a", 106.0).is_some());
        assert!(growth(&baseline, "b", 1.0).is_some());
    }
}
