//! A way between client and server that can be cut.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Gate {
    address: SocketAddr,
    cuts: watch::Sender<usize>,
}

impl Gate {
    /// Passes every byte to `server` and back.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
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
        Self { address, cuts }
    }

    pub fn url(&self, path: &str) -> String {
        format!("ws://{}/{path}", self.address)
    }

    /// Cuts every connection there is.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}
