//! Metrics of our own layers: a closed set, kept in atomics and collected beside the SDK's.
//!
//! A series is opened once and held by its handle. Recording touches one stripe of cells, which
//! threads share only when there are more of them than stripes; nothing is looked up, locked or
//! allocated.
//!
//! What it may occupy is known: a sum takes 128 bytes for each stripe (4 to 16 of them, by the
//! machine), a distribution 256 bytes for each stripe and, once it is told of sampled
//! spans, 1.2 KiB for its exemplars; an instrument has at most 2,000 series or what
//! `CAMPANILE_TELEMETRY_CARDINALITY` says.
//!
//! Several threads may record while a collection reads: every measurement is in exactly one
//! interval, and a count is always the sum of its buckets. The `sum` may be a few measurements
//! ahead of the count, and in delta temporality `min` and `max` of a measurement may fall into the
//! interval before; an interval that knows neither leaves them out.

mod bounds;
mod collect;
mod distribution;
mod exemplar;
mod last;
mod registry;
mod split;
mod sum;
#[cfg(test)]
mod tests;

pub(crate) use self::exemplar::Filter;
pub(crate) use self::registry::{DEFAULT_CAP, Registry};
pub(crate) use self::split::WithoutHistograms;
