//! Metric points by series. A point belongs to the series of its metric (name, unit, kind, resource, scope) and
//! attribute set, where it stays until its ring is full or it is the oldest of all.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use super::{ENTRY_BYTES, Shared};
use crate::model::{Attributes, Instrument, Metric, MetricKind, Point, Resource, Scope, Series};

/// One point on its way in. Its attributes are ordered by key.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) instrument: Arc<Instrument>,
    pub(crate) attributes: Attributes,
    pub(crate) point: Point,
}

#[derive(Debug)]
pub(super) struct SeriesStore {
    max_points: usize,
    /// Which instrument it is, by all that identifies one.
    ids: HashMap<Key, u64>,
    instruments: BTreeMap<u64, Held>,
    series: BTreeMap<u64, Ring>,
    /// Points in the order of arrival. Entries whose point left its ring early are skipped.
    order: VecDeque<(u64, u64)>,
    points: usize,
    next_id: u64,
    /// The instrument that came last, as the decoder shares one allocation among the points of a metric.
    last: Option<(Arc<Instrument>, u64)>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    resource: u64,
    scope: u64,
    name: String,
    unit: String,
    description: String,
    kind: MetricKind,
}

#[derive(Debug)]
struct Held {
    instrument: Arc<Instrument>,
    key: Key,
    bytes: usize,
    series: HashMap<Arc<Attributes>, u64>,
}

#[derive(Debug)]
struct Ring {
    instrument: u64,
    attributes: Arc<Attributes>,
    bytes: usize,
    points: VecDeque<(Arc<Point>, usize)>,
}

/// What one more point changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grown {
    pub(super) added: usize,
    pub(super) freed: usize,
    pub(super) evicted: u64,
}

impl SeriesStore {
    pub(super) fn new(max_points: usize) -> Self {
        Self {
            max_points: max_points.max(1),
            ids: HashMap::new(),
            instruments: BTreeMap::new(),
            series: BTreeMap::new(),
            order: VecDeque::new(),
            points: 0,
            next_id: 0,
            last: None,
        }
    }

    pub(super) fn max_points(&self) -> usize {
        self.max_points
    }

    #[cfg(test)]
    pub(super) fn order_len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn points(&self) -> usize {
        self.points
    }

    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    /// Returns the sequence number and arrival of the oldest point held.
    pub(super) fn oldest(&self) -> Option<(u64, SystemTime)> {
        let (seq, series) = self.order.front()?;
        let (point, _) = self.series.get(series)?.points.front()?;
        Some((*seq, point.received))
    }

    pub(super) fn add(&mut self, sample: Sample, shared: &mut Shared) -> Grown {
        let mut grown = Grown::default();
        let instrument = self.instrument(&sample.instrument, shared, &mut grown);
        let id = self.series_of(instrument, sample.attributes, &mut grown);
        let Some(ring) = self.series.get_mut(&id) else {
            return grown;
        };
        let bytes = sample.point.bytes() + ENTRY_BYTES;
        grown.added += bytes;
        self.order.push_back((sample.point.seq, id));
        self.points += 1;
        ring.points.push_back((Arc::new(sample.point), bytes));
        if ring.points.len() > self.max_points
            && let Some((_, bytes)) = ring.points.pop_front()
        {
            self.points -= 1;
            grown.freed += bytes;
            grown.evicted += 1;
            self.forget_stale();
        }
        grown
    }

    fn instrument(&mut self, new: &Arc<Instrument>, shared: &mut Shared, grown: &mut Grown) -> u64 {
        if let Some((last, id)) = &self.last
            && Arc::ptr_eq(last, new)
        {
            return *id;
        }
        let (mut resource, mut scope) = (Arc::clone(&new.resource), Arc::clone(&new.scope));
        let key = Key {
            resource: shared.resources.hold(&mut resource, Resource::bytes),
            scope: shared.scopes.hold(&mut scope, Scope::bytes),
            name: new.name.clone(),
            unit: new.unit.clone(),
            description: new.description.clone(),
            kind: new.kind,
        };
        let id = match self.ids.get(&key) {
            Some(id) => {
                shared.resources.release(key.resource);
                shared.scopes.release(key.scope);
                *id
            }
            None => {
                let id = self.new_id();
                let bytes = new.bytes() * 2 + ENTRY_BYTES;
                grown.added += bytes;
                self.ids.insert(key.clone(), id);
                let instrument = Arc::new(Instrument {
                    resource,
                    scope,
                    ..(**new).clone()
                });
                let series = HashMap::new();
                self.instruments.insert(
                    id,
                    Held {
                        instrument,
                        key,
                        bytes,
                        series,
                    },
                );
                id
            }
        };
        self.last = Some((Arc::clone(new), id));
        id
    }

    fn series_of(&mut self, instrument: u64, attributes: Attributes, grown: &mut Grown) -> u64 {
        let id = self.new_id();
        let Some(held) = self.instruments.get_mut(&instrument) else {
            return id;
        };
        if let Some(known) = held.series.get(&attributes) {
            return *known;
        }
        let attributes = Arc::new(attributes);
        let bytes = size_of::<Ring>() + attributes.heap_bytes() + ENTRY_BYTES;
        grown.added += bytes;
        held.series.insert(Arc::clone(&attributes), id);
        let points = VecDeque::new();
        self.series.insert(
            id,
            Ring {
                instrument,
                attributes,
                bytes,
                points,
            },
        );
        id
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Drops the oldest point, its series if that was the last of it, and so on upwards. Returns the bytes freed.
    pub(super) fn evict_oldest(&mut self, shared: &mut Shared) -> usize {
        let Some((_, id)) = self.order.pop_front() else {
            return 0;
        };
        let Some(ring) = self.series.get_mut(&id) else {
            return 0;
        };
        let mut freed = 0;
        if let Some((_, bytes)) = ring.points.pop_front() {
            self.points -= 1;
            freed += bytes;
        }
        if ring.points.is_empty()
            && let Some(ring) = self.series.remove(&id)
        {
            freed += ring.bytes + self.drop_series(&ring, shared);
        }
        self.forget_stale_front();
        freed
    }

    fn drop_series(&mut self, ring: &Ring, shared: &mut Shared) -> usize {
        let Some(held) = self.instruments.get_mut(&ring.instrument) else {
            return 0;
        };
        held.series.remove(&ring.attributes);
        if !held.series.is_empty() {
            return 0;
        }
        self.last.take_if(|(_, id)| *id == ring.instrument);
        let Some(held) = self.instruments.remove(&ring.instrument) else {
            return 0;
        };
        self.ids.remove(&held.key);
        shared.resources.release(held.key.resource);
        shared.scopes.release(held.key.scope);
        held.bytes
    }

    /// Keeps `order` honest at its front, and its length within twice what is held.
    fn forget_stale(&mut self) {
        if self.order.len() > self.points * 2 + 1024 {
            let series = &self.series;
            self.order.retain(|(seq, id)| is_held(series, *seq, *id));
        }
        self.forget_stale_front();
    }

    fn forget_stale_front(&mut self) {
        while let Some((seq, id)) = self.order.front()
            && !is_held(&self.series, *seq, *id)
        {
            self.order.pop_front();
        }
    }

    /// Groups the series that have a point after `seq`, with all their points after it, by metric.
    pub(super) fn metrics_since(&self, seq: u64) -> Vec<Metric> {
        let mut metrics: BTreeMap<u64, Metric> = BTreeMap::new();
        for (id, ring) in &self.series {
            let first = ring.points.partition_point(|(point, _)| point.seq <= seq);
            let Some(held) = self.instruments.get(&ring.instrument) else {
                continue;
            };
            if first == ring.points.len() {
                continue;
            }
            let points = ring.points.range(first..);
            let series = Series {
                id: *id,
                attributes: Arc::clone(&ring.attributes),
                points: points.map(|(point, _)| Arc::clone(point)).collect(),
            };
            let metric = metrics
                .entry(ring.instrument)
                .or_insert_with(|| Metric::new(Arc::clone(&held.instrument)));
            metric.series.push(series);
        }
        metrics.into_values().collect()
    }
}

/// Says whether the point `seq` of series `id` is still in its ring: points leave it from the front.
fn is_held(series: &BTreeMap<u64, Ring>, seq: u64, id: u64) -> bool {
    let front = series.get(&id).and_then(|ring| ring.points.front());
    front.is_some_and(|(point, _)| point.seq <= seq)
}
