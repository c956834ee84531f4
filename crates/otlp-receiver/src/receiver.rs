//! The handle to a running receiver: where it listens, what it holds.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use crate::builder::Builder;
use crate::changes::Changes;
use crate::fault::{Faults, Network};
use crate::model::{LogRecord, Metric, Span};
use crate::seen::Seen;
use crate::server::{self, Applied, Bound, Orders};
use crate::shared::Shared;
use crate::stats::{Held, Traffic};
use crate::wait::{WaitError, WaitFor};

/// An OTLP server, and everything it received.
///
/// Clones are handles to the same receiver. It stops when the last handle goes, or by [`shutdown`](Self::shutdown).
///
/// It runs on a thread of its own, with a runtime of its own. So it answers even while a single-threaded test blocks
/// in an exporter's flush, is untouched by a paused clock, and can be used from any runtime or from none.
///
/// ```
/// # async fn example() -> std::io::Result<()> {
/// use campanile_otlp_receiver::Receiver;
///
/// let receiver = Receiver::start().await?;
/// println!("export OTEL_EXPORTER_OTLP_ENDPOINT={}", receiver.grpc_endpoint());
/// assert!(receiver.spans().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Receiver {
    pub(crate) shared: Arc<Shared>,
    running: Arc<Running>,
}

/// The server thread. Dropping it asks the thread to end.
#[derive(Debug)]
struct Running {
    grpc_endpoint: String,
    http_endpoint: String,
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
    network: watch::Sender<(u64, Network)>,
    applied: Vec<watch::Receiver<Applied>>,
    runtime: Handle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl Receiver {
    /// Starts a receiver on two free ports of 127.0.0.1, one for gRPC and one for HTTP.
    ///
    /// # Errors
    /// When no port can be bound or no thread started.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Sets up a receiver: addresses, limits.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) async fn launch(builder: Builder) -> io::Result<Self> {
        let limits = builder.limits;
        let shared = Arc::new(Shared::new(limits.max_bytes, limits.max_points));
        let (stop, stop_seen) = watch::channel(false);
        let (network, network_seen) = watch::channel((0, Network::Up));
        let orders = Orders {
            stop: stop_seen,
            network: network_seen,
        };
        let (has_stopped, stopped) = watch::channel(false);
        let (bound, wait_bound) = oneshot::channel();
        let served = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("otlp-receiver".to_owned())
            .spawn(move || {
                server::run(builder, served, orders, bound);
                has_stopped.send_replace(true);
            })?;
        let Bound {
            grpc,
            http,
            applied,
            runtime,
        } = wait_bound
            .await
            .map_err(|_| io::Error::other("the receiver's thread ended before it listened"))??;
        let running = Arc::new(Running {
            grpc_endpoint: grpc,
            http_endpoint: http,
            stop,
            stopped,
            network,
            applied,
            runtime,
        });
        Ok(Self { shared, running })
    }

    /// Returns where it listens for OTLP/gRPC, as `http://127.0.0.1:43210`.
    pub fn grpc_endpoint(&self) -> &str {
        &self.running.grpc_endpoint
    }

    /// Returns where it listens for OTLP/HTTP, without a path, as `http://127.0.0.1:43211`.
    pub fn http_endpoint(&self) -> &str {
        &self.running.http_endpoint
    }

    /// Stops listening, lets requests that have begun finish for a moment, and waits until the ports are free.
    ///
    /// What was received can still be read.
    pub async fn shutdown(&self) {
        self.running.stop.send_replace(true);
        let mut stopped = self.running.stopped.clone();
        // An error means that the thread is gone, which is what we wait for.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Takes a look at everything held, to ask questions of.
    pub fn seen(&self) -> Seen {
        self.shared.seen()
    }

    /// Waits until `look` finds what it looks for. It looks at once, then whenever something happened.
    ///
    /// Nothing sleeps: the wait ends as soon as the answer is there. Its deadline (10 s, see [`WaitFor::within`]) is
    /// real time, also under a paused clock.
    ///
    /// # Errors
    /// At the deadline, with a message that shows what did arrive.
    ///
    /// ```no_run
    /// # async fn example(receiver: campanile_otlp_receiver::Receiver) -> Result<(), Box<dyn std::error::Error>> {
    /// let span = receiver
    ///     .wait_for(|seen| seen.spans().named("GET /orders/{id}").first())
    ///     .await?;
    /// assert_eq!(span.attribute("http.response.status_code"), Some(&200.into()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for<T, F>(&self, look: F) -> WaitFor<'_, F>
    where
        F: FnMut(&Seen) -> Option<T>,
    {
        WaitFor::new(self, look)
    }

    /// Waits for a span of that name, at most 10 s.
    ///
    /// # Errors
    /// At the deadline, with a message that shows what did arrive.
    pub async fn wait_for_span(&self, name: &str) -> Result<Arc<Span>, WaitError> {
        let wait = self.wait_for(|seen| seen.spans().named(name).first());
        wait.called(format!("a span named {name:?}")).await
    }

    pub(crate) fn activity(&self) -> watch::Receiver<u64> {
        self.shared.activity()
    }

    /// Sleeps by the clock of the receiver's own runtime, which no test pauses.
    pub(crate) async fn sleep(&self, time: Duration) {
        // Made within the task, as a timer belongs to the runtime it is made in.
        let sleep = async move { tokio::time::sleep(time).await };
        let sleep = self.running.runtime.spawn(sleep);
        // An error means that the runtime has ended: nothing can arrive any more.
        let _ = sleep.await;
    }

    /// Returns the fault script, to break requests on purpose.
    pub fn faults(&self) -> Faults<'_> {
        Faults::new(&self.shared)
    }

    /// Breaks or heals the network, as senders see it, and waits until it is so.
    ///
    /// # Errors
    /// When the ports cannot be opened again, because another process took one meanwhile.
    pub async fn set_network(&self, network: Network) -> io::Result<()> {
        let mut order = 0;
        self.running.network.send_modify(|(number, what)| {
            *number += 1;
            *what = network;
            order = *number;
        });
        for applied in &self.running.applied {
            let mut applied = applied.clone();
            let applied = applied.wait_for(|(done, _)| *done >= order).await;
            let problem = applied.map_err(|_| io::Error::other("the receiver was shut down"))?;
            if let (_, Some(problem)) = &*problem {
                return Err(io::Error::other(problem.clone()));
            }
        }
        Ok(())
    }

    /// Returns the spans held, in the order of arrival.
    pub fn spans(&self) -> Vec<Arc<Span>> {
        self.spans_since(0)
    }

    /// Returns the spans held that arrived after the item numbered `seq`.
    pub fn spans_since(&self, seq: u64) -> Vec<Arc<Span>> {
        self.shared.store().spans_since(seq)
    }

    /// Returns the log records held, in the order of arrival.
    pub fn logs(&self) -> Vec<Arc<LogRecord>> {
        self.logs_since(0)
    }

    /// Returns the log records held that arrived after the item numbered `seq`.
    pub fn logs_since(&self, seq: u64) -> Vec<Arc<LogRecord>> {
        self.shared.store().logs_since(seq)
    }

    /// Returns the metrics held, each with its series and their points.
    pub fn metrics(&self) -> Vec<Metric> {
        self.metrics_since(0)
    }

    /// Returns the metrics with the points that arrived after the item numbered `seq`. Series without one are left out.
    pub fn metrics_since(&self, seq: u64) -> Vec<Metric> {
        self.shared.store().metrics_since(seq)
    }

    /// Says how much is held, and how much had to go.
    pub fn held(&self) -> Held {
        self.shared.store().held()
    }

    /// Says what came in, and what was refused.
    pub fn traffic(&self) -> Traffic {
        self.shared.traffic().clone()
    }

    /// Subscribes to what is stored from now on.
    pub fn changes(&self) -> Changes {
        Changes::new(self.shared.newest())
    }

    /// Forgets what is held. Counts and sequence numbers go on.
    pub fn clear(&self) {
        self.shared.store().clear();
    }
}

/// The gRPC endpoint, so that a receiver can be handed over wherever an endpoint is expected.
impl AsRef<str> for Receiver {
    fn as_ref(&self) -> &str {
        self.grpc_endpoint()
    }
}
