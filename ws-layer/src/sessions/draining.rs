//! The end of a process: every client is sent away, and comes back no faster than others take them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use campanile_recorder::{Gauge, Moment};
use campanile_semconv::{attribute as key, event, metric, span};
use opentelemetry::KeyValue;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Drained, Open, Sessions};
use crate::line::{Order, Signal};
use crate::resume::drain::Plan;

const TICK: Duration = Duration::from_millis(50);
/// Ticks between two words in the log.
const WORD: u32 = 20;
/// How long those that are cut off may take to notice.
const LAST: Duration = Duration::from_millis(500);

/// A drain that has begun.
pub(super) struct Drain {
    began: Instant,
    plan: Plan,
}

impl Sessions {
    /// Closes every session with code 1012 (service restart) and waits until they have ended, for
    /// at most `deadline`. From now on new upgrades are answered with `503`.
    ///
    /// Clients leave in batches, no faster than four fifths of what the rest of the service takes
    /// ([`Builder::peers_admit`](crate::Builder::peers_admit)) unless the deadline asks for it; one
    /// that can resume is told in the reason when to come back, so that they do not arrive faster
    /// either, unless they would come after the
    /// [window](crate::resume::Resume::window) of their session. What is still open after the deadline is cut off: its stream ends. Sessions that can
    /// be resumed are handed to the store, with all that was queued for them; a store that fails then
    /// is asked for three seconds more.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        let (began, start) = (Instant::now(), SystemTime::now());
        let until = began + deadline;
        let leaving: Vec<Arc<Signal>> = {
            let mut open = self.lock();
            let rate = self.settings().admit_rate();
            let window = self.hub().map(|hub| hub.settings.window);
            let plan = Plan::new(rate, open.registry.len(), deadline, window);
            // One that was begun before goes on giving out its slots.
            open.drain.get_or_insert(Drain { began, plan });
            open.registry.iter().cloned().collect()
        };
        let before = leaving.len();
        let meter = self.recorder().meter();
        let gauge = meter.gauge(&metric::WEBSOCKET_DRAIN_REMAINING, &[]);
        self.send_away(leaving, (began, until), &gauge).await;
        let remaining = self.open();
        if remaining > 0 {
            order_all(&self.lock(), Order::Cut);
            if self.hub().is_some() {
                let _ = timeout_at(Instant::now() + LAST, self.emptied()).await;
            }
        }
        let lost = match self.hub() {
            Some(hub) => hub.leave(self, until).await,
            None => 0,
        };
        gauge.set(0.0);
        let drained = Drained {
            closed: before.saturating_sub(remaining),
            remaining,
            lost,
        };
        let count = |key, count| KeyValue::new(key, int(count));
        self.recorder().moment(Moment {
            name: span::WEBSOCKET_DRAIN,
            start,
            end: SystemTime::now(),
            parent: None,
            sampled_as: None,
            links: &[],
            attributes: vec![
                count(key::WEBSOCKET_CLOSED_COUNT, drained.closed),
                count(key::WEBSOCKET_REMAINING_COUNT, drained.remaining),
                count(key::WEBSOCKET_LOST_COUNT, drained.lost),
            ],
            error: None,
        });
        drained
    }

    /// Orders each session to close when its time has come, and waits until all are gone or the
    /// time is over.
    async fn send_away(
        &self,
        leaving: Vec<Arc<Signal>>,
        (began, until): (Instant, Instant),
        gauge: &Gauge,
    ) {
        let mut leaving = leaving.into_iter().enumerate().peekable();
        let mut tick = 0;
        loop {
            let next = TICK * (tick + 1);
            let mut under_way = self.open().saturating_sub(leaving.len());
            let is_told = |client, under_way| {
                let told = self.planned(|plan, _| plan.is_told(client, next, under_way));
                told.unwrap_or(true)
            };
            while let Some((_, signal)) = leaving.next_if(|(i, _)| is_told(*i, under_way)) {
                signal.order(Order::Drain);
                under_way += 1;
            }
            let remaining = self.open();
            gauge.set(float(remaining));
            if tick % WORD == WORD - 1 {
                tracing::info!(
                    target: "campanile",
                    event = event::WEBSOCKET_DRAIN_PROGRESS,
                    { key::WEBSOCKET_REMAINING_COUNT } = int(remaining),
                    "websocket sessions still to leave: {remaining}",
                );
            }
            let step = (began + next).min(until);
            if leaving.peek().is_some() {
                sleep_until(step).await;
            } else if timeout_at(step, self.emptied()).await.is_ok() {
                return;
            }
            if step >= until {
                return;
            }
            tick += 1;
        }
    }

    /// Works on the plan of the drain that has begun, if one has, at this time since then.
    fn planned<T>(&self, work: impl FnOnce(&mut Plan, Duration) -> T) -> Option<T> {
        let mut open = self.lock();
        let Drain { began, plan } = open.drain.as_mut()?;
        Some(work(plan, began.elapsed()))
    }

    /// How many milliseconds a client that is told to leave now is to stay away. Its slot is taken.
    pub(crate) fn slot(&self) -> u32 {
        self.planned(Plan::slot).map_or(0, millis)
    }

    /// For how many milliseconds slots are taken.
    pub(super) fn slots_ahead(&self) -> u32 {
        let ahead = self.planned(|plan, now| plan.ahead(now));
        ahead.map_or(0, millis)
    }

    async fn emptied(&self) {
        loop {
            let left = self.0.left.notified();
            if self.open() == 0 {
                return;
            }
            left.await;
        }
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn order_all(open: &Open, order: Order) {
    for signal in open.registry.iter() {
        signal.order(order);
    }
}

fn int(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "far below the limit")]
fn float(count: usize) -> f64 {
    count as f64
}
