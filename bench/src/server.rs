//! The servers under load, each a process of its own on core 0.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use campanile_otlp_receiver::Receiver;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::Result;
use crate::until::{HANG, until};

#[derive(Clone, Copy)]
pub enum Kind {
    Receiver,
    Rotel,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receiver => "receiver, 64 MiB",
            Self::Rotel => "rotel, blackhole",
        })
    }
}

/// Runs the receiver until stdin ends. Prints where it listens, and at the end what it holds.
pub async fn serve() -> Result<()> {
    let receiver = Receiver::start().await?;
    println!("{} {}", receiver.grpc_endpoint(), receiver.http_endpoint());
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    eprintln!("{:?}", receiver.held());
    Ok(())
}

pub struct Running {
    child: Child,
    grpc: String,
    http: String,
}

impl Running {
    pub async fn start(kind: Kind) -> Result<Self> {
        match kind {
            Kind::Receiver => Self::receiver().await,
            Kind::Rotel => Self::rotel().await,
        }
    }

    async fn receiver() -> Result<Self> {
        let mut child = on_core_0(&std::env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let line = BufReader::new(stdout)
            .lines()
            .next_line()
            .await?
            .ok_or("no endpoints")?;
        let (grpc, http) = line.split_once(' ').ok_or("no endpoints")?;
        Ok(Self {
            child,
            grpc: grpc.to_owned(),
            http: http.to_owned(),
        })
    }

    async fn rotel() -> Result<Self> {
        let [grpc, http] = [free_port()?, free_port()?].map(|port| format!("127.0.0.1:{port}"));
        let child = on_core_0(&rotel_agent()?)
            .args([
                "start",
                "--exporter",
                "blackhole",
                "--otlp-grpc-endpoint",
                &grpc,
            ])
            .args(["--otlp-http-endpoint", &http])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        for address in [&grpc, &http] {
            // It does not say when it listens.
            let listens = async || TcpStream::connect(address).await.ok();
            until(HANG, "a rotel that listens", listens).await;
        }
        Ok(Self {
            child,
            grpc: format!("http://{grpc}"),
            http: format!("http://{http}"),
        })
    }

    pub fn endpoint(&self, protocol: &str) -> String {
        if protocol == "grpc" {
            self.grpc.clone()
        } else {
            self.http.clone()
        }
    }

    pub fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    pub fn peak_memory(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Reads a line of /proc/PID/status, in MiB.
    fn status(&self, key: &str) -> Result<u64> {
        let status = fs::read_to_string(self.proc("status")?)?;
        let line = status
            .lines()
            .find(|line| line.starts_with(key))
            .ok_or("no such line")?;
        let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
        Ok(kib / 1024)
    }

    /// Reads user and system time, which Linux counts in hundredths.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(self.proc("stat")?)?;
        let (_, after_name) = stat.rsplit_once(')').ok_or("no name")?;
        let mut ticks = after_name.split_whitespace().skip(11).take(2);
        let user: f64 = ticks.next().ok_or("no time")?.parse()?;
        let system: f64 = ticks.next().ok_or("no time")?.parse()?;
        Ok((user + system) / 100.0)
    }

    fn proc(&self, file: &str) -> Result<PathBuf> {
        let id = self.child.id().ok_or("the server has ended")?;
        Ok(Path::new("/proc").join(id.to_string()).join(file))
    }

    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}

fn on_core_0(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program).kill_on_drop(true);
    command
}

fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}

fn rotel_agent() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ROTEL_AGENT") {
        return Ok(path.into());
    }
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.provision/venv/lib");
    for python in fs::read_dir(venv)
        .map_err(|_| "rotel is missing: pip install rotel==0.0.1a15 into .provision/venv")?
    {
        let agent = python?.path().join("site-packages/rotel/rotel-agent");
        if agent.exists() {
            return Ok(agent);
        }
    }
    Err("rotel is missing: pip install rotel==0.0.1a15 into .provision/venv".into())
}
