//! The work: batches of messages, sent and flushed over a real tungstenite socket.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use campanile_ws::observe;
use futures_util::{Sink, SinkExt};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::pipeline::pipeline;

/// Takes every byte and says nothing.
struct Void;

impl AsyncRead for Void {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Void {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
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

/// A socket that is sent to.
pub struct Socket {
    sink: Box<dyn Sink<Message, Error = Error> + Unpin>,
    message: Message,
    _meters: Option<SdkMeterProvider>,
}

impl Socket {
    /// Opens a socket, bare or observed. Call it inside the runtime.
    pub async fn open(wire: Wire, observed: bool) -> io::Result<Self> {
        match wire {
            Wire::Memory => Ok(Self::over(Void, observed).await),
            Wire::Tcp => {
                let stream = loopback()?;
                stream.set_nonblocking(true)?;
                Ok(Self::over(tokio::net::TcpStream::from_std(stream)?, observed).await)
            }
        }
    }

    async fn over<S>(stream: S, observed: bool) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let bare = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        let message = Message::binary(Bytes::from_static(&[7; 64]));
        if !observed {
            return Self {
                sink: Box::new(bare),
                message,
                _meters: None,
            };
        }
        let (handle, meters) = pipeline();
        let sessions = campanile_ws::Sessions::new(&handle);
        Self {
            sink: Box::new(observe(bare, &sessions).endpoint("bench").start()),
            message,
            _meters: Some(meters),
        }
    }

    /// Sends `count` messages, flushing after every `batch`.
    pub async fn send(&mut self, count: u64, batch: u64) -> io::Result<()> {
        for _ in 0..count / batch {
            for _ in 0..batch {
                self.sink
                    .feed(self.message.clone())
                    .await
                    .map_err(io::Error::other)?;
            }
            self.sink.flush().await.map_err(io::Error::other)?;
        }
        Ok(())
    }
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
