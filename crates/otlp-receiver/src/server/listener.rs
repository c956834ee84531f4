//! One port: accepts connections, unless the test says that the network is broken.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::{self, Context};
use super::{Orders, given};
use crate::fault::Network;

/// How far a listener has followed the orders: the number of the last one, and what went wrong with it.
pub(crate) type Applied = (u64, Option<String>);

#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    socket: Socket,
    context: Arc<Context>,
    orders: Orders,
    applied: watch::Sender<Applied>,
    /// Connections accepted while the network swallows everything.
    frozen: Vec<TcpStream>,
}

#[derive(Debug)]
enum Socket {
    Listening(TcpListener),
    /// Bound, so that nobody else takes the port, without listening: connections are refused.
    Reserved(TcpSocket),
    /// Lost: another process took the port meanwhile.
    Lost,
}

impl Listener {
    pub(super) async fn bind(
        address: SocketAddr,
        context: Context,
        orders: Orders,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen at {address}: {error}"))
        })?;
        Ok(Self {
            address: socket.local_addr()?,
            socket: Socket::Listening(socket),
            context: Arc::new(context),
            orders,
            applied: watch::Sender::new((0, None)),
            frozen: Vec::new(),
        })
    }

    pub(super) fn endpoint(&self) -> String {
        let scheme = if self.context.is_tls() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    pub(super) fn applied(&self) -> watch::Receiver<Applied> {
        self.applied.subscribe()
    }

    /// Accepts until the stop, then waits for the connections to end.
    pub(super) async fn serve(mut self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = given(&mut self.orders.stop) => break,
                changed = self.orders.network.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.obey(&mut connections);
                }
                stream = self.socket.accept() => self.admit(stream, &mut connections).await,
                Some(_) = connections.join_next() => {}
            }
        }
        self.socket = Socket::Lost;
        while connections.join_next().await.is_some() {}
    }

    async fn admit(&mut self, stream: io::Result<TcpStream>, connections: &mut JoinSet<()>) {
        match stream {
            Ok(stream) if self.orders.network.borrow().1 == Network::BlackHole => {
                self.frozen.push(stream);
            }
            Ok(stream) => self.open(stream, connections),
            // Out of file descriptors, usually: the ones in use come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }

    fn open(&self, stream: TcpStream, connections: &mut JoinSet<()>) {
        let context = Arc::clone(&self.context);
        connections.spawn(connection::serve(stream, context, self.orders.clone()));
    }

    /// Follows a change of the network. Open connections follow it by themselves.
    fn obey(&mut self, connections: &mut JoinSet<()>) {
        let (order, network) = *self.orders.network.borrow_and_update();
        let done = match network {
            Network::Refuse => {
                for stream in self.frozen.drain(..) {
                    // Without it the sender would see an orderly end. A stream already broken does not mind.
                    let _ = stream.set_zero_linger();
                }
                self.reserve()
            }
            Network::Up => {
                for stream in std::mem::take(&mut self.frozen) {
                    self.open(stream, connections);
                }
                self.listen()
            }
            Network::BlackHole => self.listen(),
        };
        let problem = done.err().map(|error| error.to_string());
        self.applied.send_replace((order, problem));
    }

    fn reserve(&mut self) -> io::Result<()> {
        if matches!(self.socket, Socket::Listening(_)) {
            self.socket = Socket::Lost;
            self.socket = Socket::Reserved(bound(self.address)?);
        }
        Ok(())
    }

    fn listen(&mut self) -> io::Result<()> {
        if let Socket::Listening(_) = self.socket {
            return Ok(());
        }
        let reserved = match std::mem::replace(&mut self.socket, Socket::Lost) {
            Socket::Reserved(socket) => socket,
            _ => bound(self.address)?,
        };
        self.socket = Socket::Listening(reserved.listen(1024)?);
        Ok(())
    }
}

impl Socket {
    async fn accept(&self) -> io::Result<TcpStream> {
        match self {
            Self::Listening(listener) => Ok(listener.accept().await?.0),
            Self::Reserved(_) | Self::Lost => std::future::pending().await,
        }
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
