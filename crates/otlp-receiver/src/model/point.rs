//! One value of a metric at one time: a number or a distribution.

use std::fmt;
use std::time::SystemTime;

use super::{Attributes, SpanId, TraceId, allocated};

/// One value at one time.
#[derive(Clone, Debug)]
pub struct Point {
    /// Position in the order of arrival, over all signals; never repeats in one receiver.
    pub seq: u64,
    /// When it arrived here.
    pub received: SystemTime,
    /// Since when it counts, in nanoseconds since 1970; zero if unknown.
    pub start_unix_nano: u64,
    /// Up to when it counts, in nanoseconds since 1970.
    pub time_unix_nano: u64,
    /// Bit 0: no value was recorded (the series ended).
    pub flags: u32,
    /// Single measurements kept as examples.
    pub exemplars: Vec<Exemplar>,
    /// The value.
    pub value: PointValue,
}

impl Point {
    /// Says whether it only marks that the series ended.
    pub fn is_no_recorded_value(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Estimates what it occupies.
    pub(crate) fn bytes(&self) -> usize {
        let exemplars: usize = self.exemplars.iter().map(Exemplar::bytes).sum();
        size_of::<Self>() + exemplars + self.value.heap_bytes()
    }
}

/// The value of a [`Point`].
#[derive(Clone, Debug, PartialEq)]
pub enum PointValue {
    /// Of a gauge or sum. None when the sender set no value.
    Number(Option<Number>),
    /// Of a histogram.
    Histogram(Histogram),
    /// Of an exponential histogram.
    ExponentialHistogram(ExponentialHistogram),
    /// Of a summary.
    Summary(Summary),
}

impl PointValue {
    /// Returns the number of a gauge or sum.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.map(Number::as_f64),
            _ => None,
        }
    }

    /// Returns how many measurements a distribution counted.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Number(_) => None,
            Self::Histogram(histogram) => Some(histogram.count),
            Self::ExponentialHistogram(histogram) => Some(histogram.count),
            Self::Summary(summary) => Some(summary.count),
        }
    }

    /// Returns the sum of the measurements of a distribution.
    pub fn sum(&self) -> Option<f64> {
        match self {
            Self::Number(_) => None,
            Self::Histogram(histogram) => histogram.sum,
            Self::ExponentialHistogram(histogram) => histogram.sum,
            Self::Summary(summary) => Some(summary.sum),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Number(_) => 0,
            Self::Histogram(histogram) => {
                allocated(histogram.bounds.capacity() * 8)
                    + allocated(histogram.bucket_counts.capacity() * 8)
            }
            Self::ExponentialHistogram(histogram) => {
                allocated(histogram.positive.counts.capacity() * 8)
                    + allocated(histogram.negative.counts.capacity() * 8)
            }
            Self::Summary(summary) => allocated(summary.quantiles.capacity() * 16),
        }
    }
}

/// A number, as sent: integers stay integers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A signed 64-bit integer.
    Int(i64),
    /// A double.
    Double(f64),
}

impl Number {
    /// Returns it as a double; integers beyond 2^53 are rounded.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Double(number) => number,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Double(number) => write!(f, "{number:?}"),
        }
    }
}

/// A distribution over fixed buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How many measurements.
    pub count: u64,
    /// Their sum, if the sender kept it.
    pub sum: Option<f64>,
    /// The smallest, if the sender kept it.
    pub min: Option<f64>,
    /// The largest, if the sender kept it.
    pub max: Option<f64>,
    /// Upper bounds of all buckets but the last, which has none.
    pub bounds: Vec<f64>,
    /// Measurements in each bucket (not accumulated): one more than `bounds`, or empty.
    pub bucket_counts: Vec<u64>,
}

/// A distribution over buckets whose bounds are powers of `2^(2^-scale)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExponentialHistogram {
    /// How many measurements.
    pub count: u64,
    /// Their sum, if the sender kept it.
    pub sum: Option<f64>,
    /// The smallest, if the sender kept it.
    pub min: Option<f64>,
    /// The largest, if the sender kept it.
    pub max: Option<f64>,
    /// The resolution.
    pub scale: i32,
    /// Measurements within `zero_threshold` of zero.
    pub zero_count: u64,
    /// Half-width of the zero bucket.
    pub zero_threshold: f64,
    /// Buckets of positive measurements.
    pub positive: Buckets,
    /// Buckets of negative measurements.
    pub negative: Buckets,
}

/// One side of an [`ExponentialHistogram`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Buckets {
    /// Index of the first bucket.
    pub offset: i32,
    /// Measurements in each bucket from there on.
    pub counts: Vec<u64>,
}

/// Quantiles computed by the sender.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many measurements.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Pairs of quantile (0 to 1) and value.
    pub quantiles: Vec<(f64, f64)>,
}

/// One measurement kept as an example.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// When it was measured, in nanoseconds since 1970.
    pub time_unix_nano: u64,
    /// Its value. None when the sender set none.
    pub value: Option<Number>,
    /// Attributes that the series does not keep.
    pub filtered_attributes: Attributes,
    /// The trace it was measured in.
    pub trace_id: Option<TraceId>,
    /// The span it was measured in.
    pub span_id: Option<SpanId>,
}

impl Exemplar {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.filtered_attributes.heap_bytes()
    }
}
