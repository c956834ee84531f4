//! Metrics: one metric has many series (one for each attribute set), a series has points over time.

use std::fmt;
use std::sync::Arc;

use super::{Attributes, Point, Resource, Scope, Value, allocated};

/// One metric of one resource and scope, with the history of its series.
#[derive(Clone, Debug)]
pub struct Metric {
    instrument: Arc<Instrument>,
    /// Its series, in the order of their first arrival.
    pub series: Vec<Series>,
}

impl Metric {
    pub(crate) fn new(instrument: Arc<Instrument>) -> Self {
        let series = Vec::new();
        Self { instrument, series }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.instrument.name
    }

    /// Returns its description; empty if none.
    pub fn description(&self) -> &str {
        &self.instrument.description
    }

    /// Returns its unit, in UCUM; empty if none.
    pub fn unit(&self) -> &str {
        &self.instrument.unit
    }

    /// Returns which of the five kinds it is.
    pub fn kind(&self) -> MetricKind {
        self.instrument.kind
    }

    /// Returns the process it comes from.
    pub fn resource(&self) -> &Arc<Resource> {
        &self.instrument.resource
    }

    /// Returns the library that made it.
    pub fn scope(&self) -> &Arc<Scope> {
        &self.instrument.scope
    }
}

/// What all series of a metric share.
#[derive(Clone, Debug)]
pub(crate) struct Instrument {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) unit: String,
    pub(crate) kind: MetricKind,
    pub(crate) resource: Arc<Resource>,
    pub(crate) scope: Arc<Scope>,
}

impl Instrument {
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + allocated(self.name.capacity())
            + allocated(self.description.capacity())
            + allocated(self.unit.capacity())
    }
}

/// The five kinds of metric, with what a reader must know to add points up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MetricKind {
    /// A value that is sampled: the last one counts.
    Gauge,
    /// A value that adds up.
    Sum {
        /// Whether points are totals or increments.
        temporality: Temporality,
        /// Whether it only ever grows (a counter).
        monotonic: bool,
    },
    /// A distribution over fixed buckets.
    Histogram {
        /// Whether points are totals or increments.
        temporality: Temporality,
    },
    /// A distribution over buckets that grow exponentially.
    ExponentialHistogram {
        /// Whether points are totals or increments.
        temporality: Temporality,
    },
    /// Quantiles computed by the sender.
    Summary,
}

impl MetricKind {
    /// Names it: `gauge`, `sum`, `histogram`, `exponential_histogram` or `summary`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Sum { .. } => "sum",
            Self::Histogram { .. } => "histogram",
            Self::ExponentialHistogram { .. } => "exponential_histogram",
            Self::Summary => "summary",
        }
    }

    /// Returns the temporality, where the kind has one.
    pub fn temporality(self) -> Option<Temporality> {
        match self {
            Self::Sum { temporality, .. }
            | Self::Histogram { temporality }
            | Self::ExponentialHistogram { temporality } => Some(temporality),
            Self::Gauge | Self::Summary => None,
        }
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether points are totals since a start, or increments since the point before.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Temporality {
    /// The sender did not say, which the protocol forbids.
    #[default]
    Unspecified,
    /// Increments since the point before.
    Delta,
    /// Totals since a start that stays the same until the process restarts.
    Cumulative,
}

impl fmt::Display for Temporality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Delta => "delta",
            Self::Cumulative => "cumulative",
        })
    }
}

/// The points of one attribute set.
#[derive(Clone, Debug)]
pub struct Series {
    /// Names the series within one receiver: it stays the same while any of its points is held.
    pub id: u64,
    /// The attribute set, ordered by key.
    pub attributes: Arc<Attributes>,
    /// The points held, in the order of arrival. There is at least one.
    pub points: Vec<Arc<Point>>,
}

impl Series {
    /// Returns the newest point.
    pub fn last(&self) -> Option<&Point> {
        self.points.last().map(Arc::as_ref)
    }

    /// Returns the value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.get(key)
    }
}
