//! The instruments of one endpoint, opened once.

use campanile_recorder::{Counter, Handle, Histogram, UpDownCounter};
use campanile_semconv::{attribute as key, metric, value};
use opentelemetry::KeyValue;

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

/// Every series of one endpoint and role, bound to its attributes.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) endpoint: &'static str,
    pub(crate) role: Role,
    pub(crate) active: UpDownCounter,
    pub(crate) messages: [[Counter; 5]; 2],
    pub(crate) bytes: [Counter; 2],
    recorder: Handle,
}

impl Series {
    pub(crate) fn open(recorder: &Handle, endpoint: &'static str, role: Role) -> Self {
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
        Self {
            endpoint,
            role,
            active: meter.up_down_counter(&metric::WEBSOCKET_CONNECTION_ACTIVE, &attributes),
            messages: [messages(0), messages(1)],
            bytes: [bytes(0), bytes(1)],
            recorder: recorder.clone(),
        }
    }

    /// The series of connections' lives that ended in this class.
    pub(crate) fn duration(&self, class: Class) -> Histogram {
        let mut attributes = self.common();
        attributes.push(KeyValue::new(key::WEBSOCKET_CLOSE_CLASS, class.as_str()));
        let meter = self.recorder.meter();
        meter.histogram(&metric::WEBSOCKET_CONNECTION_DURATION, &attributes)
    }

    /// The series of ends of this class and cause.
    pub(crate) fn disconnects(&self, class: Class, cause: Cause) -> Counter {
        let mut attributes = self.common();
        attributes.push(KeyValue::new(key::WEBSOCKET_CLOSE_CLASS, class.as_str()));
        attributes.push(KeyValue::new(key::WEBSOCKET_CLOSE_CAUSE, cause.as_str()));
        let meter = self.recorder.meter();
        meter.counter(&metric::WEBSOCKET_DISCONNECTS, &attributes)
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
