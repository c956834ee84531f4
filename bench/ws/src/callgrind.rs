//! Instructions per message, from callgrind.
//!
//! A run of few messages is taken from a run of many, so that start-up cancels out.

use std::io;
use std::process::{Command, Stdio};

const FEW: u64 = 4_000;
/// Starting a pipeline differs by some hundred thousand instructions from run to run, which has to
/// be little beside what is measured.
const MANY: u64 = 104_000;

/// Instructions for one message, sent in batches of this size.
pub fn count(contender: &str, batch: u64) -> io::Result<f64> {
    let (few, many) = (run(contender, batch, FEW)?, run(contender, batch, MANY)?);
    Ok((many - few) / (MANY - FEW) as f64)
}

fn run(contender: &str, batch: u64, messages: u64) -> io::Result<f64> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let status = Command::new("valgrind")
        .args(["-q", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args([
            "--run",
            contender,
            &batch.to_string(),
            &messages.to_string(),
        ])
        .stdout(Stdio::null())
        .status()
        .map_err(|error| io::Error::other(format!("valgrind did not start: {error}")))?;
    if !status.success() {
        return Err(io::Error::other(format!(
            "{contender} failed under valgrind: {status}"
        )));
    }
    total(&std::fs::read_to_string(out)?)
        .ok_or_else(|| io::Error::other("the profile has no total"))
}

fn total(profile: &str) -> Option<f64> {
    let line = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_a_profile() {
        assert_eq!(total("fn=(1) main\n1 5\ntotals: 1005\n"), Some(1005.0));
        assert_eq!(total("fn=(1) main\n"), None);
    }
}
