//! One connection: HTTP/1.1 or HTTP/2, whichever the sender begins with.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Poller, Poll};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::exchange::{self, Exchanges};
use super::{Orders, given};
use crate::builder::Limits;
use crate::fault::Network;
use crate::shared::Shared;

/// What all connections of a port share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
    pub(super) speaks: Speaks,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<super::tls::Acceptor>,
}

/// Which protocols a port answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Speaks {
    Grpc,
    Http,
    Both,
}

impl Context {
    pub(super) fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }
}

/// What a connection's requests may ask of it.
#[derive(Debug)]
pub(super) struct Switch {
    /// Set to end the connection with a reset.
    reset: watch::Sender<bool>,
    /// Set once the connection has ended.
    ended: watch::Sender<bool>,
    abort: Arc<AtomicBool>,
}

impl Switch {
    pub(super) fn reset(&self) {
        self.abort.store(true, Ordering::Relaxed);
        self.reset.send_replace(true);
    }

    pub(super) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender is this one, so this cannot fail.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

pub(super) async fn serve(stream: TcpStream, context: Arc<Context>, orders: Orders) {
    // A stream that refuses the option is merely slower.
    let _ = stream.set_nodelay(true);
    let abort = Arc::new(AtomicBool::new(false));
    let switch = Arc::new(Switch {
        reset: watch::Sender::new(false),
        ended: watch::Sender::new(false),
        abort: Arc::clone(&abort),
    });
    let _open = Open::new(&context.shared);
    let wire = Wire { stream, abort };
    #[cfg(feature = "tls")]
    if let Some(tls) = &context.tls {
        let handshake = tokio::time::timeout(context.limits.header_timeout, tls.accept(wire));
        match handshake.await {
            Ok(Ok(wire)) => drive(wire, &context, &switch, orders).await,
            Ok(Err(error)) => context
                .shared
                .refuse(None, &format!("no TLS session: {error}")),
            Err(_) => context
                .shared
                .refuse(None, "no TLS session: the handshake took too long"),
        }
        switch.ended.send_replace(true);
        return;
    }
    drive(wire, &context, &switch, orders).await;
    switch.ended.send_replace(true);
}

async fn drive<W>(wire: W, context: &Arc<Context>, switch: &Arc<Switch>, mut orders: Orders)
where
    W: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let exchanges = Arc::new(Exchanges {
        context: Arc::clone(context),
        switch: Arc::clone(switch),
    });
    let service = service_fn(move |request| exchange::answer(Arc::clone(&exchanges), request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(context.limits.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(64 << 10)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(wire), service));
    let mut reset = switch.reset.subscribe();
    let mut frozen = orders.network.borrow().1 == Network::BlackHole;
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            () = given(&mut reset) => return,
            changed = orders.network.changed(), if !stopping => {
                let network = orders.network.borrow_and_update().1;
                if changed.is_err() || network == Network::Refuse {
                    switch.reset();
                    return;
                }
                frozen = network == Network::BlackHole;
            }
            () = given(&mut orders.stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            // How a connection broke is the sender's affair; what it cost a request was counted there.
            _ = connection.as_mut(), if !frozen => return,
        }
    }
}

/// Counts an open connection.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.count(|traffic| {
            traffic.connections += 1;
            traffic.open_connections += 1;
        });
        Self(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.count(|traffic| traffic.open_connections -= 1);
    }
}

/// A socket that can end with a reset instead of an orderly close.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    abort: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.abort.load(Ordering::Relaxed) {
            // A stream already broken does not mind.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
