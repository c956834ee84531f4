//! What was received, held in bounded memory: when the bytes run out, the oldest item of any signal goes first,
//! and is counted.

mod intern;
mod series;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use self::intern::Interner;
use self::series::SeriesStore;
use crate::model::{LogRecord, Metric, Resource, Scope, Signal, Span};
use crate::stats::Held;

pub(crate) use self::series::Sample;

/// Bytes a queue entry and a reference count cost on top of an item.
const ENTRY_BYTES: usize = 64;

/// Everything held. The receiver keeps it behind one lock.
#[derive(Debug)]
pub(crate) struct Store {
    max_bytes: usize,
    bytes: usize,
    last_seq: u64,
    evicted: [u64; 3],
    spans: VecDeque<Entry<Span>>,
    logs: VecDeque<Entry<LogRecord>>,
    series: SeriesStore,
    shared: Shared,
}

/// Resources and scopes, each held once however many items name it.
#[derive(Debug, Default)]
struct Shared {
    resources: Interner<Resource>,
    scopes: Interner<Scope>,
}

/// One item, and what to give back when it goes.
#[derive(Debug)]
struct Entry<T> {
    item: Arc<T>,
    bytes: usize,
    resource: u64,
    scope: u64,
}

/// What spans and logs have in common.
pub(crate) trait Item: Sized {
    fn stamp(&mut self, seq: u64, received: SystemTime);
    fn seq(&self) -> u64;
    fn bytes(&self) -> usize;
    fn resource(&mut self) -> &mut Arc<Resource>;
    fn scope(&mut self) -> &mut Arc<Scope>;
}

macro_rules! item {
    ($type:ty) => {
        impl Item for $type {
            fn stamp(&mut self, seq: u64, received: SystemTime) {
                (self.seq, self.received) = (seq, received);
            }
            fn seq(&self) -> u64 {
                self.seq
            }
            fn bytes(&self) -> usize {
                self.bytes()
            }
            fn resource(&mut self) -> &mut Arc<Resource> {
                &mut self.resource
            }
            fn scope(&mut self) -> &mut Arc<Scope> {
                &mut self.scope
            }
        }
    };
}

item!(Span);
item!(LogRecord);

impl Store {
    pub(crate) fn new(max_bytes: usize, max_points: usize) -> Self {
        Self {
            max_bytes,
            bytes: 0,
            last_seq: 0,
            evicted: [0; 3],
            spans: VecDeque::new(),
            logs: VecDeque::new(),
            series: SeriesStore::new(max_points),
            shared: Shared::default(),
        }
    }

    pub(crate) fn add_spans(&mut self, spans: Vec<Span>, now: SystemTime) {
        for span in spans {
            self.last_seq += 1;
            let entry = self.shared.admit(span, self.last_seq, now);
            self.bytes += entry.bytes;
            self.spans.push_back(entry);
        }
        self.evict();
    }

    pub(crate) fn add_logs(&mut self, logs: Vec<LogRecord>, now: SystemTime) {
        for log in logs {
            self.last_seq += 1;
            let entry = self.shared.admit(log, self.last_seq, now);
            self.bytes += entry.bytes;
            self.logs.push_back(entry);
        }
        self.evict();
    }

    pub(crate) fn add_samples(&mut self, samples: Vec<Sample>, now: SystemTime) {
        for mut sample in samples {
            self.last_seq += 1;
            (sample.point.seq, sample.point.received) = (self.last_seq, now);
            let grown = self.series.add(sample, &mut self.shared);
            self.bytes = (self.bytes + grown.added).saturating_sub(grown.freed);
            self.evicted[Signal::Metrics.index()] += grown.evicted;
        }
        self.evict();
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(crate) fn spans_since(&self, seq: u64) -> Vec<Arc<Span>> {
        since(&self.spans, seq)
    }

    pub(crate) fn logs_since(&self, seq: u64) -> Vec<Arc<LogRecord>> {
        since(&self.logs, seq)
    }

    pub(crate) fn metrics_since(&self, seq: u64) -> Vec<Metric> {
        self.series.metrics_since(seq)
    }

    /// Forgets everything held. Sequence numbers go on, and nothing counts as evicted.
    pub(crate) fn clear(&mut self) {
        self.spans = VecDeque::new();
        self.logs = VecDeque::new();
        self.series = SeriesStore::new(self.series.max_points());
        self.shared = Shared::default();
        self.bytes = 0;
    }

    /// Changes how much may be held.
    pub(crate) fn limit(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
        self.evict();
    }

    pub(crate) fn held(&self) -> Held {
        let oldest = [
            self.spans.front().map(|entry| entry.item.received),
            self.logs.front().map(|entry| entry.item.received),
            self.series.oldest().map(|(_, received)| received),
        ];
        Held {
            spans: self.spans.len(),
            logs: self.logs.len(),
            points: self.series.points(),
            series: self.series.len(),
            bytes: self.bytes + self.shared.bytes(),
            max_bytes: self.max_bytes,
            evicted: self.evicted,
            oldest: oldest.into_iter().flatten().min(),
            last_seq: self.last_seq,
        }
    }

    /// Drops the oldest until what is left fits.
    fn evict(&mut self) {
        while self.bytes + self.shared.bytes() > self.max_bytes {
            let spans = self.spans.front().map(|entry| entry.item.seq);
            let logs = self.logs.front().map(|entry| entry.item.seq);
            let points = self.series.oldest().map(|(seq, _)| seq);
            let Some(oldest) = [spans, logs, points].into_iter().flatten().min() else {
                return;
            };
            if spans == Some(oldest) {
                self.bytes -= self.shared.release(self.spans.pop_front());
                self.evicted[Signal::Traces.index()] += 1;
            } else if logs == Some(oldest) {
                self.bytes -= self.shared.release(self.logs.pop_front());
                self.evicted[Signal::Logs.index()] += 1;
            } else {
                self.bytes = self
                    .bytes
                    .saturating_sub(self.series.evict_oldest(&mut self.shared));
                self.evicted[Signal::Metrics.index()] += 1;
            }
        }
    }
}

impl Shared {
    fn bytes(&self) -> usize {
        self.resources.bytes() + self.scopes.bytes()
    }

    fn admit<T: Item>(&mut self, mut item: T, seq: u64, now: SystemTime) -> Entry<T> {
        let bytes = item.bytes() + ENTRY_BYTES;
        item.stamp(seq, now);
        let resource = self.resources.hold(item.resource(), Resource::bytes);
        let scope = self.scopes.hold(item.scope(), Scope::bytes);
        let item = Arc::new(item);
        Entry {
            item,
            bytes,
            resource,
            scope,
        }
    }

    /// Gives back what an entry shared, and says how many bytes of its own it had.
    fn release<T>(&mut self, entry: Option<Entry<T>>) -> usize {
        entry.map_or(0, |entry| {
            self.resources.release(entry.resource);
            self.scopes.release(entry.scope);
            entry.bytes
        })
    }
}

fn since<T: Item>(entries: &VecDeque<Entry<T>>, seq: u64) -> Vec<Arc<T>> {
    let first = entries.partition_point(|entry| entry.item.seq() <= seq);
    let newer = entries.range(first..);
    newer.map(|entry| Arc::clone(&entry.item)).collect()
}

#[cfg(test)]
mod tests;
