//! The server's thread: binds, accepts, and ends when told to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::builder::Builder;
use crate::shared::Shared;

/// Where it listens, as endpoints.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) grpc: String,
    pub(crate) http: String,
}

/// Runs the server on this thread until `stop` says so.
pub(crate) fn run(
    builder: Builder,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
    bound: oneshot::Sender<io::Result<Bound>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = bound.send(Err(error));
            return;
        }
    };
    runtime.block_on(async move {
        let listeners = match bind(&builder).await {
            Ok(listeners) => listeners,
            Err(error) => {
                let _ = bound.send(Err(error));
                return;
            }
        };
        let _ = bound.send(endpoints(&listeners));
        let _ = stop.wait_for(|stop| *stop).await;
        drop(shared);
    });
}

async fn bind(builder: &Builder) -> io::Result<Vec<TcpListener>> {
    let mut listeners = vec![listen(builder.grpc).await?];
    if let Some(http) = builder.http {
        listeners.push(listen(http).await?);
    }
    Ok(listeners)
}

async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen at {address}: {error}"))
    })
}

fn endpoints(listeners: &[TcpListener]) -> io::Result<Bound> {
    let mut endpoints = Vec::new();
    for listener in listeners {
        endpoints.push(format!("http://{}", listener.local_addr()?));
    }
    let grpc = endpoints.first().cloned().unwrap_or_default();
    let http = endpoints.last().cloned().unwrap_or_default();
    Ok(Bound { grpc, http })
}
