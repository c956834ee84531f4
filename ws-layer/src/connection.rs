//! One connection: its beginning, what passed, and its one end.

use std::sync::Arc;
use std::time::SystemTime;

use campanile_recorder::{Handle, Moment};
use campanile_semconv::{attribute as key, event, span, value};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tokio::time::Instant;

use crate::clock::{Units, age};
use crate::ending::Ending;
use crate::endpoint::Series;
use crate::line::{Birth, Line};
use crate::mark::Mark;
use crate::sessions::Sessions;
use crate::tally::{Direction, Tally};
use crate::{Cause, Fault, Kind, Message};

/// How long counts may wait while a connection is idle: a second.
const TELL_EVERY: u32 = 10_000;

/// What is known when a connection begins.
pub(crate) struct Beginning {
    /// When the upgrade was first seen.
    pub(crate) seen: SystemTime,
    /// The context of the upgrade request, its span being a mere reference by now.
    pub(crate) context: Context,
    /// The client's span, where it is to be the parent of the session's spans.
    pub(crate) parent: Option<SpanContext>,
    /// Other spans that led here, as the client said.
    pub(crate) also: Vec<SpanContext>,
    /// The pipeline to report spans to.
    pub(crate) recorder: Handle,
    pub(crate) series: Arc<Series>,
    /// More about the connection, for the connect span.
    pub(crate) attributes: Vec<KeyValue>,
    /// The session's id.
    pub(crate) id: u128,
    /// Whether the peer is pinged.
    pub(crate) pings: bool,
}

/// The record of one connection. Ends itself when dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    line: Line,
    recorder: Handle,
    began: Instant,
    told: u32,
    closing: Option<u32>,
    context: Context,
    ending: Ending,
    ended: bool,
    pub(crate) round_trip: Option<u32>,
    tally: Tally,
}

impl Connection {
    pub(crate) fn begin(sessions: &Sessions, beginning: Beginning) -> Self {
        let Beginning {
            seen,
            context,
            parent,
            also,
            recorder,
            series,
            attributes,
            id,
            pings,
        } = beginning;
        series.active.add(1);
        let mut all = series.common();
        all.push(KeyValue::new(key::SESSION_ID, format!("{id:032x}")));
        all.extend(attributes);
        let mut links = vec![context.span().span_context().clone()];
        links.extend(also);
        let moment = Moment {
            name: span::WEBSOCKET_CONNECT,
            start: seen,
            end: SystemTime::now(),
            parent: parent.as_ref(),
            sampled_as: Some(id.into()),
            links: &links,
            attributes: all,
            error: None,
        };
        let connect = sessions.moment(&recorder, id, moment);
        let connect = Mark::of(&connect);
        let birth = Birth {
            id,
            connect,
            parent,
        };
        Self {
            line: sessions.register(series, pings, birth),
            recorder,
            began: Instant::now(),
            told: sessions.clock().now(),
            closing: None,
            context,
            ending: Ending::default(),
            ended: false,
            round_trip: None,
            tally: Tally::default(),
        }
    }

    /// The public id of the session.
    pub(crate) fn id(&self) -> u128 {
        self.line.signal().id
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    pub(crate) fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn now(&self) -> u32 {
        self.line.sessions.clock().now()
    }

    pub(crate) fn received<M: Message>(&mut self, message: &M) {
        let kind = message.kind();
        let series = self.line.series();
        self.tally
            .add(Direction::Receive, kind, message.size(), series);
        if kind == Kind::Close {
            self.closing();
            self.ending.received_close(message.close_code());
        }
    }

    pub(crate) fn sent(&mut self, sending: Sending) {
        let series = self.line.series();
        self.tally
            .add(Direction::Transmit, sending.kind, sending.size, series);
        if sending.kind == Kind::Close {
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
        let now = self.now();
        if age(now, self.told) >= TELL_EVERY {
            self.tell(now);
        }
    }

    /// Tells what has gathered.
    pub(crate) fn tell(&mut self, now: u32) {
        self.told = now;
        self.tally.tell(self.line.series());
    }

    fn closing(&mut self) {
        if self.closing.is_none() {
            self.closing = Some(self.now());
        }
    }

    fn end(&mut self) {
        let series = self.line.series().clone();
        self.tally.tell(&series);
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.line.leave();
        let (pending, stalled) = self.line.end_flow();
        let end = self.ending.end(series.role);
        series.active.add(-1);
        let life = self.began.elapsed().as_secs_f64();
        series.duration(end.class).record(life);
        series.disconnects(end.class, end.cause).add(1);

        let mut attributes = series.common();
        let text = |key, value: &'static str| KeyValue::new(key, value);
        let initiator = value::WEBSOCKET_CLOSE_INITIATORS[usize::from(!end.local)];
        let count = |total: u64| i64::try_from(total).unwrap_or(i64::MAX);
        let [received, transmitted] = self.tally.totals();
        let id = self.id();
        attributes.extend([
            KeyValue::new(key::SESSION_ID, format!("{id:032x}")),
            text(key::WEBSOCKET_CLOSE_CLASS, end.class.as_str()),
            text(key::WEBSOCKET_CLOSE_CAUSE, end.cause.as_str()),
            text(key::WEBSOCKET_CLOSE_INITIATOR, initiator),
            KeyValue::new(key::WEBSOCKET_RECEIVED_COUNT, count(received)),
            KeyValue::new(key::WEBSOCKET_TRANSMITTED_COUNT, count(transmitted)),
            KeyValue::new(key::WEBSOCKET_PENDING_COUNT, i64::from(pending)),
        ]);
        attributes.extend(
            end.code
                .map(|code| KeyValue::new(key::WEBSOCKET_CLOSE_CODE, i64::from(code))),
        );
        attributes.extend(
            self.round_trip
                .map(|units| KeyValue::new(key::WEBSOCKET_ROUND_TRIP_TIME, Units::seconds(units))),
        );
        let sessions = &self.line.sessions;
        if let Some(since) = stalled {
            sessions.stalled(self.line.signal(), since);
        }
        let until = SystemTime::now();
        let parent = self.line.signal().parent();
        let moment = Moment {
            name: span::WEBSOCKET_DISCONNECT,
            start: self
                .closing
                .map_or(until, |since| sessions.wall(since).min(until)),
            end: until,
            parent: parent.as_ref(),
            sampled_as: Some(id.into()),
            links: &[
                self.line.signal().connect.to_span_context(),
                self.context.span().span_context().clone(),
            ],
            attributes,
            error: end.error,
        };
        let told = sessions.moment(&self.recorder, id, moment);
        // As many lines as spans: what bounds the one in a storm bounds the other.
        if told.is_valid() {
            self.warn(end.cause, pending);
        }
    }

    /// Says in the log that a peer was given up, and how much was waiting for it.
    fn warn(&self, cause: Cause, pending: u32) {
        let event = match cause {
            Cause::Heartbeat => event::WEBSOCKET_HEARTBEAT_LOST,
            Cause::SlowConsumer => event::WEBSOCKET_SLOW_CONSUMER,
            _ => return,
        };
        tracing::warn!(
            target: "campanile",
            event,
            { key::SESSION_ID } = format!("{:032x}", self.id()),
            { key::WEBSOCKET_ENDPOINT } = self.line.series().endpoint,
            { key::WEBSOCKET_PENDING_COUNT } = pending,
            "gave up a websocket peer: {}",
            cause.as_str(),
        );
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
    pub(crate) kind: Kind,
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
