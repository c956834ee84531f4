//! How a connection ends: counted once, told once, and the session left to wait if it may.

use std::time::SystemTime;

use campanile_recorder::Moment;
use campanile_semconv::{attribute as key, event, span, value};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, TraceContextExt};

use super::Connection;
use crate::Cause;
use crate::clock::Units;
use crate::ending::End;
use crate::mark::Mark;
use crate::resume::SessionEnd;
use crate::resume::table::{Parted, log_end};

impl Connection {
    /// Ends it, unless it has ended.
    pub(super) fn end(&mut self) {
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
