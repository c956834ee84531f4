//! The server's thread: binds, accepts, and ends when told to.

mod body;
mod connection;
mod exchange;
mod grpc;
mod http;
mod listener;
mod refusal;
mod reply;
#[cfg(feature = "tls")]
mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use self::connection::{Context, Speaks};
use self::listener::Listener;
use crate::builder::Builder;
use crate::fault::Network;
use crate::shared::Shared;

pub(crate) use self::listener::Applied;
#[cfg(feature = "tls")]
pub use self::tls::Tls;

/// Takes the message out of a gRPC body, for [`crate::fuzzing`].
pub(crate) fn unpack_grpc(encoding: &'static str, body: &[u8], limit: usize) -> Option<usize> {
    let request = ::http::Request::builder().header("grpc-encoding", encoding);
    let (head, ()) = request.body(()).ok()?.into_parts();
    let message = grpc::unpack(&head, bytes::Bytes::copy_from_slice(body), limit);
    message.ok().map(|message| message.len())
}

/// Unpacks an HTTP body, for [`crate::fuzzing`].
pub(crate) fn unpack_http(encoding: &'static str, body: &[u8], limit: usize) -> Option<usize> {
    let request = ::http::Request::builder().header("content-encoding", encoding);
    let (head, ()) = request.body(()).ok()?.into_parts();
    let message = http::unpack(&head, bytes::Bytes::copy_from_slice(body), limit);
    message.ok().map(|message| message.len())
}

/// How long requests that have begun may go on after the stop.
const LINGER: Duration = Duration::from_millis(500);

/// Where it listens, as endpoints, and how to see what each listener did.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) grpc: String,
    pub(crate) http: String,
    pub(crate) applied: Vec<watch::Receiver<Applied>>,
    /// The runtime it runs on.
    pub(crate) runtime: Handle,
}

/// What the handle tells the server.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) stop: watch::Receiver<bool>,
    /// What the network does, with a number that grows with every change.
    pub(crate) network: watch::Receiver<(u64, Network)>,
}

/// Waits until a signal is given, or whoever could give it is gone.
async fn given(signal: &mut watch::Receiver<bool>) {
    let _ = signal.wait_for(|given| *given).await;
}

/// Runs the server on this thread until `orders` say so.
pub(crate) fn run(
    builder: Builder,
    shared: Arc<Shared>,
    orders: Orders,
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
        let listeners = match bind(&builder, &shared, &orders).await {
            Ok(listeners) => listeners,
            Err(error) => {
                let _ = bound.send(Err(error));
                return;
            }
        };
        let _ = bound.send(Ok(endpoints(&listeners)));
        serve(listeners, orders).await;
    });
}

async fn serve(listeners: Vec<Listener>, mut orders: Orders) {
    let mut serving = JoinSet::new();
    for listener in listeners {
        serving.spawn(listener.serve());
    }
    given(&mut orders.stop).await;
    let all_ended = async { while serving.join_next().await.is_some() {} };
    // What has not ended by then ends with the runtime.
    let _ = tokio::time::timeout(LINGER, all_ended).await;
}

async fn bind(
    builder: &Builder,
    shared: &Arc<Shared>,
    orders: &Orders,
) -> io::Result<Vec<Listener>> {
    #[cfg(feature = "tls")]
    let tls = builder.tls.as_ref().map(tls::Acceptor::new).transpose()?;
    let context = |speaks| Context {
        shared: Arc::clone(shared),
        limits: builder.limits,
        speaks,
        #[cfg(feature = "tls")]
        tls: tls.clone(),
    };
    let Some(http) = builder.http else {
        let both = Listener::bind(builder.grpc, context(Speaks::Both), orders.clone()).await?;
        return Ok(vec![both]);
    };
    let grpc = Listener::bind(builder.grpc, context(Speaks::Grpc), orders.clone()).await?;
    let http = Listener::bind(http, context(Speaks::Http), orders.clone()).await?;
    Ok(vec![grpc, http])
}

fn endpoints(listeners: &[Listener]) -> Bound {
    let mut endpoints = listeners.iter().map(Listener::endpoint);
    let grpc = endpoints.next().unwrap_or_default();
    let http = endpoints.next_back().unwrap_or_else(|| grpc.clone());
    let applied = listeners.iter().map(Listener::applied).collect();
    Bound {
        grpc,
        http,
        applied,
        runtime: Handle::current(),
    }
}
