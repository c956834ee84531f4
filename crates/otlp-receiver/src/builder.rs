//! How a receiver is set up.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::receiver::Receiver;

/// Sets up a [`Receiver`]. Made by [`Receiver::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) limits: Limits,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::server::Tls>,
}

/// What a sender may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_bytes: usize,
    pub(crate) max_points: usize,
    pub(crate) max_request_bytes: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) body_timeout: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            grpc: any_port,
            http: Some(any_port),
            limits: Limits {
                max_bytes: 64 << 20,
                max_points: 1024,
                max_request_bytes: 16 << 20,
                header_timeout: Duration::from_secs(10),
                body_timeout: Duration::from_secs(30),
            },
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl Builder {
    /// Listens for OTLP/gRPC at `address`. The default is port 0 of 127.0.0.1: a free port.
    #[must_use]
    pub fn grpc(mut self, address: SocketAddr) -> Self {
        self.grpc = address;
        self
    }

    /// Listens for OTLP/HTTP at `address`. The default is port 0 of 127.0.0.1: a free port.
    #[must_use]
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.http = Some(address);
        self
    }

    /// Listens at `address` for both protocols, and nowhere else.
    #[must_use]
    pub fn one_port(mut self, address: SocketAddr) -> Self {
        self.grpc = address;
        self.http = None;
        self
    }

    /// Bounds what is held, in bytes. Past it the oldest goes. The default is 64 MiB.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_bytes = bytes;
        self
    }

    /// Bounds the history of one metric series, in points. The default is 1,024.
    #[must_use]
    pub fn max_points_per_series(mut self, points: usize) -> Self {
        self.limits.max_points = points;
        self
    }

    /// Bounds one request, in bytes, both as it travels and unpacked. The default is 16 MiB.
    #[must_use]
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_request_bytes = bytes;
        self
    }

    /// Bounds how long a sender may take for the head of a request. The default is 10 s.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.limits.header_timeout = timeout;
        self
    }

    /// Bounds how long a sender may take for the body of a request. The default is 30 s.
    #[must_use]
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.limits.body_timeout = timeout;
        self
    }

    /// Speaks TLS, on both ports. The default is not to.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::server::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Starts listening.
    ///
    /// # Errors
    /// When an address cannot be bound, which the message names, or a thread cannot be started.
    pub async fn start(self) -> io::Result<Receiver> {
        Receiver::launch(self).await
    }
}
