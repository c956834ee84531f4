//! Instructions of a whole run of this benchmark, from callgrind.

use std::io;
use std::process::{Command, Stdio};

/// Runs this program with `--run` and these arguments, and counts the instructions of all of it.
pub fn run(arguments: &[&str]) -> io::Result<f64> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let status = Command::new("valgrind")
        .args(["-q", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .arg("--run")
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .map_err(|error| io::Error::other(format!("valgrind did not start: {error}")))?;
    if !status.success() {
        return Err(io::Error::other(format!(
            "{} failed under valgrind: {status}",
            arguments.join(" ")
        )));
    }
    total(&std::fs::read_to_string(out)?)
        .ok_or_else(|| io::Error::other("the profile has no total"))
}

fn total(profile: &str) -> Option<f64> {
    profile
        .lines()
        .find_map(|line| {
            line.strip_prefix("totals:")
                .or(line.strip_prefix("summary:"))
        })?
        .trim()
        .parse()
        .ok()
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
