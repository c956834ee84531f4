//! The real `vc-server` binary, on ports of its own, with its output kept.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

pub use crate::until::HANG;

/// A `vc-server` child process; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Server {
    /// Starts `program` with ports of the system's choosing and the given further arguments.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    pub fn start(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command
            .args(["--listen", "127.0.0.1:0", "--page-listen", "127.0.0.1:0"])
            .args(arguments);
        for (name, _) in
            std::env::vars().filter(|(name, _)| name.starts_with("OTEL_") || name == "RUST_LOG")
        {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("vc-server starts");
        let stdout = Lines::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Lines::of(child.stderr.take().expect("stderr is piped"));
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Waits for the line that prints the URL of `what`, such as `chat`.
    pub async fn url(&self, what: &str) -> String {
        let line = self
            .stdout
            .find(|line| line.starts_with(what) && line.contains("http"))
            .await;
        line[line.find("http").unwrap_or(0)..]
            .trim()
            .trim_end_matches('/')
            .to_owned()
    }

    /// Waits for the first stderr line that satisfies `wanted`.
    pub async fn log(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.stderr.find(wanted).await
    }

    /// Ends it from one moment to the next.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Asks it to stop, as an orchestrator would, and waits for its end.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub async fn stop(mut self) -> (std::process::ExitStatus, String) {
        if let Some(id) = self.child.id() {
            let kill = Command::new("kill")
                .args(["-TERM", &id.to_string()])
                .status()
                .await;
            assert!(kill.is_ok_and(|status| status.success()), "kill -TERM {id}");
        }
        let ended = tokio::time::timeout(HANG, self.child.wait()).await;
        let status = ended
            .expect("vc-server ends after SIGTERM")
            .expect("it can be waited for");
        (status, self.stderr.all().join("\n"))
    }
}

/// Lines as they arrive.
#[derive(Debug)]
pub(crate) struct Lines {
    held: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Lines {
    pub(crate) fn of(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let held = Arc::new(Mutex::new(Vec::new()));
        let (announce, count) = watch::channel(0);
        let writer = Arc::clone(&held);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                writer
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
                announce.send_modify(|count| *count += 1);
            }
        });
        Self { held, count }
    }

    fn all(&self) -> Vec<String> {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) async fn find(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut count = self.count.clone();
        let search = async {
            loop {
                if let Some(line) = self.all().into_iter().find(|line| wanted(line)) {
                    return Some(line);
                }
                count.changed().await.ok()?;
            }
        };
        match tokio::time::timeout(HANG, search).await {
            Ok(Some(line)) => line,
            _ => panic!(
                "the line did not come; there were:\n{}",
                self.all().join("\n")
            ),
        }
    }
}

/// The `vc-server` that `cargo test --workspace` built beside this test.
///
/// # Panics
///
/// When there is none: then only this package was built.
pub fn vc_server() -> String {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test
        .ancestors()
        .nth(2)
        .expect("tests stand in target/PROFILE/deps");
    let program = folder.join("vc-server");
    assert!(
        program.exists(),
        "no {program:?}: run `cargo test --workspace`, or `cargo build -p vc-server` first"
    );
    program.to_string_lossy().into_owned()
}
