//! Another process of the same test, for what one process has too few files for. It runs the test
//! `part` alone, and both talk in lines.

#![allow(unreachable_pub, reason = "tests of other crates include this file")]

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What the process is to do.
const PART: &str = "CAMPANILE_PART";

/// Such a process, with as many files as it may have; killed when dropped.
#[derive(Debug)]
pub struct Part {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Part {
    /// Starts one, which learns `part` from [`part`].
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start(part: &str) -> Self {
        let program = std::env::current_exe().expect("a test has a path");
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\""])
            .arg(program)
            .args(["--exact", "part", "--nocapture"])
            .env(PART, part)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the part starts");
        let lines = child.stdout.take().expect("stdout is piped");
        let lines = BufReader::new(lines).lines();
        Self { child, lines }
    }

    /// The rest of the next line that begins with `@` and this word.
    ///
    /// # Panics
    ///
    /// When it ends before.
    pub fn hear(&mut self, word: &str) -> String {
        let found = self.lines.find_map(|line| {
            let line = line.expect("it writes text");
            let (_, rest) = line.split_once(&format!("@{word} "))?;
            Some(rest.to_owned())
        });
        found.unwrap_or_else(|| panic!("the part ended before {word:?}"))
    }

    /// Lets it go on from [`told`].
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{line}").expect("it still runs");
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this process is to do, if it is a part.
pub fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// Returns when the test tells this part something.
///
/// # Panics
///
/// When there is nobody to tell it.
pub async fn told() {
    let line = || std::io::stdin().read_line(&mut String::new());
    let line = tokio::task::spawn_blocking(line).await;
    line.expect("it can be awaited").expect("a test that talks");
}
