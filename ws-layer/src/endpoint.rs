//! The instruments of one endpoint, opened once.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use campanile_recorder::{Counter, Gauge, Handle, Histogram, UpDownCounter};
use campanile_semconv::{attribute as key, metric, value};
use opentelemetry::KeyValue;

use crate::handshake::Refusal;
use crate::ledger::Outcome;
use crate::settings::{ClassId, MessageClass, Settings, Stage};
use crate::stamp::{Origin, Stamp};
use crate::{Cause, Class, Kind};

/// How many endpoint names a process keeps; later ones are counted as `_other`.
pub(crate) const MAX_ENDPOINTS: usize = 8;

/// Which side of its connections this process is (`websocket.role`).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Role {
    /// It accepted them. The default.
    #[default]
    Server,
    /// It opened them.
    Client,
}

impl Role {
    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => value::WEBSOCKET_ROLES[0],
            Self::Client => value::WEBSOCKET_ROLES[1],
        }
    }
}

/// Whose clock disagreed (`websocket.clock.source`), in the order of the declared set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anomaly {
    Node,
    Client,
    Step,
}

/// Why a connection was not let in (`websocket.admission.reason`), in the order of the declared set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reject {
    Rate,
    Drain,
    Limit,
}

/// Every series of one endpoint and role, bound to its attributes.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) endpoint: &'static str,
    pub(crate) role: Role,
    pub(crate) active: UpDownCounter,
    pub(crate) messages: [[Counter; 5]; 2],
    pub(crate) bytes: [Counter; 2],
    pub(crate) flush: Histogram,
    pub(crate) heartbeat: Histogram,
    pub(crate) timeouts: Counter,
    pub(crate) queue_length: UpDownCounter,
    pub(crate) queue_size: UpDownCounter,
    pub(crate) oldest_flush: Gauge,
    pub(crate) oldest_receipt: Gauge,
    pub(crate) classes: Vec<ClassSeries>,
    rare: Rare,
    recorder: Handle,
}

/// Series that are opened when they are first needed, as most of them never are.
#[derive(Debug, Default)]
struct Rare {
    durations: [OnceLock<Histogram>; 16],
    disconnects: [[OnceLock<Counter>; 10]; 16],
    accepted: OnceLock<Histogram>,
    refused: [OnceLock<Histogram>; 6],
}

/// The series of one message class.
#[derive(Debug)]
pub(crate) struct ClassSeries {
    pub(crate) accepted: Counter,
    pub(crate) outcomes: [Counter; 7],
    pub(crate) pending: UpDownCounter,
    ages: [Histogram; 4],
}

impl Series {
    pub(crate) fn open(
        recorder: &Handle,
        endpoint: &'static str,
        role: Role,
        settings: &Settings,
    ) -> Self {
        let meter = recorder.meter();
        let attributes = common(endpoint, role);
        let with = |more: &[KeyValue]| [&attributes, more].concat();
        let direction = |i: usize| {
            KeyValue::new(
                key::WEBSOCKET_MESSAGE_DIRECTION,
                value::WEBSOCKET_DIRECTIONS[i],
            )
        };
        let messages = |i| {
            Kind::ALL.map(|kind| {
                let kind = KeyValue::new(key::WEBSOCKET_MESSAGE_TYPE, kind.as_str());
                meter.counter(&metric::WEBSOCKET_MESSAGES, &with(&[direction(i), kind]))
            })
        };
        let bytes = |i| meter.counter(&metric::WEBSOCKET_IO, &with(&[direction(i)]));
        let oldest = |stage: Stage| {
            let stage = KeyValue::new(key::WEBSOCKET_DELIVERY_STAGE, stage.as_str());
            meter.gauge(&metric::WEBSOCKET_DELIVERY_OLDEST_AGE, &with(&[stage]))
        };
        Self {
            endpoint,
            role,
            active: meter.up_down_counter(&metric::WEBSOCKET_CONNECTION_ACTIVE, &attributes),
            messages: [messages(0), messages(1)],
            bytes: [bytes(0), bytes(1)],
            flush: meter.histogram(&metric::WEBSOCKET_FLUSH_DURATION, &attributes),
            heartbeat: meter.histogram(&metric::WEBSOCKET_HEARTBEAT_DURATION, &attributes),
            timeouts: meter.counter(&metric::WEBSOCKET_HEARTBEAT_TIMEOUTS, &attributes),
            queue_length: meter.up_down_counter(&metric::WEBSOCKET_QUEUE_LENGTH, &attributes),
            queue_size: meter.up_down_counter(&metric::WEBSOCKET_QUEUE_SIZE, &attributes),
            oldest_flush: oldest(Stage::Flush),
            oldest_receipt: oldest(Stage::Receipt),
            classes: settings
                .classes
                .iter()
                .map(|class| ClassSeries::open(recorder, &attributes, class))
                .collect(),
            rare: Rare::default(),
            recorder: recorder.clone(),
        }
    }

    pub(crate) fn recorder(&self) -> &Handle {
        &self.recorder
    }

    /// The ages of a class at a stage.
    pub(crate) fn age(&self, class: ClassId, stage: Stage) -> &Histogram {
        &self.classes[usize::from(class.0)].ages[stage as usize]
    }

    /// The series of handshakes that ended so.
    pub(crate) fn handshake(&self, refusal: Option<Refusal>) -> &Histogram {
        let slot = match refusal {
            None => &self.rare.accepted,
            Some(refusal) => &self.rare.refused[refusal as usize],
        };
        slot.get_or_init(|| {
            let mut attributes = self.common();
            let error = refusal.map(|refusal| KeyValue::new(key::ERROR_TYPE, refusal.as_str()));
            attributes.extend(error);
            let meter = self.recorder.meter();
            meter.histogram(&metric::WEBSOCKET_HANDSHAKE_DURATION, &attributes)
        })
    }

    /// Compares our wall clock with the one that a stamp brings along, if it does.
    pub(crate) fn compare(&self, class: ClassId, stamp: Stamp) {
        let Some((origin, made)) = stamp.origin() else {
            return;
        };
        let age = SystemTime::now().duration_since(made);
        if origin == Origin::Node {
            let seconds = age.as_ref().map_or(0.0, Duration::as_secs_f64);
            self.age(class, Stage::Origin).record(seconds);
        }
        if age.is_err() {
            self.anomaly(match origin {
                Origin::Node => Anomaly::Node,
                Origin::Client => Anomaly::Client,
            });
        }
    }

    /// Counts a disagreement of clocks.
    pub(crate) fn anomaly(&self, source: Anomaly) {
        let source = value::WEBSOCKET_CLOCK_SOURCES[source as usize];
        let mut attributes = self.common();
        attributes.push(KeyValue::new(key::WEBSOCKET_CLOCK_SOURCE, source));
        let meter = self.recorder.meter();
        let counter = meter.counter(&metric::WEBSOCKET_DELIVERY_CLOCK_ANOMALIES, &attributes);
        counter.add(1);
    }

    /// Counts a connection that was not let in.
    pub(crate) fn rejected(&self, reason: Reject) {
        let mut attributes = self.common();
        let reason = value::WEBSOCKET_ADMISSION_REASONS[reason as usize];
        attributes.push(KeyValue::new(key::WEBSOCKET_ADMISSION_REASON, reason));
        let meter = self.recorder.meter();
        let counter = meter.counter(&metric::WEBSOCKET_ADMISSION_REJECTS, &attributes);
        counter.add(1);
    }

    /// The series of connections' lives that ended in this class.
    pub(crate) fn duration(&self, class: Class) -> &Histogram {
        self.rare.durations[class as usize].get_or_init(|| {
            let mut attributes = self.common();
            attributes.push(KeyValue::new(key::WEBSOCKET_CLOSE_CLASS, class.as_str()));
            let meter = self.recorder.meter();
            meter.histogram(&metric::WEBSOCKET_CONNECTION_DURATION, &attributes)
        })
    }

    /// The series of ends of this class and cause.
    pub(crate) fn disconnects(&self, class: Class, cause: Cause) -> &Counter {
        self.rare.disconnects[class as usize][cause as usize].get_or_init(|| {
            let mut attributes = self.common();
            attributes.push(KeyValue::new(key::WEBSOCKET_CLOSE_CLASS, class.as_str()));
            attributes.push(KeyValue::new(key::WEBSOCKET_CLOSE_CAUSE, cause.as_str()));
            let meter = self.recorder.meter();
            meter.counter(&metric::WEBSOCKET_DISCONNECTS, &attributes)
        })
    }

    /// The attributes that every signal of the endpoint carries.
    pub(crate) fn common(&self) -> Vec<KeyValue> {
        common(self.endpoint, self.role).to_vec()
    }
}

fn common(endpoint: &'static str, role: Role) -> [KeyValue; 2] {
    [
        KeyValue::new(key::WEBSOCKET_ENDPOINT, endpoint),
        KeyValue::new(key::WEBSOCKET_ROLE, role.as_str()),
    ]
}

impl ClassSeries {
    fn open(recorder: &Handle, common: &[KeyValue], class: &MessageClass) -> Self {
        let meter = recorder.meter();
        let class = KeyValue::new(key::WEBSOCKET_MESSAGE_CLASS, class.name);
        let attributes = [common, &[class]].concat();
        let with = |more: KeyValue| [&attributes[..], &[more]].concat();
        let stages = [Stage::Origin, Stage::Flush, Stage::Receipt, Stage::AppAck];
        Self {
            accepted: meter.counter(&metric::WEBSOCKET_DELIVERY_ACCEPTED, &attributes),
            outcomes: Outcome::ALL.map(|outcome| {
                let outcome = KeyValue::new(key::WEBSOCKET_DELIVERY_OUTCOME, outcome.as_str());
                meter.counter(&metric::WEBSOCKET_DELIVERY_MESSAGES, &with(outcome))
            }),
            pending: meter.up_down_counter(&metric::WEBSOCKET_DELIVERY_PENDING, &attributes),
            ages: stages.map(|stage| {
                let stage = KeyValue::new(key::WEBSOCKET_DELIVERY_STAGE, stage.as_str());
                meter.histogram(&metric::WEBSOCKET_DELIVERY_AGE, &with(stage))
            }),
        }
    }
}
