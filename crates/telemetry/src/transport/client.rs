//! The connections to one destination.

use std::time::Duration;

use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::body::Chunks;
use super::tls::{Connector, wrap};
use super::{Destination, Protocol};

pub(super) type Client = legacy::Client<Connector, Chunks>;

/// How long an idle connection is kept: less than servers usually do, more than between two
/// collections of metrics.
const IDLE: Duration = Duration::from_secs(30);

/// Makes a client; it connects when it is first used.
pub(super) fn connect(destination: &Destination) -> Client {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(destination.timeout));
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE);
    if destination.protocol == Protocol::Grpc {
        builder
            .http2_only(true)
            .http2_keep_alive_interval(Some(Duration::from_secs(10)))
            .http2_keep_alive_timeout(Duration::from_secs(10));
    }
    builder.build(wrap(tcp, destination))
}
