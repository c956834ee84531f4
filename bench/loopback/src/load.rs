//! The load: a second of requests on kept-alive connections, one after the other on each.
//!
//! It writes prepared bytes, counts those that come back, and never sleeps: a client that waits has
//! to be woken by the server's own system calls, the more often the slower the server is, and that
//! (a third of what a request costs) would be charged to whoever is measured. Clients elsewhere are
//! woken by their own kernel.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::work;

const CONNECTIONS: usize = 32;
/// Before anything counts.
const WARM: Duration = Duration::from_millis(100);
const TURN: Duration = Duration::from_secs(1);

/// Sends to `port`, and prints how many requests were answered in how many nanoseconds, how much
/// processor time the process `server` used meanwhile, and how many were answered in all.
pub fn run(port: &str, flags: &str, server: &str) -> io::Result<()> {
    let port: u16 = port.parse().map_err(io::Error::other)?;
    let requests = prepared(flags == "01");
    let mut connections = Vec::new();
    for number in 0..CONNECTIONS {
        // they differ in what they ask for
        connections.push(Connection::open(
            port,
            number * requests.len() / CONNECTIONS,
        )?);
    }
    let warm = send(&mut connections, &requests, WARM)?;
    let (before, begin) = (cpu(server)?, Instant::now());
    let count = send(&mut connections, &requests, TURN)?;
    let (elapsed, used) = (begin.elapsed(), cpu(server)? - before);
    println!("{count} {} {used} {}", elapsed.as_nanos(), warm + count);
    Ok(())
}

/// The requests as they are sent.
fn prepared(is_sampled: bool) -> Vec<Vec<u8>> {
    let text = |request: http::Request<()>| {
        let mut text = format!("GET {} HTTP/1.1\r\n", request.uri());
        for (name, value) in request.headers() {
            let value = value.to_str().unwrap_or_default();
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        text.into_bytes()
    };
    work::requests(is_sampled).into_iter().map(text).collect()
}

/// Keeps all connections busy for so long, and says how many answers came.
fn send(all: &mut [Connection], requests: &[Vec<u8>], time: Duration) -> io::Result<u64> {
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < time {
        for connection in &mut *all {
            count += u64::from(connection.turn(requests)?);
        }
    }
    Ok(count)
}

/// A connection with one request under way, or none yet.
struct Connection {
    stream: TcpStream,
    next: usize,
    is_waiting: bool,
    filled: usize,
    /// The length of all answers, once the first is there.
    expected: Option<usize>,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(port: u16, next: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            next,
            is_waiting: false,
            filled: 0,
            expected: None,
            buffer: vec![0; 16 << 10],
        })
    }

    /// Reads what is there, and asks again once an answer is complete; says whether one was.
    fn turn(&mut self, requests: &[Vec<u8>]) -> io::Result<bool> {
        if self.is_waiting {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            if self.expected.is_none() {
                self.expected = length(&self.buffer[..self.filled]);
            }
            if self.expected.is_none_or(|length| self.filled < length) {
                return Ok(false);
            }
            // a server that fails is no fast one
            if self.expected != Some(self.filled) || !self.buffer.starts_with(b"HTTP/1.1 200 ") {
                return Err(io::Error::other("an answer of another kind"));
            }
        }
        let is_answered = self.is_waiting;
        self.stream.write_all(&requests[self.next])?;
        self.next = (self.next + 1) % requests.len();
        (self.is_waiting, self.filled) = (true, 0);
        Ok(is_answered)
    }
}

/// The length of an answer, once its head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let body = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    })?;
    Some(head + body)
}

/// The processor time of all threads of a process, in nanoseconds. None of the servers' threads
/// ends while it is measured.
fn cpu(process: &str) -> io::Result<u64> {
    let folder: PathBuf = ["/proc", process, "task"].iter().collect();
    let mut sum = 0;
    for task in std::fs::read_dir(folder)? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text.split(' ').next().unwrap_or_default();
        sum += first.parse::<u64>().map_err(io::Error::other)?;
    }
    Ok(sum)
}
