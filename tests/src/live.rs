//! Nodes of a live service that share a Redis, and a client that goes from one to the other.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use campanile_otlp_receiver::Receiver;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::peers;
use crate::server::Lines;
use crate::until::{HANG, until};

/// A Redis of its own, on a free port; killed when dropped.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    port: u16,
    child: Child,
}

impl Redis {
    /// Starts one, if there is a program to start.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start() -> Option<Self> {
        let program = peers::redis()?;
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = free.local_addr().expect("it has an address").port();
        drop(free);
        let child = Self::spawn(&program, port);
        let redis = Self {
            program,
            port,
            child,
        };
        redis.ready().await;
        Some(redis)
    }

    fn spawn(program: &PathBuf, port: u16) -> Child {
        let port = port.to_string();
        Command::new(program)
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server starts")
    }

    async fn ready(&self) {
        let listens = async || TcpStream::connect(("127.0.0.1", self.port)).await.ok();
        until(HANG, "a redis-server that listens", listens).await;
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What it answers to a command, as its protocol has it.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn ask(&self, words: &str) -> String {
        let asking = async {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await?;
            socket.write_all(format!("{words}\r\n").as_bytes()).await?;
            let mut answer = vec![0; 65536];
            let count = socket.read(&mut answer).await?;
            answer.truncate(count);
            std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = tokio::time::timeout(HANG, asking).await;
        let answer = answer.expect("redis-server answers");
        answer.expect("redis-server is there")
    }

    /// Asks again and again, until the answer is what is waited for.
    ///
    /// # Panics
    ///
    /// When it never is.
    pub async fn until(&self, words: &str, is_it: impl Fn(&str) -> bool) {
        let look = async || is_it(&self.ask(words).await).then_some(());
        until(HANG, words, look).await;
    }

    /// Waits until it knows of a session.
    ///
    /// # Panics
    ///
    /// When it never does.
    pub async fn until_stored(&self, sid: &str) {
        let is_there = |answer: &str| !answer.starts_with("$-1");
        let record = format!("HGET campanile:1:s:{sid} node");
        self.until(&record, is_there).await;
    }

    /// Stops it from doing anything, its connections still open.
    pub async fn pause(&self) {
        signal(&self.child, "-STOP").await;
    }

    /// Lets it go on.
    pub async fn go_on(&self) {
        signal(&self.child, "-CONT").await;
    }

    /// Kills it, and starts it anew with nothing in it.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.child.kill().await.expect("it can be killed");
        self.child = Self::spawn(&self.program, self.port);
        self.ready().await;
    }
}

/// Sends a signal to a child process.
///
/// # Panics
///
/// When it cannot be sent.
async fn signal(child: &Child, signal: &str) {
    let id = child.id().expect("it still runs").to_string();
    let kill = Command::new("kill").args([signal, &id]).status().await;
    assert!(kill.is_ok_and(|status| status.success()), "kill {signal}");
}

/// A `live-node` process; killed when dropped.
#[derive(Debug)]
pub struct Node {
    child: Child,
    lines: Lines,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Node {
    /// Starts `program`, which is `env!("CARGO_BIN_EXE_live-node")`, with as many files as it may
    /// have.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start(
        program: &str,
        redis: &Redis,
        receiver: &Receiver,
        more: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\"", program])
            .args(["--redis", &redis.url()])
            .args(more)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.grpc_endpoint())
            .env("OTEL_BSP_SCHEDULE_DELAY", "100")
            .env("OTEL_METRIC_EXPORT_INTERVAL", "500")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("live-node starts");
        let lines = Lines::of(child.stdout.take().expect("stdout is piped"));
        let line = lines.find(|line| line.starts_with("listening")).await;
        let address = line.trim_start_matches("listening ").parse();
        Self {
            child,
            lines,
            address: address.expect("it says its address"),
        }
    }

    /// Stops it from doing anything, its connections still open.
    pub async fn pause(&self) {
        signal(&self.child, "-STOP").await;
    }

    /// Lets it go on.
    pub async fn go_on(&self) {
        signal(&self.child, "-CONT").await;
    }

    /// Ends it from one moment to the next.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Asks it to end, and does not wait.
    pub async fn ask_to_stop(&self) {
        signal(&self.child, "-TERM").await;
    }

    /// Waits for its end: sessions closed, not closed in time, lost; and whether all telemetry was
    /// delivered.
    pub async fn drained(&mut self) -> (usize, usize, usize, bool) {
        let line = self.lines.find(|line| line.starts_with("drained")).await;
        let mut words = line.split(' ').skip(1);
        let mut count = || {
            words
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or(usize::MAX)
        };
        let counts = (count(), count(), count());
        (counts.0, counts.1, counts.2, line.ends_with("true"))
    }

    /// Asks the node over HTTP; the status and the answer.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub async fn post(&self, path: &str, body: String) -> Result<(u16, String), reqwest::Error> {
        let url = format!("http://{}{path}", self.address);
        let answer = reqwest::Client::new().post(url).body(body).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

/// A client of the wire contract: its socket, and what it would show to its application.
#[derive(Debug)]
pub struct Client {
    socket: Option<WebSocketStream<TcpStream>>,
    user: String,
    /// From which address it dials: one has 28,000 ports.
    from: [u8; 4],
    /// The last welcome.
    pub welcome: Value,
    /// The number of the last message.
    pub seq: u32,
    /// Messages for the application, in order.
    pub messages: Vec<String>,
    /// Messages that it was told are lost, or skipped.
    pub lost: u64,
}

/// What became of a dial.
#[derive(Debug)]
pub enum Dialled {
    /// It has its welcome.
    In,
    /// It is to come back after so long.
    Later(Duration),
}

/// Why there is nothing more to read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Silence {
    /// The server closed: code and reason.
    Closed(u16, String),
    /// The connection is lost.
    Lost,
}

impl Silence {
    /// When the server wants the client back, if it says so.
    pub fn come_back(&self) -> Option<Duration> {
        let Self::Closed(1012 | 1013, reason) = self else {
            return None;
        };
        let after = reason
            .split(';')
            .find_map(|part| part.strip_prefix("ra="))?;
        after.parse().ok().map(Duration::from_millis)
    }
}

impl Client {
    /// A client that has not dialled yet.
    pub fn new(user: impl Into<String>, from: [u8; 4]) -> Self {
        Self {
            socket: None,
            user: user.into(),
            from,
            welcome: Value::Null,
            seq: 0,
            messages: Vec::new(),
            lost: 0,
        }
    }

    /// What the last welcome says about the session.
    pub fn state(&self) -> &str {
        self.welcome["state"].as_str().unwrap_or_default()
    }

    /// The session's public id.
    pub fn sid(&self) -> &str {
        self.welcome["sid"].as_str().unwrap_or_default()
    }

    /// Dials a node, with the token it has.
    ///
    /// # Errors
    ///
    /// There is no node, or it does not speak the contract.
    pub async fn dial(&mut self, node: SocketAddr) -> Result<Dialled, Error> {
        let user = &self.user;
        let url = format!("ws://{node}/live?user={user}&author={user}");
        let mut request = url.into_client_request()?;
        let ask = match self.welcome["rt"].as_str() {
            Some(token) => format!("{token};seq={}", self.seq),
            None => "new".to_owned(),
        };
        let ask = ask.parse().map_err(|_| Error::Utf8("token".into()))?;
        request.headers_mut().insert("ws-resume", ask);
        let tcp = TcpSocket::new_v4()?;
        tcp.bind((self.from, 0).into())?;
        let tcp = tcp.connect(node).await?;
        let config = WebSocketConfig::default()
            .read_buffer_size(1024)
            .write_buffer_size(0);
        let opened = tokio_tungstenite::client_async_with_config(request, tcp, Some(config)).await;
        let (mut socket, response) = match opened {
            Ok(opened) => opened,
            Err(Error::Http(response)) if response.status() == 503 => {
                let after = response.headers().get("retry-after");
                let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
                return Ok(Dialled::Later(Duration::from_secs(after.unwrap_or(1))));
            }
            Err(error) => return Err(error),
        };
        if response.headers().get("ws-session").is_none() {
            return Err(Error::AttackAttempt);
        }
        let Some(first) = socket.next().await else {
            return Err(Error::ConnectionClosed);
        };
        self.socket = Some(socket);
        self.greeted(first?.to_text()?);
        self.acknowledge().await;
        Ok(Dialled::In)
    }

    fn greeted(&mut self, text: &str) {
        let welcome: Value = serde_json::from_str(text).unwrap_or_default();
        let number = |name: &str| welcome[name].as_u64().unwrap_or_default();
        self.seq = u32::try_from(number("from")).unwrap_or_default();
        self.lost += number("lost");
        self.welcome = welcome;
    }

    /// Says what it has.
    pub async fn acknowledge(&mut self) {
        let text = format!("\u{1e}{{\"op\":\"hb\",\"seq\":{}}}", self.seq);
        if let Some(socket) = &mut self.socket {
            // A socket that is gone is found at the next read.
            let _ = socket.send(Message::text(text)).await;
        }
    }

    /// Says something to the server's application.
    pub async fn say(&mut self, text: &str) {
        if let Some(socket) = &mut self.socket {
            // A socket that is gone is found at the next read.
            let _ = socket.send(Message::text(text)).await;
        }
    }

    /// Reads on; returns at each message.
    ///
    /// # Errors
    ///
    /// There is nothing more to read.
    pub async fn read(&mut self) -> Result<&str, Silence> {
        loop {
            let Some(socket) = &mut self.socket else {
                return Err(Silence::Lost);
            };
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    if self.heard(text.as_str()) {
                        return Ok(self.messages.last().map_or("", String::as_str));
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    // What the server makes of the answer is its own affair: the wait that it asks
                    // for has begun.
                    let _ = socket.flush().await;
                    self.socket = None;
                    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                        (frame.code.into(), frame.reason.to_string())
                    });
                    return Err(Silence::Closed(code, reason));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => {
                    self.socket = None;
                    return Err(Silence::Lost);
                }
            }
        }
    }

    /// Whether it was a message of the application.
    fn heard(&mut self, text: &str) -> bool {
        let Some(control) = text.strip_prefix('\u{1e}') else {
            self.seq = self.seq.wrapping_add(1);
            self.messages.push(text.to_owned());
            return true;
        };
        let control: Value = serde_json::from_str(control).unwrap_or_default();
        if control["op"] == "skip" {
            let count = control["n"].as_u64().unwrap_or_default();
            self.seq = self
                .seq
                .wrapping_add(u32::try_from(count).unwrap_or_default());
            self.lost += count;
        }
        false
    }

    /// Lets go of the connection without a word.
    pub fn lose(&mut self) {
        self.socket = None;
    }

    /// Ends the session.
    pub async fn close(&mut self) {
        if let Some(mut socket) = self.socket.take() {
            let _ = socket.close(None).await;
            while let Some(Ok(_)) = socket.next().await {}
        }
    }
}
