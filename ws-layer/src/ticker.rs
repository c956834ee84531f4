//! One task for all sessions: heartbeats when they are due, and a look at what waits.
//!
//! It runs while a heartbeat is due or a message waits, and ends by itself. A message that waits
//! is thereby charged late at once, even while its session's task is stuck in a send.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use crate::clock::{Units, age};
use crate::endpoint::{Anomaly, Series};
use crate::flow::Oldest;
use crate::line::Signal;
use crate::sessions::{Open, Sessions, Shared};

/// How far wall clock and monotonic clock may drift apart between two ticks.
const STEP: Duration = Duration::from_millis(500);

/// Starts the ticker unless it runs. Without a runtime there is none, and nothing ticks.
pub(crate) fn start(sessions: &Sessions, open: &mut Open) {
    if open.ticking {
        return;
    }
    if let Ok(runtime) = Handle::try_current() {
        open.ticking = true;
        runtime.spawn(run(Arc::downgrade(sessions.shared())));
    }
}

async fn run(shared: Weak<Shared>) {
    let Some(hurry) = shared.upgrade().map(|shared| shared.hurry.clone()) else {
        return;
    };
    let mut running = Running(Some(shared.clone()));
    let mut state = State::default();
    while let Some(shared) = shared.upgrade() {
        let next = state.turn(&Sessions::of(shared), Instant::now());
        let Some(next) = next else {
            running.0 = None;
            return;
        };
        tokio::select! {
            () = sleep_until(next) => {}
            () = hurry.notified() => {}
        }
    }
}

/// Lets another ticker start when the runtime of this one is shut down.
struct Running(Option<Weak<Shared>>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take().and_then(|shared| shared.upgrade()) {
            Sessions::of(shared).lock().ticking = false;
        }
    }
}

#[derive(Default)]
struct State {
    next_tick: Option<Instant>,
    /// Endpoints whose gauges are not zero.
    gauged: Vec<Arc<Series>>,
    clocks: Option<(std::time::Instant, SystemTime)>,
}

impl State {
    /// Does what is due; returns when to come back, or `None` when there is nothing more to do.
    fn turn(&mut self, sessions: &Sessions, now: Instant) -> Option<Instant> {
        let due = self.next_tick.is_none_or(|at| at <= now);
        let mut open = sessions.lock();
        let clock = sessions.clock();
        if let Some(interval) = sessions.settings().heartbeat {
            open.registry.beat(clock.at(now), Units::of(interval));
        }
        let mut active = Vec::new();
        if due {
            active = std::mem::take(&mut open.active);
            active.retain(|signal| signal.place().is_some() || signal.generation().is_some());
        }
        drop(open);

        if due {
            let busy = self.tick(sessions, active);
            sessions.lock().active.extend(busy);
        }
        let mut open = sessions.lock();
        if due {
            let tick = sessions.settings().look();
            self.next_tick = (!open.active.is_empty()).then(|| now + tick);
        }
        let from_now = |at| now + Units::duration(age(at, clock.at(now)));
        let beat = open.registry.next_beat().map(from_now);
        let next = [self.next_tick, beat].into_iter().flatten().min();
        if next.is_none() {
            open.ticking = false;
        }
        next
    }

    /// Looks at every session in which something waits; returns those in which something still
    /// does.
    fn tick(&mut self, sessions: &Sessions, active: Vec<Arc<Signal>>) -> Vec<Arc<Signal>> {
        let now = sessions.clock().now();
        let clocks = (std::time::Instant::now(), SystemTime::now());
        self.compare_clocks(clocks, &active);
        let mut busy = Vec::with_capacity(active.len());
        let mut gauges: Vec<(Arc<Series>, Oldest)> = Vec::new();
        for signal in active {
            let Some(ticked) = signal.tick(now, sessions) else {
                continue;
            };
            if let Some(since) = ticked.stalled {
                let parent = sessions.lock().registry.parent(&signal);
                sessions.stalled(&signal, parent, since);
            }
            if !ticked.more {
                continue;
            }
            let known = gauges
                .iter_mut()
                .find(|(series, _)| Arc::ptr_eq(series, &signal.series));
            match known {
                Some((_, oldest)) => {
                    oldest.flush = oldest.flush.max(ticked.oldest.flush);
                    oldest.receipt = oldest.receipt.max(ticked.oldest.receipt);
                }
                None => gauges.push((signal.series.clone(), ticked.oldest)),
            }
            busy.push(signal);
        }
        self.gauge(gauges);
        busy
    }

    fn gauge(&mut self, gauges: Vec<(Arc<Series>, Oldest)>) {
        for series in &self.gauged {
            if !gauges.iter().any(|(other, _)| Arc::ptr_eq(series, other)) {
                series.oldest_flush.set(0.0);
                series.oldest_receipt.set(0.0);
            }
        }
        for (series, oldest) in &gauges {
            series.oldest_flush.set(Units::seconds(oldest.flush));
            series.oldest_receipt.set(Units::seconds(oldest.receipt));
        }
        self.gauged = gauges.into_iter().map(|(series, _)| series).collect();
    }

    /// Notices a step of the wall clock. It touches no age of this node, but those of others.
    fn compare_clocks(
        &mut self,
        (now, wall): (std::time::Instant, SystemTime),
        active: &[Arc<Signal>],
    ) {
        if let Some((then, wall_then)) = self.clocks.replace((now, wall)) {
            let expected = wall_then + now.duration_since(then);
            let apart = match wall.duration_since(expected) {
                Ok(ahead) => ahead,
                Err(behind) => behind.duration(),
            };
            if let Some(signal) = active.first().filter(|_| apart > STEP) {
                signal.series.anomaly(Anomaly::Step);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use campanile_semconv::metric;

    use super::*;
    use crate::line::Birth;
    use crate::mark::Mark;
    use crate::probe::Probe;
    use crate::{Role, Stage};

    #[test]
    fn a_step_of_the_wall_clock_is_counted_and_a_drift_is_not() {
        let probe = Probe::new();
        let sessions = Sessions::builder(&probe.handle()).build();
        let birth = Birth {
            id: 1,
            connect: Mark::default(),
            parent: None,
        };
        let series = sessions.series("live", Role::Server);
        let active = [Arc::new(Signal::new(series, Stage::Flush, birth))];
        let steps = || {
            let step = ["websocket.clock.source=step"];
            probe.sum(&metric::WEBSOCKET_DELIVERY_CLOCK_ANOMALIES, &step)
        };
        let (began, wall) = (std::time::Instant::now(), SystemTime::now());
        let second = Duration::from_secs(1);
        let mut state = State::default();
        state.compare_clocks((began, wall), &active);
        let drifted = wall + second + STEP / 2;
        state.compare_clocks((began + second, drifted), &active);
        assert_eq!(steps(), 0);
        for (i, stepped) in [drifted + 6 * second, drifted - 4 * second]
            .iter()
            .enumerate()
        {
            let i = u32::try_from(i).unwrap_or_default();
            state.compare_clocks((began + second * (2 + i), *stepped), &active);
        }
        assert_eq!(steps(), 2, "forward and back");
    }
}
