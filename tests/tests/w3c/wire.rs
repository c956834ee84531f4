//! HTTP/1.1 written and read by hand, so that header lines are what was sent: repeated, malformed,
//! not ASCII.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Header lines, in order, with lower-case names.
pub type Lines = Vec<(String, Vec<u8>)>;

/// How long anything may take before a test calls it hung.
const HANG: Duration = Duration::from_secs(30);

/// The values of all lines of this name.
pub fn values<'a>(lines: &'a Lines, name: &str) -> Vec<&'a [u8]> {
    let named = lines.iter().filter(|(line, _)| line == name);
    named.map(|(_, value)| value.as_slice()).collect()
}

/// Takes callbacks and keeps their header lines.
pub struct Callbacks {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Lines>>>,
}

impl Callbacks {
    pub async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&writer)));
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}/callback", self.address)
    }

    /// What came since the last call.
    pub fn take(&self) -> Vec<Lines> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Answers 200 to whatever comes, for as long as the connection lives.
async fn answer(mut stream: TcpStream, seen: Arc<Mutex<Vec<Lines>>>) {
    let mut buffer = Vec::new();
    while let Some((_, lines)) = read_head(&mut stream, &mut buffer).await {
        let length = values(&lines, "content-length");
        let length: usize = length.first().map_or(0, |text| number(text));
        while buffer.len() < length {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
        buffer.drain(..length);
        seen.lock().unwrap().push(lines);
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        if stream.write_all(ok).await.is_err() {
            return;
        }
    }
}

fn number(text: &[u8]) -> usize {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

/// Reads up to the empty line; what follows stays in `buffer`.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Lines)> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let head: Vec<u8> = buffer.drain(..end + 4).collect();
    let mut lines = head[..end].split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let lines = lines.map(|line| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap();
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        (name, line[colon + 1..].trim_ascii().to_vec())
    });
    Some((
        String::from_utf8_lossy(first).trim().to_owned(),
        lines.collect(),
    ))
}

/// Posts `body` with these header lines, written as they are, and gives the response's head.
pub async fn post(to: SocketAddr, headers: &[(&str, Vec<u8>)], body: &str) -> (String, Lines) {
    let exchange = async {
        let mut stream = TcpStream::connect(to).await.unwrap();
        let mut request = b"POST / HTTP/1.1\r\nhost: service\r\nconnection: close\r\n".to_vec();
        let length = format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        request.extend_from_slice(length.as_bytes());
        for (name, value) in headers {
            request.extend_from_slice(name.as_bytes());
            request.extend_from_slice(b":");
            request.extend_from_slice(value);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body.as_bytes());
        stream.write_all(&request).await.unwrap();
        read_head(&mut stream, &mut Vec::new()).await.unwrap()
    };
    tokio::time::timeout(HANG, exchange).await.unwrap()
}
