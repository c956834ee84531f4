//! A recorder for tests: remembers what it was told, exactly, and wakes who waits for it.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by unit tests and suites, each of which uses a part"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use campanile_recorder::{
    Count, Counter, End, Gauge, Handle, Head, Histogram, Meter, Moment, Record, Recorder, Started,
    Stock, UpDownCounter,
};
use campanile_semconv::attribute;
use campanile_semconv::metric::Metric;
use opentelemetry::trace::{SpanContext, TraceState};
use opentelemetry::{KeyValue, SpanId, TraceFlags, TraceId};
use tokio::sync::Notify;

/// A span that was reported.
#[derive(Clone, Debug)]
pub struct Seen {
    pub name: &'static str,
    pub context: SpanContext,
    pub parent: Option<SpanContext>,
    pub sampled_as: Option<TraceId>,
    pub links: Vec<SpanContext>,
    pub attributes: BTreeMap<String, String>,
    pub error: Option<&'static str>,
    pub start: SystemTime,
    pub end: SystemTime,
}

#[derive(Default)]
struct State {
    moments: Vec<Seen>,
    sums: BTreeMap<String, i64>,
    samples: BTreeMap<String, Vec<(f64, u64)>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Clone, Default)]
pub struct Probe(Arc<Shared>);

impl Probe {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn handle(&self) -> Handle {
        Handle::new(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.0.changed.notify_waiters();
    }

    pub fn moments(&self, name: &str) -> Vec<Seen> {
        let state = self.state();
        let named = state.moments.iter().filter(|seen| seen.name == name);
        named.cloned().collect()
    }

    /// The sum over every series of `metric` whose attributes contain all of `with`.
    pub fn sum(&self, metric: &Metric, with: &[&str]) -> i64 {
        let state = self.state();
        let found = state.sums.iter().filter(|(key, _)| fits(key, metric, with));
        found.map(|(_, value)| value).sum()
    }

    pub fn samples(&self, metric: &Metric, with: &[&str]) -> Vec<(f64, u64)> {
        let state = self.state();
        let all = state.samples.iter();
        let found = all.filter(|(key, _)| fits(key, metric, with));
        found.flat_map(|(_, samples)| samples.clone()).collect()
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        let state = self.state();
        state.sums.len() + state.samples.len()
    }

    /// Waits until `ready`, for at most 20 s.
    pub async fn until(&self, what: &str, ready: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if ready(self) {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .is_err()
        {
            let state = self.state();
            panic!(
                "{what} did not happen: {:#?} {:#?}",
                state.sums, state.moments
            );
        }
    }
}

fn fits(key: &str, metric: &Metric, with: &[&str]) -> bool {
    let Some((name, attributes)) = key.split_once('{') else {
        return false;
    };
    let has = |wanted: &&str| attributes.split(['{', ',', '}']).any(|one| one == *wanted);
    name == metric.name && with.iter().all(has)
}

fn key(metric: &Metric, attributes: &[KeyValue]) -> String {
    let mut all: Vec<String> = attributes
        .iter()
        .map(|one| format!("{}={}", one.key, one.value))
        .collect();
    for one in attributes {
        let name = one.key.as_str();
        let declared = metric.attributes.contains(&name);
        assert!(declared, "{name} is not declared on {}", metric.name);
        let known = attribute::ALL.iter().find(|known| known.key == name);
        let values = known.map_or(&[][..], |known| known.values);
        let value = one.value.as_str();
        let open = values.is_empty() || values.contains(&&*value);
        assert!(open, "{name}={value} is outside the closed set");
    }
    all.sort();
    format!("{}{{{}}}", metric.name, all.join(","))
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probe")
    }
}

impl Recorder for Probe {
    fn start(&self, head: &Head<'_>) -> Started {
        Stock::from_global().start(head)
    }

    fn end(&self, _: &Started, _: &End<'_>) {}

    fn moment(&self, moment: Moment<'_>) -> SpanContext {
        let context = SpanContext::new(
            TraceId::from(fastrand::u128(1..)),
            SpanId::from(fastrand::u64(1..)),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        );
        let attributes = moment.attributes.iter();
        let seen = Seen {
            name: moment.name,
            context: context.clone(),
            parent: moment.parent.cloned(),
            sampled_as: moment.sampled_as,
            links: moment.links.to_vec(),
            attributes: attributes
                .map(|one| (one.key.to_string(), one.value.to_string()))
                .collect(),
            error: moment.error,
            start: moment.start,
            end: moment.end,
        };
        self.change(|state| state.moments.push(seen));
        context
    }

    fn meter(&self) -> &dyn Meter {
        self
    }
}

struct Series {
    probe: Probe,
    key: String,
}

impl Probe {
    fn open(&self, metric: &Metric, attributes: &[KeyValue]) -> Arc<Series> {
        Arc::new(Series {
            probe: self.clone(),
            key: key(metric, attributes),
        })
    }
}

impl Meter for Probe {
    fn counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Counter {
        Counter::new(self.open(metric, attributes))
    }

    fn up_down_counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> UpDownCounter {
        UpDownCounter::new(self.open(metric, attributes))
    }

    fn histogram(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Histogram {
        Histogram::new(self.open(metric, attributes))
    }

    fn gauge(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Gauge {
        Gauge::new(self.open(metric, attributes))
    }
}

impl Series {
    fn add(&self, amount: i64) {
        self.probe.change(|state| {
            *state.sums.entry(self.key.clone()).or_default() += amount;
        });
    }
}

impl Count<u64> for Series {
    fn add(&self, amount: u64) {
        self.add(i64::try_from(amount).unwrap_or(i64::MAX));
    }
}

impl Count<i64> for Series {
    fn add(&self, amount: i64) {
        self.add(amount);
    }
}

impl Record for Series {
    fn record_many(&self, value: f64, times: u64) {
        self.probe.change(|state| {
            let samples = state.samples.entry(self.key.clone()).or_default();
            samples.push((value, times));
        });
    }
}
