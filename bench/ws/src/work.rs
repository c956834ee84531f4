//! The work: batches of messages, sent and flushed over a real tungstenite socket.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use campanile_telemetry::Telemetry;
use campanile_ws::{Session, Sessions, observe};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::floor::floor;
use crate::pipeline::pipeline;

/// Takes every byte, and answers each ping as a peer's stack does; says nothing else.
#[derive(Default)]
struct Peer {
    answer: Vec<u8>,
}

/// How many messages are sent between two looks for a pong.
const READ_EVERY: u64 = 64;

/// How long that takes where the clock is paused: what a busy connection needs for it.
const PACE: Duration = Duration::from_millis(1);

/// How a socket is read between messages.
#[derive(Clone, Copy, Debug)]
struct Reads {
    /// Time stands still otherwise.
    paced: bool,
}

impl Reads {
    async fn pace(self) {
        if self.paced {
            tokio::time::advance(PACE).await;
        }
    }
}

/// A ping of ours on the wire: final, opcode 9, 9 bytes, unmasked as a server sends it.
const PING: [u8; 2] = [0x89, 9];

impl Peer {
    /// A client's pong is masked; a mask of zeros leaves the payload as it is.
    fn hear(&mut self, bytes: &[u8]) {
        // A ping is written last, behind the data that it covers.
        if let Some(at) = bytes.len().checked_sub(11)
            && bytes[at..at + 2] == PING
        {
            self.answer.extend([0x8a, 0x80 | 9, 0, 0, 0, 0]);
            self.answer.extend(&bytes[at + 2..]);
        }
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.answer.is_empty() {
            return Poll::Pending;
        }
        into.put_slice(&self.answer);
        self.answer.clear();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.hear(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Where the bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wire {
    /// Nowhere: what is left is the framing.
    Memory,
    /// To a thread that reads, over loopback.
    Tcp,
}

/// What is around the socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Contender {
    /// Nothing.
    Bare,
    /// Nothing; read after every 64 messages, as the one with barrier pings is.
    BareRead,
    /// The layer, over atomics: what it costs by itself.
    Floor,
    /// The same with barrier pings, whose pongs are read: ages at receipt, too.
    Receipt,
    /// The layer, over our own series: what a user gets.
    Observed,
    /// The layer, over the SDK's.
    Stock,
}

impl Contender {
    /// Those that are measured.
    pub const LAYERED: [Self; 4] = [Self::Floor, Self::Receipt, Self::Observed, Self::Stock];

    /// What it is compared with.
    pub fn bare(self) -> Self {
        match self {
            Self::Receipt => Self::BareRead,
            _ => Self::Bare,
        }
    }

    /// Whether the socket is read between messages.
    pub fn reads(self) -> bool {
        self == Self::BareRead || self.bare() == Self::BareRead
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::BareRead => "bare_read",
            Self::Floor => "floor",
            Self::Receipt => "receipt",
            Self::Observed => "observed",
            Self::Stock => "stock",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        let bare = [Self::Bare, Self::BareRead];
        let mut all = Self::LAYERED.into_iter().chain(bare);
        all.find(|one| one.name() == name)
    }
}

type Stream<S> = WebSocketStream<S>;

enum Sender {
    Bare(Stream<Peer>),
    BareTcp(Stream<tokio::net::TcpStream>),
    Memory(Session<Stream<Peer>>),
    Tcp(Session<Stream<tokio::net::TcpStream>>),
}

/// A socket that is sent to.
pub struct Socket {
    sender: Sender,
    message: Message,
    reads: Option<Reads>,
    _telemetry: Option<Telemetry>,
}

impl Socket {
    /// Opens a socket. Call it inside the runtime.
    pub async fn open(wire: Wire, contender: Contender) -> io::Result<Self> {
        let mut telemetry = None;
        let sender = match wire {
            Wire::Memory => {
                let bare = raw(Peer::default()).await;
                match contender {
                    Contender::Bare | Contender::BareRead => Sender::Bare(bare),
                    _ => Sender::Memory(session(bare, contender, &mut telemetry)),
                }
            }
            Wire::Tcp => {
                let stream = loopback()?;
                stream.set_nonblocking(true)?;
                let bare = raw(tokio::net::TcpStream::from_std(stream)?).await;
                match contender {
                    Contender::Bare | Contender::BareRead => Sender::BareTcp(bare),
                    _ => Sender::Tcp(session(bare, contender, &mut telemetry)),
                }
            }
        };
        Ok(Self {
            sender,
            message: Message::binary(Bytes::from_static(&[7; 64])),
            reads: contender.reads().then_some(Reads { paced: false }),
            _telemetry: telemetry,
        })
    }

    /// Lets time pass by the count of messages, where the runtime's clock is paused.
    pub fn set_paced(&mut self, yes: bool) {
        if let Some(reads) = &mut self.reads {
            reads.paced = yes;
        }
    }

    /// Sends `count` messages, flushing after every `batch`.
    pub async fn send(&mut self, count: u64, batch: u64) -> io::Result<()> {
        let (message, reads) = (&self.message, self.reads);
        match &mut self.sender {
            Sender::Bare(socket) => batches(socket, message, count, batch, reads).await,
            Sender::BareTcp(socket) => batches(socket, message, count, batch, reads).await,
            Sender::Memory(session) if batch == 1 => {
                one_by_one(session, message, count, reads).await
            }
            Sender::Memory(session) => batches(session, message, count, batch, reads).await,
            Sender::Tcp(session) if batch == 1 => one_by_one(session, message, count, reads).await,
            Sender::Tcp(session) => batches(session, message, count, batch, reads).await,
        }
    }
}

async fn raw<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Stream<S> {
    WebSocketStream::from_raw_socket(stream, Role::Server, None).await
}

fn session<S>(
    bare: Stream<S>,
    contender: Contender,
    telemetry: &mut Option<Telemetry>,
) -> Session<Stream<S>> {
    let sessions = match contender {
        Contender::Observed => Sessions::new(telemetry.insert(pipeline("lean"))),
        Contender::Stock => Sessions::new(telemetry.insert(pipeline("stock"))),
        _ => Sessions::new(&floor()),
    };
    let observed = observe(bare, &sessions).endpoint("bench");
    match contender {
        Contender::Receipt => observed.with_pings().start(),
        _ => observed.start(),
    }
}

/// As an application sends one message. Every 64 messages the pong of a barrier is looked for.
async fn one_by_one<S>(
    session: &mut Session<Stream<S>>,
    message: &Message,
    count: u64,
    reads: Option<Reads>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for i in 0..count {
        let sent = session.send(message.clone()).await;
        sent.map_err(io::Error::other)?;
        if let Some(reads) = reads
            && i % READ_EVERY == 0
        {
            // The pong, if one is there; the session keeps it.
            let _ = session.next().now_or_never();
            reads.pace().await;
        }
    }
    Ok(())
}

async fn batches<S>(
    socket: &mut S,
    message: &Message,
    count: u64,
    batch: u64,
    reads: Option<Reads>,
) -> io::Result<()>
where
    S: SinkExt<Message> + StreamExt + Unpin,
    S::Error: std::error::Error + Send + Sync + 'static,
{
    for i in 0..count / batch {
        for _ in 0..batch {
            let fed = socket.feed(message.clone()).await;
            fed.map_err(io::Error::other)?;
        }
        socket.flush().await.map_err(io::Error::other)?;
        if let Some(reads) = reads
            && i % (READ_EVERY / batch) == 0
        {
            let _ = socket.next().now_or_never();
            reads.pace().await;
        }
    }
    Ok(())
}

/// A connection whose other end is read by a thread of its own.
fn loopback() -> io::Result<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let (mut theirs, _) = listener.accept()?;
    ours.set_nodelay(true)?;
    std::thread::spawn(move || io::copy(&mut theirs, &mut io::sink()));
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_peer_answers_a_ping_behind_data() {
        let mut socket = raw(Peer::default()).await;
        let ping = Message::Ping(Bytes::from_static(b"W12345678"));
        socket.feed(Message::text("data")).await.unwrap();
        socket.send(ping).await.unwrap();
        let pong = socket.next().now_or_never().flatten().unwrap().unwrap();
        assert_eq!(pong, Message::Pong(Bytes::from_static(b"W12345678")));
    }
}
