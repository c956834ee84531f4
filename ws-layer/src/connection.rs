//! One connection: its beginning, what passed, and its one end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use campanile_recorder::{Handle, Moment};
use campanile_semconv::{attribute as key, span, value};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;
use tokio::time::Instant;

use crate::ending::Ending;
use crate::endpoint::Series;
use crate::mark::Mark;
use crate::sessions::{Registered, Sessions};
use crate::tally::{Direction, Tally};
use crate::{Fault, Message};

/// How long counts may wait while a connection is idle.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What is known when a connection begins.
pub(crate) struct Beginning {
    /// When the upgrade was first seen.
    pub(crate) seen: SystemTime,
    /// The span of the upgrade request.
    pub(crate) upgrade: SpanContext,
    /// The pipeline to report spans to.
    pub(crate) recorder: Handle,
    pub(crate) series: Arc<Series>,
    /// More about the connection, for the connect span.
    pub(crate) attributes: Vec<KeyValue>,
}

/// The record of one connection. Ends itself when dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u128,
    series: Arc<Series>,
    recorder: Handle,
    registered: Registered,
    began: Instant,
    told: Instant,
    closing: Option<Instant>,
    upgrade: Mark,
    connect: Mark,
    ending: Ending,
    ended: bool,
    tally: Tally,
}

impl Connection {
    pub(crate) fn begin(sessions: &Sessions, beginning: Beginning) -> Self {
        let Beginning {
            seen,
            upgrade,
            recorder,
            series,
            attributes,
        } = beginning;
        let id = fastrand::u128(1..);
        series.active.add(1);
        let mut all = series.common();
        all.push(KeyValue::new(key::SESSION_ID, format!("{id:032x}")));
        all.extend(attributes);
        let connect = recorder.moment(Moment {
            name: span::WEBSOCKET_CONNECT,
            start: seen,
            end: SystemTime::now(),
            links: std::slice::from_ref(&upgrade),
            attributes: all,
            error: None,
        });
        let now = Instant::now();
        Self {
            id,
            series,
            recorder,
            registered: sessions.register(),
            began: now,
            told: now,
            closing: None,
            upgrade: Mark::of(&upgrade),
            connect: Mark::of(&connect),
            ending: Ending::default(),
            ended: false,
            tally: Tally::default(),
        }
    }

    /// The public id of the session.
    pub(crate) fn id(&self) -> u128 {
        self.id
    }

    pub(crate) fn registered(&self) -> &Registered {
        &self.registered
    }

    pub(crate) fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }

    pub(crate) fn received<M: Message>(&mut self, message: &M) {
        let kind = message.kind();
        self.tally
            .add(Direction::Receive, kind, message.size(), &self.series);
        if kind == crate::Kind::Close {
            self.closing();
            self.ending.received_close(message.close_code());
        }
    }

    pub(crate) fn sent(&mut self, sending: Sending) {
        self.tally.add(
            Direction::Transmit,
            sending.kind,
            sending.size,
            &self.series,
        );
        if sending.kind == crate::Kind::Close {
            self.closing();
            self.ending.sent_close(sending.code);
        }
    }

    /// The sink failed; the stream will say more.
    pub(crate) fn failed<E: Fault>(&mut self, error: &E) {
        self.ending.broke(error.failure());
    }

    /// The stream failed, which is its end.
    pub(crate) fn broke<E: Fault>(&mut self, error: &E) {
        self.ending.broke(error.failure());
        self.end();
    }

    /// The stream ended.
    pub(crate) fn finished(&mut self) {
        self.ending.ended();
        self.end();
    }

    /// Nothing to read for now: a chance to tell what has gathered, at one clock read.
    pub(crate) fn idle(&mut self) {
        if !self.tally.is_dirty() {
            return;
        }
        let now = Instant::now();
        if now.duration_since(self.told) >= TELL_EVERY {
            self.told = now;
            self.tally.tell(&self.series);
        }
    }

    fn closing(&mut self) {
        self.closing.get_or_insert_with(Instant::now);
    }

    fn end(&mut self) {
        self.tally.tell(&self.series);
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.registered.leave();
        let now = Instant::now();
        let end = self.ending.end(self.series.role);
        self.series.active.add(-1);
        let life = now.duration_since(self.began);
        self.series.duration(end.class).record(life.as_secs_f64());
        self.series.disconnects(end.class, end.cause).add(1);

        let mut attributes = self.series.common();
        let text = |key, value: &'static str| KeyValue::new(key, value);
        let initiator = value::WEBSOCKET_CLOSE_INITIATORS[usize::from(!end.local)];
        let count = |total: u64| i64::try_from(total).unwrap_or(i64::MAX);
        let [received, transmitted] = self.tally.totals();
        attributes.extend([
            KeyValue::new(key::SESSION_ID, format!("{:032x}", self.id)),
            text(key::WEBSOCKET_CLOSE_CLASS, end.class.as_str()),
            text(key::WEBSOCKET_CLOSE_CAUSE, end.cause.as_str()),
            text(key::WEBSOCKET_CLOSE_INITIATOR, initiator),
            KeyValue::new(key::WEBSOCKET_RECEIVED_COUNT, count(received)),
            KeyValue::new(key::WEBSOCKET_TRANSMITTED_COUNT, count(transmitted)),
        ]);
        attributes.extend(
            end.code
                .map(|code| KeyValue::new(key::WEBSOCKET_CLOSE_CODE, i64::from(code))),
        );
        let until = SystemTime::now();
        let closing = self.closing.map(|since| now.duration_since(since));
        self.recorder.moment(Moment {
            name: span::WEBSOCKET_DISCONNECT,
            start: until - closing.unwrap_or_default(),
            end: until,
            links: &[
                self.connect.to_span_context(),
                self.upgrade.to_span_context(),
            ],
            attributes,
            error: end.error,
        });
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.ending.dropped(std::thread::panicking());
        self.end();
    }
}

/// What has to be known of a message before it is given away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    pub(crate) kind: crate::Kind,
    size: usize,
    code: Option<u16>,
}

impl Sending {
    pub(crate) fn of<M: Message>(message: &M) -> Self {
        Self {
            kind: message.kind(),
            size: message.size(),
            code: message.close_code(),
        }
    }
}
