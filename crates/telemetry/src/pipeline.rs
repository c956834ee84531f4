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
mod gate;
mod lane;
mod ledger;
mod notice;
mod weight;
pub(crate) mod wire;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, oneshot};
use tracing::subscriber::NoSubscriber;

pub(crate) use self::driver::Pace;
use self::driver::{Command, Driver};
use self::encode::Encoder;
pub(crate) use self::gate::Backoff;
pub(crate) use self::lane::{Bounds, Finished, Lane};
pub(crate) use self::ledger::Ledger;
pub use self::ledger::Loss;
pub(crate) use self::notice::Notices;
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
        resource: &Resource,
        limits: ValueLimits,
        notices: &Arc<Notices>,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("campanile-export-blocking")
            .on_thread_start(silence)
            .build()?;
        let encoder = Arc::new(Encoder::new(resource, limits));
        let mut lanes = Vec::new();
        let mut commands = Vec::new();
        let mut outlets = Vec::new();
        let guard = runtime.enter();
        for route in routes {
            let lane = Arc::new(Lane::new(route.signal, route.bounds));
            let fallback = driver::fallback(route.signal, &route.outlet);
            outlets.push((route.signal, route.outlet.clone()));
            let driver = Driver::new(
                lane.clone(),
                route.pace,
                encoder.clone(),
                notices.clone(),
                route.outlet,
                fallback,
            );
            let (sender, receiver) = mpsc::unbounded_channel();
            runtime.spawn(driver.run(receiver));
            lanes.push(lane);
            commands.push(sender);
        }
        drop(guard);
        notices.about(lanes.clone());
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        std::thread::Builder::new()
            .name("campanile-export".into())
            .spawn(move || run(runtime, stopped))?;
        Ok(Self {
            lanes,
            outlets,
            commands,
            runtime: handle,
            stop: Mutex::new(Some(stop)),
        })
    }

    /// The way in for a signal; none when it is not exported.
    pub(crate) fn lane(&self, signal: Signal) -> Option<&Arc<Lane>> {
        self.lanes.iter().find(|lane| lane.signal == signal)
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
        for lane in &self.lanes {
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

fn run(runtime: Runtime, stopped: oneshot::Receiver<()>) {
    silence();
    runtime.block_on(async {
        let _ = stopped.await;
    });
    // A name look-up that hangs on a blocking thread must not keep us.
    runtime.shutdown_background();
}

/// Nothing that happens on this thread from now on is traced, logged or measured.
fn silence() {
    std::mem::forget(tracing::dispatcher::set_default(&tracing::Dispatch::new(
        NoSubscriber::default(),
    )));
    std::mem::forget(Context::enter_telemetry_suppressed_scope());
}
