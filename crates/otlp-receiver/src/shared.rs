//! What the handle and the server threads share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use crate::decode::Keys;
use crate::fault::Script;
use crate::model::{LogRecord, Signal, Span};
use crate::seen::Seen;
use crate::stats::{Refusal, Traffic, Transport};
use crate::store::{Sample, Store};

#[derive(Debug)]
pub(crate) struct Shared {
    store: Mutex<Store>,
    traffic: Mutex<Traffic>,
    newest: watch::Sender<u64>,
    script: Mutex<Script>,
    keys: Mutex<Keys>,
    /// Counts what happened to requests and connections, so that waits can look again.
    activity: watch::Sender<u64>,
}

/// The items of one request, decoded.
#[derive(Debug)]
pub(crate) enum Items {
    Spans(Vec<Span>),
    Samples(Vec<Sample>),
    Logs(Vec<LogRecord>),
}

impl Items {
    pub(crate) fn signal(&self) -> Signal {
        match self {
            Self::Spans(_) => Signal::Traces,
            Self::Samples(_) => Signal::Metrics,
            Self::Logs(_) => Signal::Logs,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Spans(spans) => spans.len(),
            Self::Samples(samples) => samples.len(),
            Self::Logs(logs) => logs.len(),
        }
    }
}

impl Shared {
    pub(crate) fn new(max_bytes: usize, max_points: usize) -> Self {
        Self {
            store: Mutex::new(Store::new(max_bytes, max_points)),
            traffic: Mutex::default(),
            newest: watch::Sender::new(0),
            script: Mutex::default(),
            keys: Mutex::default(),
            activity: watch::Sender::new(0),
        }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the traffic counts, then wakes whoever waits for them.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Traffic)) {
        change(&mut self.traffic());
        self.activity.send_modify(|count| *count += 1);
    }

    pub(crate) fn activity(&self) -> watch::Receiver<u64> {
        self.activity.subscribe()
    }

    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Stores what a request brought, counts it, then wakes whoever waits.
    pub(crate) fn accept(&self, transport: Transport, items: Items) {
        let (signal, count, now) = (items.signal(), items.len(), SystemTime::now());
        let counted = |traffic: &mut Traffic| {
            let counts = traffic.of_mut(signal, transport);
            counts.items += count as u64;
            counts.last_accepted = Some(now);
        };
        if count == 0 {
            self.count(counted);
            return;
        }
        let mut store = self.store();
        match items {
            Items::Spans(spans) => store.add_spans(spans, now),
            Items::Samples(samples) => store.add_samples(samples, now),
            Items::Logs(logs) => store.add_logs(logs, now),
        }
        let newest = store.last_seq();
        drop(store);
        self.count(counted);
        self.newest.send_if_modified(|seq| {
            let newer = *seq < newest;
            *seq = newest.max(*seq);
            newer
        });
    }

    /// Copies all that is held, by reference.
    pub(crate) fn seen(&self) -> Seen {
        let store = self.store();
        let (spans, logs) = (store.spans_since(0), store.logs_since(0));
        let (metrics, held) = (store.metrics_since(0), store.held());
        drop(store);
        let traffic = self.traffic().clone();
        Seen {
            spans,
            logs,
            metrics,
            held,
            traffic,
        }
    }

    /// Counts a request that was answered by an error.
    pub(crate) fn refuse(&self, of: Option<(Signal, Transport)>, message: &str) {
        let refusal = Refusal {
            at: SystemTime::now(),
            message: message.to_owned(),
        };
        self.count(|traffic| match of {
            Some((signal, transport)) => {
                let counts = traffic.of_mut(signal, transport);
                counts.refused_requests += 1;
                counts.last_refusal = Some(refusal);
            }
            None => {
                traffic.unknown_requests += 1;
                traffic.last_unknown = Some(refusal);
            }
        });
    }
}
