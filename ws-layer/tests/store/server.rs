//! A Redis of its own for each test: Debian's `redis-server`, on a free port, without persistence.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use campanile_ws::resume::store::RedisStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::until::{HANG, until};

pub(crate) struct Redis {
    port: u16,
    process: Child,
}

impl Redis {
    /// `None`, said aloud, where there is no `redis-server`.
    pub(crate) async fn start() -> Option<Self> {
        let port = free_port();
        let Some(process) = spawn(port) else {
            let missing = "redis-server is missing: `cargo xtask test --install` installs it";
            let required = std::env::var_os("CAMPANILE_REQUIRE_PEERS");
            assert!(required.is_none_or(|value| value != "1"), "{missing}");
            println!("SKIPPED: {missing}");
            return None;
        };
        let server = Self { port, process };
        server.answers().await;
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn store(&self) -> RedisStore {
        // A busy machine may be slow: the default is for one that is not.
        let store = RedisStore::connect(&self.url()).unwrap();
        store.timeout(Duration::from_secs(10))
    }

    /// It ends without a word, and with it all that it knew.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// It is there again, empty.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(self.port).unwrap();
        self.answers().await;
    }

    /// It no longer runs, though its sockets are open.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// A command in words, answered with what the server says within one read.
    pub(crate) async fn ask(&self, words: &str) -> String {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await;
        let socket = socket.as_mut().unwrap();
        socket
            .write_all(format!("{words}\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = vec![0; 65536];
        let count = socket.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..count]).into_owned()
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args([signal, &id]).status();
        assert!(status.unwrap().success());
    }

    async fn answers(&self) {
        let pong = async || {
            let address = (Ipv4Addr::LOCALHOST, self.port);
            let mut socket = TcpStream::connect(address).await.ok()?;
            socket.write_all(b"PING\r\n").await.ok()?;
            let mut answer = [0; 5];
            socket.read_exact(&mut answer).await.ok()?;
            (answer == *b"+PONG").then_some(())
        };
        until(HANG, "a redis-server that answers", pong).await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn spawn(port: u16) -> Option<Child> {
    let port = port.to_string();
    Command::new("redis-server")
        .args(["--port", &port, "--bind", "127.0.0.1", "--dir", "/"])
        .args(["--save", "", "--appendonly", "no"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .ok()
}
