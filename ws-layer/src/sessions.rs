//! What all sessions of a process share: instruments, and the way to reach every one of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use campanile_recorder::{Handle, Source};
use campanile_semconv::value;
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use crate::endpoint::{MAX_ENDPOINTS, Role, Series};

/// The WebSocket sessions of a process. Cheap to clone; keep it in the router's state.
#[derive(Clone)]
pub struct Sessions(Arc<Shared>);

struct Shared {
    recorder: Handle,
    series: Mutex<Vec<Arc<Series>>>,
    open: Mutex<Open>,
    next: AtomicU64,
    left: Notify,
}

#[derive(Default)]
struct Open {
    draining: bool,
    signals: HashMap<u64, Arc<Signal>>,
}

/// What [`Sessions::drain`] achieved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Drained {
    /// Sessions that were open when the drain began and ended within the deadline.
    pub closed: usize,
    /// Sessions that did not end in time and were cut off.
    pub remaining: usize,
}

impl Sessions {
    /// Reports to the pipeline that `source` hands over: a `Telemetry`, or a
    /// [`Handle`].
    pub fn new(source: &impl Source) -> Self {
        Self(Arc::new(Shared {
            recorder: source.recorder(),
            series: Mutex::default(),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            left: Notify::new(),
        }))
    }

    /// How many sessions are open.
    pub fn open(&self) -> usize {
        self.lock().signals.len()
    }

    /// Whether [`drain`](Self::drain) has begun; new upgrades are then answered with `503`.
    pub fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// Closes every session with code 1012 (service restart) and waits until they have ended, for
    /// at most `deadline`. From now on new upgrades are answered with `503`.
    ///
    /// What is still open after the deadline is cut off: its stream ends.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        let before = {
            let mut open = self.lock();
            open.draining = true;
            order_all(&open, CLOSE);
            open.signals.len()
        };
        let done = tokio::time::timeout(deadline, self.emptied()).await;
        let remaining = match done {
            Ok(()) => 0,
            Err(_) => {
                let open = self.lock();
                order_all(&open, CUT);
                open.signals.len()
            }
        };
        Drained {
            closed: before.saturating_sub(remaining),
            remaining,
        }
    }

    async fn emptied(&self) {
        loop {
            let left = self.0.left.notified();
            if self.open() == 0 {
                return;
            }
            left.await;
        }
    }

    pub(crate) fn recorder(&self) -> &Handle {
        &self.0.recorder
    }

    /// The instruments of an endpoint; past the cap, those of `_other`.
    pub(crate) fn series(&self, endpoint: &'static str, role: Role) -> Arc<Series> {
        let mut all = self.0.series.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |all: &[Arc<Series>], name: &str| {
            let mut same = all.iter();
            let found = same.find(|series| series.endpoint == name && series.role == role);
            found.cloned()
        };
        if let Some(found) = find(&all, endpoint) {
            return found;
        }
        let known = all.iter().filter(|series| series.role == role).count();
        let endpoint = if known < MAX_ENDPOINTS {
            endpoint
        } else {
            value::OWN_OTHER
        };
        find(&all, endpoint).unwrap_or_else(|| {
            let series = Arc::new(Series::open(&self.0.recorder, endpoint, role));
            all.push(series.clone());
            series
        })
    }

    pub(crate) fn register(&self) -> Registered {
        let key = self.0.next.fetch_add(1, Ordering::Relaxed);
        let signal = Arc::new(Signal::default());
        let mut open = self.lock();
        if open.draining {
            signal.order(CLOSE);
        }
        open.signals.insert(key, signal.clone());
        drop(open);
        Registered {
            sessions: self.clone(),
            key,
            signal,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn order_all(open: &Open, order: u8) {
    for signal in open.signals.values() {
        signal.order(order);
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open();
        f.debug_struct("Sessions").field("open", &open).finish()
    }
}

/// Close gracefully.
const CLOSE: u8 = 1;
/// End the stream at once.
const CUT: u8 = 2;

/// How a session's task is reached from outside.
#[derive(Debug, Default)]
struct Signal {
    waker: AtomicWaker,
    order: AtomicU8,
}

impl Signal {
    fn order(&self, order: u8) {
        self.order.fetch_max(order, Ordering::AcqRel);
        self.waker.wake();
    }
}

/// A session's place in the registry. Leaves it when dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    sessions: Sessions,
    key: u64,
    signal: Arc<Signal>,
}

/// What the process asks of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    None,
    Close,
    Cut,
}

impl Registered {
    /// Leaves the registry. Later calls do nothing.
    pub(crate) fn leave(&self) {
        let gone = self.sessions.lock().signals.remove(&self.key);
        if gone.is_some() {
            self.sessions.0.left.notify_waiters();
        }
    }

    /// Wakes `waker` at the next order, and says which one stands.
    pub(crate) fn order(&self, waker: &Waker) -> Order {
        self.signal.waker.register(waker);
        match self.signal.order.load(Ordering::Acquire) {
            0 => Order::None,
            CLOSE => Order::Close,
            _ => Order::Cut,
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.leave();
    }
}
