//! The export pipeline: from bounded queues to a collector, on a thread of its own.
//!
//! The thread has its own runtime, so the flavour of the application's, its absence and its end do
//! not matter. Nothing on it is traced, logged or measured: it cannot feed itself.
//!
//! Producers push into a [`Lane`]; a driver for each signal carries on from there. A producer that
//! encodes for itself pushes finished OTLP requests with their number of items.

mod cut;
mod driver;
mod encode;
mod frame;
mod gate;
mod lane;
mod ledger;
mod local;
#[cfg(test)]
mod model;
mod notice;
mod queue;
mod redact;
mod shard;
mod sync;
mod weight;
pub(crate) mod wire;
mod written;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use campanile_redaction::Redactor;
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};
use tracing::Dispatch;

pub(crate) use self::driver::Pace;
use self::driver::{Command, Driver};
pub(crate) use self::encode::Encoder;
pub(crate) use self::gate::Backoff;
pub(crate) use self::lane::{Bounds, Finished, Lane};
pub(crate) use self::ledger::Ledger;
pub use self::ledger::Loss;
pub(crate) use self::notice::Notices;
pub(crate) use self::written::Scope;
use crate::Signal;
use crate::config::ValueLimits;
use crate::transport::Outlet;

/// What one signal needs.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) signal: Signal,
    pub(crate) bounds: Bounds,
    pub(crate) pace: Pace,
    pub(crate) outlet: Outlet,
}

/// The running pipeline.
#[derive(Debug)]
pub(crate) struct Pipeline {
    lanes: Vec<Arc<Lane>>,
    /// Log records that must not be lost: beside those of the logs, with room of their own.
    audit: Option<Arc<Lane>>,
    outlets: Vec<(Signal, Outlet)>,
    commands: Vec<mpsc::UnboundedSender<Command>>,
    runtime: Handle,
    /// Ends the thread when it is used or dropped.
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

impl Pipeline {
    /// Starts the export thread.
    pub(crate) fn start(
        routes: Vec<Route>,
        audit: Option<Route>,
        resource: &Resource,
        limits: ValueLimits,
        redactor: &Redactor,
        notices: &Arc<Notices>,
    ) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = start_thread(stopped)?;
        let encoder = Arc::new(Encoder::new(resource, limits, redactor));
        let mut lanes = Vec::new();
        let mut outlets = Vec::new();
        let weight = encoder.request_weight();
        let lane = |route: &Route| {
            let lane = Lane::new(route.signal, route.bounds.clone(), weight);
            Arc::new(lane)
        };
        for route in &routes {
            lanes.push(lane(route));
            outlets.push((route.signal, route.outlet.clone()));
        }
        let audit_lane = audit.as_ref().map(lane);
        let all: Vec<_> = lanes.iter().chain(&audit_lane).cloned().collect();
        notices.about(all.clone());
        let mut commands = Vec::new();
        for (lane, route) in all.into_iter().zip(routes.into_iter().chain(audit)) {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            let (encoder, notices) = (encoder.clone(), notices.clone());
            runtime.spawn(async move {
                let make = || Driver::new(&lane, &route, &encoder, &notices);
                while !survives(make().run(&mut receiver)).await {
                    tokio::time::sleep(RESTART).await;
                }
            });
            commands.push(sender);
        }
        Ok(Self {
            lanes,
            audit: audit_lane,
            outlets,
            commands,
            runtime,
            stop: Mutex::new(Some(stop)),
        })
    }

    /// The way in for a signal; none when it is not exported.
    pub(crate) fn lane(&self, signal: Signal) -> Option<&Arc<Lane>> {
        self.lanes.iter().find(|lane| lane.signal == signal)
    }

    /// The way in for audit records; none when logs are not exported.
    pub(crate) fn audit(&self) -> Option<&Arc<Lane>> {
        self.audit.as_ref()
    }

    /// Where each signal was configured to go.
    pub(crate) fn routes(&self) -> &[(Signal, Outlet)] {
        &self.outlets
    }

    pub(crate) fn lanes(&self) -> &[Arc<Lane>] {
        &self.lanes
    }

    /// Where work for the pipeline may run.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Waits until everything that is in the lanes now has ended, or the deadline.
    pub(crate) async fn settle(&self, deadline: Instant) {
        let mut waits = Vec::new();
        for commands in &self.commands {
            let (done, wait) = oneshot::channel();
            let _ = commands.send(Command::Flush { deadline, done });
            waits.push(wait);
        }
        for wait in waits {
            // A dropped answer means that this signal has ended.
            let _ = tokio::time::timeout_at(deadline.into(), wait).await;
        }
    }

    /// Gives up what is left; nothing is taken in any more.
    pub(crate) async fn close(&self) {
        let mut waits = Vec::new();
        for commands in &self.commands {
            let (done, wait) = oneshot::channel();
            let _ = commands.send(Command::Stop { done });
            waits.push(wait);
        }
        for wait in waits {
            let _ = wait.await;
        }
        for lane in self.lanes.iter().chain(&self.audit) {
            lane.close();
        }
    }

    /// Ends the export thread.
    pub(crate) fn stop(&self) {
        let stop = self
            .stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(stop);
    }
}

/// How long a driver that broke stays away.
const RESTART: Duration = Duration::from_secs(1);

/// Works until the end of `work`; false when it panicked.
async fn survives(work: impl Future<Output = ()>) -> bool {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        let poll = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        match poll {
            Ok(poll) => poll.map(|()| true),
            Err(_) => Poll::Ready(false),
        }
    })
    .await
}

/// For name look-ups, which may hang, collections of metrics, and lines on standard error.
const BLOCKING_THREADS: usize = 16;

/// Starts the export thread. The runtime is made on it, as it must not end anywhere else.
fn start_thread(stopped: oneshot::Receiver<()>) -> io::Result<Handle> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("campanile-export".into())
        .spawn(move || {
            silence();
            let runtime = Builder::new_current_thread()
                .enable_all()
                .thread_name("campanile-export-blocking")
                .on_thread_start(silence)
                .max_blocking_threads(BLOCKING_THREADS)
                .build();
            match runtime {
                Ok(runtime) => {
                    let _ = tell.send(Ok(runtime.handle().clone()));
                    let _ = runtime.block_on(stopped);
                    // A name look-up that hangs on a blocking thread must not keep us.
                    runtime.shutdown_background();
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        })?;
    told.recv().map_err(io::Error::other)?
}

/// Nothing that happens on this thread from now on is traced, logged or measured.
fn silence() {
    // The guards would undo it; there is nothing in them to free.
    std::mem::forget(tracing::dispatcher::set_default(&Dispatch::none()));
    std::mem::forget(Context::enter_telemetry_suppressed_scope());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_survived_and_told() {
        assert!(survives(async {}).await);
        assert!(!survives(async { panic!("on purpose") }).await);
    }
}
