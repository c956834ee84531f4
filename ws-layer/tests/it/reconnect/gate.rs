//! A way between client and server that can be cut, and led to another server.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Gate {
    address: SocketAddr,
    cuts: watch::Sender<usize>,
    server: watch::Sender<SocketAddr>,
}

impl Gate {
    /// Passes every byte to `server` and back.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, cut) = watch::channel(0);
        let (server, leads_to) = watch::channel(server);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                let server = *leads_to.borrow();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let pass = tokio::io::copy_bidirectional(&mut client, &mut server);
                    tokio::select! {
                        _ = pass => {}
                        _ = cut.changed() => {
                            // A reset, not a polite end.
                            let _ = client.set_zero_linger();
                            let _ = server.set_zero_linger();
                        }
                    }
                });
            }
        });
        Self {
            address,
            cuts,
            server,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("ws://{}/{path}", self.address)
    }

    /// Cuts every connection there is.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Passes the bytes of later connections to another server.
    pub fn lead_to(&self, server: SocketAddr) {
        self.server.send_replace(server);
    }
}
