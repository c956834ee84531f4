//! The series of resumed and ended sessions: rare, so they are opened when they are needed.

use campanile_semconv::{attribute as key, metric};
use opentelemetry::KeyValue;

use super::ladder::{Rung, SessionEnd};
use crate::Cause;
use crate::endpoint::Series;

impl Series {
    fn with(&self, more: impl IntoIterator<Item = KeyValue>) -> Vec<KeyValue> {
        let mut attributes = self.common();
        attributes.extend(more);
        attributes
    }

    pub(crate) fn resume_attempt(&self, rung: Rung, before: Option<Cause>) {
        let cause = before.map(|cause| KeyValue::new(key::WEBSOCKET_CLOSE_CAUSE, cause.as_str()));
        let attributes = self.with([result(rung)].into_iter().chain(cause));
        let meter = self.recorder().meter();
        let counter = meter.counter(&metric::WEBSOCKET_RESUME_ATTEMPTS, &attributes);
        counter.add(1);
    }

    /// `seconds` from the last byte of the old connection to the new hello.
    pub(crate) fn resume_gap(&self, rung: Rung, seconds: f64) {
        let meter = self.recorder().meter();
        let attributes = self.with([result(rung)]);
        let histogram = meter.histogram(&metric::WEBSOCKET_RESUME_GAP, &attributes);
        histogram.record(seconds);
    }

    pub(crate) fn resume_replayed(&self, rung: Rung, messages: u32) {
        let meter = self.recorder().meter();
        let attributes = self.with([result(rung)]);
        let histogram = meter.histogram(&metric::WEBSOCKET_RESUME_REPLAYED, &attributes);
        histogram.record(f64::from(messages));
    }

    /// More or fewer sessions wait for their client.
    pub(crate) fn detached(&self, change: i64) {
        let meter = self.recorder().meter();
        let gauge = meter.up_down_counter(&metric::WEBSOCKET_SESSION_DETACHED, &self.common());
        gauge.add(change);
    }

    /// A session lost its connection.
    pub(crate) fn detachment(&self) {
        let meter = self.recorder().meter();
        let counter = meter.counter(&metric::WEBSOCKET_SESSION_DETACHMENTS, &self.common());
        counter.add(1);
    }

    pub(crate) fn session_ended(&self, end: SessionEnd) {
        let end = KeyValue::new(key::WEBSOCKET_SESSION_END, end.as_str());
        let meter = self.recorder().meter();
        let counter = meter.counter(&metric::WEBSOCKET_SESSION_ENDS, &self.with([end]));
        counter.add(1);
    }
}

fn result(rung: Rung) -> KeyValue {
    KeyValue::new(key::WEBSOCKET_RESUME_RESULT, rung.as_str())
}
