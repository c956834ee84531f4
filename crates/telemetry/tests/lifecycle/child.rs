//! A child of this test's binary, killed hard when it hangs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A child that lives longer hangs.
const HANG: Duration = Duration::from_secs(20);

pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// The command that runs a case.
pub(crate) fn command(case: &str, endpoint: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "in_a_child", "--nocapture", "--include-ignored"])
        .env("CAMPANILE_TEST_CASE", case)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    command
}

/// Runs a case in a child; once it says that it is ready, `meet` may do something to it, and read
/// what else it says.
pub(crate) async fn child(
    case: &str,
    endpoint: &str,
    meet: impl FnOnce(u32, &mut dyn BufRead) + Send + 'static,
) -> Ended {
    let (case, endpoint) = (case.to_owned(), endpoint.to_owned());
    tokio::task::spawn_blocking(move || run(&case, &endpoint, meet))
        .await
        .unwrap()
}

fn run(case: &str, endpoint: &str, meet: impl FnOnce(u32, &mut dyn BufRead)) -> Ended {
    let began = Instant::now();
    let mut child = command(case, endpoint)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let err = child.stderr.take().unwrap();
    let stderr = std::thread::spawn(move || std::io::read_to_string(err).unwrap_or_default());
    let watched = Watched::over(child);
    hear(&mut out, "READY");
    meet(watched.child.id(), &mut out);
    // Keep reading, so that it never blocks on a full pipe.
    let stdout = std::thread::spawn(move || std::io::read_to_string(out).unwrap_or_default());
    let (status, took) = (watched.end(), began.elapsed());
    let stderr = stderr.join().unwrap();
    Ended {
        status: status.unwrap_or_else(|| panic!("{case} hangs: {stderr}")),
        stdout: stdout.join().unwrap(),
        stderr,
        took,
    }
}

/// Reads until a line contains this, or the child ends.
pub(crate) fn hear(out: &mut dyn BufRead, word: &str) {
    let mut line = String::new();
    while out.read_line(&mut line).unwrap_or(0) > 0 && !line.contains(word) {
        line.clear();
    }
}

/// A child beside a thread that kills it when it hangs.
pub(crate) struct Watched {
    child: Child,
    over: mpsc::Sender<()>,
    watch: JoinHandle<bool>,
}

impl Watched {
    pub(crate) fn over(child: Child) -> Self {
        let (over, waiting) = mpsc::channel();
        let id = child.id().to_string();
        let watch = std::thread::spawn(move || {
            let hangs = waiting.recv_timeout(HANG) == Err(RecvTimeoutError::Timeout);
            if hangs {
                let _ = Command::new("kill").args(["-KILL", &id]).status();
            }
            hangs
        });
        Self { child, over, watch }
    }

    /// Waits for its end: how it ended, or nothing if it had to be killed.
    pub(crate) fn end(mut self) -> Option<ExitStatus> {
        let status = self.child.wait().unwrap();
        drop(self.over);
        let hung = self.watch.join().unwrap();
        (!hung).then_some(status)
    }
}
