//! One connection: its beginning, what passed, and its one end.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::SystemTime;

use campanile_propagation::Carried;
use campanile_recorder::{Handle, Moment};
use campanile_semconv::{attribute as key, event, span, value};
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use opentelemetry::{Context, KeyValue};

use crate::clock::{Long, Units};
use crate::ending::{End, Ending};
use crate::endpoint::Series;
use crate::line::{Birth, Line};
use crate::mark::Mark;
use crate::pings::Pings;
use crate::resume::attempt::Arrival;
use crate::resume::table::{Parted, log_end};
use crate::resume::{Resumption, SessionEnd};
use crate::sessions::Sessions;
use crate::tally::{Direction, Tally};
use crate::{Cause, Fault, Kind, Message};

/// How long counts may wait while a connection is idle: a second.
const TELL_EVERY: u16 = 10;

/// What is known when a connection begins.
pub(crate) struct Beginning<'a> {
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
    /// What the session is, where it may be resumed.
    pub(crate) arrival: Option<&'a Arrival>,
}

/// The record of one connection. Ends itself when dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    line: Line,
    began: Long,
    /// When counts were last told, in tenths of a second, wrapping.
    told: u16,
    /// The span of the upgrade request.
    upgrade: Mark,
    rare: Option<Box<Rare>>,
    ending: Ending,
    /// Of the last heartbeat, in units and one more.
    round_trip: Option<NonZeroU32>,
    tally: Tally,
    pub(crate) pings: Option<Pings>,
    /// When the first message since the last flush was written.
    pub(crate) batch: Option<NonZeroU32>,
    /// Whether a frame of our own still has to be flushed.
    pub(crate) unflushed: bool,
    /// Whether the stream has ended.
    pub(crate) finished: bool,
}

/// What most connections do not have for most of their life.
#[derive(Debug, Default)]
struct Rare {
    /// The context of the upgrade request, where it is more than a span's identity.
    context: Option<Context>,
    /// The pipeline, where it is not that of the sessions.
    recorder: Option<Handle>,
    /// Since when the connection is being closed.
    closing: Option<u32>,
    /// Where the session comes from, if it may be resumed.
    resumption: Option<Resumption>,
}

impl Connection {
    pub(crate) fn begin(sessions: &Sessions, beginning: Beginning<'_>) -> Self {
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
            arrival,
        } = beginning;
        series.active.add(1);
        let mut all = series.common();
        all.push(KeyValue::new(key::SESSION_ID, format!("{id:032x}")));
        all.extend(attributes);
        let mut links = vec![context.span().span_context().clone()];
        links.extend(also);
        let mut name = span::WEBSOCKET_CONNECT;
        if let Some(arrival) = arrival {
            name = arrival.span();
            all.extend(arrival.attributes());
            links.splice(0..0, arrival.links.iter().cloned());
        }
        let moment = Moment {
            name,
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
            parent: parent.as_ref().map(Mark::of),
        };
        let upgrade = Mark::of(context.span().span_context());
        let rare = Rare {
            context: is_more_than_a_mark(&context).then_some(context),
            recorder: (!recorder.is_same(sessions.recorder())).then_some(recorder),
            closing: None,
            resumption: arrival.map(Arrival::resumption),
        };
        let is_needed = rare.context.is_some() || rare.recorder.is_some() || arrival.is_some();
        Self {
            line: sessions.register(series, pings, birth),
            began: sessions.clock().long(),
            told: tenths(sessions.clock().now()),
            upgrade,
            rare: is_needed.then(|| Box::new(rare)),
            ending: Ending::default(),
            round_trip: None,
            tally: Tally::default(),
            pings: pings.then(Pings::default),
            batch: None,
            unflushed: false,
            finished: false,
        }
    }

    /// Whether the session may go on after this connection, and so speaks the contract.
    pub(crate) fn is_resumable(&self) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| rare.resumption.is_some())
    }

    /// Where the session comes from, if it may be resumed.
    pub(crate) fn resumption(&self) -> Option<Resumption> {
        self.rare.as_ref()?.resumption
    }

    pub(crate) fn set_resumption(&mut self, resumption: Resumption) {
        self.rare.get_or_insert_default().resumption = Some(resumption);
    }

    /// The public id of the session.
    pub(crate) fn id(&self) -> u128 {
        self.line.signal().id()
    }

    /// The trace context and the baggage of the upgrade request.
    pub(crate) fn context(&self) -> Context {
        let whole = self.rare.as_ref().and_then(|rare| rare.context.clone());
        whole.unwrap_or_else(|| {
            Context::new().with_remote_span_context(self.upgrade.to_span_context())
        })
    }

    /// A pong of ours came back: what it proves.
    pub(crate) fn answered(&mut self, pong: &[u8]) {
        let now = self.now();
        let answer = self
            .pings
            .as_mut()
            .and_then(|pings| pings.answer(pong, now));
        let Some(answer) = answer else { return };
        let line = &self.line;
        let (limits, series) = (&line.sessions.settings().limits, line.series());
        if answer.heartbeat {
            self.round_trip = NonZeroU32::new(answer.round_trip.saturating_add(1));
            series.heartbeat.record(Units::seconds(answer.round_trip));
        }
        line.flow_if(|flow| flow.receipt(answer.covers, now, limits, series));
    }

    /// When the first message since the last flush was written, which is now if there was none.
    pub(crate) fn batch_began(&mut self) -> u32 {
        match self.batch {
            Some(since) => since.get(),
            None => {
                let now = NonZeroU32::new(self.now()).unwrap_or(NonZeroU32::MIN);
                self.batch.insert(now).get()
            }
        }
    }

    pub(crate) fn take_batch(&mut self) -> Option<u32> {
        self.batch.take().map(NonZeroU32::get)
    }

    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    pub(crate) fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.line.signal().place().is_none()
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
    pub(crate) fn end_of_stream(&mut self) {
        self.ending.ended();
        self.end();
    }

    /// Nothing to read for now: a chance to tell what has gathered, at one clock read.
    pub(crate) fn idle(&mut self) {
        if !self.tally.is_dirty() {
            return;
        }
        let now = self.now();
        if tenths(now).wrapping_sub(self.told) >= TELL_EVERY {
            self.tell(now);
        }
    }

    /// Tells what has gathered.
    pub(crate) fn tell(&mut self, now: u32) {
        self.told = tenths(now);
        self.tally.tell(self.line.series());
    }

    fn closing(&mut self) {
        let now = self.now();
        let rare = self.rare.get_or_insert_default();
        rare.closing.get_or_insert(now);
    }

    fn end(&mut self) {
        let series = self.line.series().clone();
        self.tally.tell(&series);
        let parent = self.line.parent();
        if !self.line.leave() {
            return;
        }
        let end = self.ending.end(series.role);
        let parted = self.part(end);
        let (pending, stalled) = match parted {
            Parted::Detached(pending) => (pending, None),
            Parted::Ended | Parted::Over => self.line.end_flow(),
        };
        series.active.add(-1);
        let life = self.line.sessions.clock().seconds_since(self.began);
        series.duration(end.class).record(life);
        series.disconnects(end.class, end.cause).add(1);

        let mut attributes = series.common();
        let text = |key, value: &'static str| KeyValue::new(key, value);
        let initiator = value::WEBSOCKET_CLOSE_INITIATORS[usize::from(!end.local)];
        let [received, transmitted] = self.tally.totals();
        let id = self.id();
        attributes.extend([
            KeyValue::new(key::SESSION_ID, format!("{id:032x}")),
            text(key::WEBSOCKET_CLOSE_CLASS, end.class.as_str()),
            text(key::WEBSOCKET_CLOSE_CAUSE, end.cause.as_str()),
            text(key::WEBSOCKET_CLOSE_INITIATOR, initiator),
            KeyValue::new(key::WEBSOCKET_RECEIVED_COUNT, i64::from(received)),
            KeyValue::new(key::WEBSOCKET_TRANSMITTED_COUNT, i64::from(transmitted)),
            KeyValue::new(key::WEBSOCKET_PENDING_COUNT, i64::from(pending)),
        ]);
        attributes.extend(
            end.code
                .map(|code| KeyValue::new(key::WEBSOCKET_CLOSE_CODE, i64::from(code))),
        );
        attributes.extend(
            self.round_trip
                .map(|units| Units::seconds(units.get() - 1))
                .map(|seconds| KeyValue::new(key::WEBSOCKET_ROUND_TRIP_TIME, seconds)),
        );
        let sessions = &self.line.sessions;
        if let Some(since) = stalled {
            sessions.stalled(self.line.signal(), parent, since);
        }
        let until = SystemTime::now();
        let rare = self.rare.as_deref();
        let parent = parent.map(Mark::to_span_context);
        let moment = Moment {
            name: span::WEBSOCKET_DISCONNECT,
            start: rare
                .and_then(|rare| rare.closing)
                .map_or(until, |since| sessions.wall(since).min(until)),
            end: until,
            parent: parent.as_ref(),
            sampled_as: Some(id.into()),
            links: &[
                self.line.signal().connect.to_span_context(),
                self.upgrade_span(),
            ],
            attributes,
            error: end.error,
        };
        let recorder = rare.and_then(|rare| rare.recorder.as_ref());
        let told = sessions.moment(recorder.unwrap_or(sessions.recorder()), id, moment);
        if self.is_resumable() && told.is_valid() {
            self.leave_mark(Mark::of(&told));
        }
        if parted == Parted::Ended && told.is_valid() {
            log_end(&series, id, SessionEnd::Client);
        }
        // As many lines as spans: what bounds the one in a storm bounds the other.
        if told.is_valid() {
            self.warn(end.cause, pending);
        }
    }

    /// Lets the session wait for its client, if it is one that may.
    fn part(&self, end: End) -> Parted {
        let hub = self.line.sessions.hub().filter(|_| self.is_resumable());
        hub.map_or(Parted::Over, |hub| {
            hub.part(self.line.signal(), end.detaches())
        })
    }

    /// What comes next in the story of the session links to this span.
    fn leave_mark(&self, mark: Mark) {
        self.line.signal().logical(|logical| {
            logical.mark = mark;
            logical.touch();
        });
    }

    /// The span of the upgrade request, as a link's target.
    fn upgrade_span(&self) -> SpanContext {
        let whole = self.rare.as_ref().and_then(|rare| rare.context.as_ref());
        match whole {
            Some(context) => context.span().span_context().clone(),
            None => self.upgrade.to_span_context(),
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

/// Tenths of a second, wrapping.
#[expect(clippy::cast_possible_truncation, reason = "it wraps by design")]
fn tenths(units: u32) -> u16 {
    (units / 1_000) as u16
}

/// The context of a handshake, for the life of its socket: the span itself ends before, and must not
/// be kept alive, but what it carried goes on.
pub(crate) fn outliving(context: &Context) -> Context {
    let carried = Carried::of(context);
    let span = context.span().span_context().clone();
    let context = context.with_remote_span_context(span);
    match carried {
        Some(carried) => context.with_value(carried),
        None => context,
    }
}

/// Whether a context has a trace state or baggage, which a mark does not hold.
fn is_more_than_a_mark(context: &Context) -> bool {
    let span = context.span();
    let state = span.span_context().trace_state();
    let has_state = *state != TraceState::NONE;
    has_state || !context.baggage().is_empty() || Carried::of(context).is_some()
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
