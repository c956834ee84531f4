//! One connection: its beginning, what passed, and its one end.

mod beginning;
mod end;

use std::num::NonZeroU32;

use campanile_recorder::Handle;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

use crate::clock::{Long, Units};
use crate::ending::Ending;
use crate::line::Line;
use crate::mark::Mark;
use crate::pings::Pings;
use crate::resume::Resumption;
use crate::tally::{Direction, Tally};
use crate::{Fault, Kind, Message};

pub(crate) use beginning::{Beginning, outliving};

/// How long counts may wait while a connection is idle: a second.
const TELL_EVERY: u16 = 10;

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
