//! Instruments with their attributes bound: told in batches, cheap for each call.

use std::fmt;
use std::sync::Arc;

use campanile_semconv::metric::Metric;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;

/// Opens instruments. Opening is for the beginning of things; keep what it returns.
pub trait Meter: Send + Sync {
    /// Opens one series of a monotonic sum.
    fn counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Counter;

    /// Opens one series of a sum that goes up and down.
    fn up_down_counter(&self, metric: &'static Metric, attributes: &[KeyValue]) -> UpDownCounter;

    /// Opens one series of a distribution.
    fn histogram(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Histogram;

    /// Opens one series of a last value.
    fn gauge(&self, metric: &'static Metric, attributes: &[KeyValue]) -> Gauge;
}

/// Takes additions.
pub trait Count<T>: Send + Sync {
    /// Adds `amount`.
    fn add(&self, amount: T);
}

/// Takes samples.
pub trait Record: Send + Sync {
    /// Records `value`, `times` times over.
    fn record_many(&self, value: f64, times: u64);

    /// Records `value`, which was measured inside the span of `span`: a pipeline may keep it as an
    /// exemplar.
    ///
    /// Default: the span is not looked at.
    fn record_in(&self, value: f64, span: &SpanContext) {
        let _ = span;
        self.record_many(value, 1);
    }
}

macro_rules! handle {
    ($(#[$doc:meta])+ $name:ident($sink:ty) { $($method:tt)+ }) => {
        $(#[$doc])+
        #[derive(Clone)]
        pub struct $name(Arc<$sink>);

        impl $name {
            /// Wraps what a pipeline offers.
            pub fn new(sink: Arc<$sink>) -> Self {
                Self(sink)
            }

            $($method)+
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

handle! {
    /// One series of a monotonic sum.
    Counter(dyn Count<u64>) {
        /// Adds `amount`.
        #[inline]
        pub fn add(&self, amount: u64) {
            self.0.add(amount);
        }
    }
}

handle! {
    /// One series of a sum that goes up and down.
    UpDownCounter(dyn Count<i64>) {
        /// Adds `amount`, which may be negative.
        #[inline]
        pub fn add(&self, amount: i64) {
            self.0.add(amount);
        }
    }
}

handle! {
    /// One series of a distribution.
    Histogram(dyn Record) {
        /// Records one sample.
        #[inline]
        pub fn record(&self, value: f64) {
            self.0.record_many(value, 1);
        }

        /// Records one sample that was measured inside a span, which may become an exemplar.
        #[inline]
        pub fn record_in(&self, value: f64, span: &SpanContext) {
            self.0.record_in(value, span);
        }

        /// Records the same sample `times` times.
        #[inline]
        pub fn record_many(&self, value: f64, times: u64) {
            self.0.record_many(value, times);
        }
    }
}

handle! {
    /// One series of a last value.
    Gauge(dyn Record) {
        /// Sets the value.
        #[inline]
        pub fn set(&self, value: f64) {
            self.0.record_many(value, 1);
        }
    }
}
