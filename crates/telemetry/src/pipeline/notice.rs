//! What the pipeline says about itself on standard error: little, and in time.
//!
//! One line when export begins to fail, one every 30 seconds while it does, one when it works
//! again; never more than three a minute over all signals. The lines follow the log contract and
//! go nowhere else: a failing export must not produce more to export.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use campanile_semconv::event;
use tracing::Dispatch;

use super::lane::Lane;

const EVERY: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Notices {
    voice: Dispatch,
    lanes: OnceLock<Vec<Arc<Lane>>>,
    state: Mutex<State>,
    fell_back: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// When the last three lines were said.
    said: [Option<Instant>; 3],
    /// When the failure was last spoken of.
    failing: Option<Instant>,
    lost_before: u64,
}

impl State {
    /// Whether a line may be said now; then it counts as said.
    fn may_speak(&mut self, now: Instant) -> bool {
        if self.said[0].is_some_and(|oldest| now.duration_since(oldest) < MINUTE) {
            return false;
        }
        self.said = [self.said[1], self.said[2], Some(now)];
        true
    }
}

impl Notices {
    pub(crate) fn new(voice: Dispatch) -> Self {
        Self {
            voice,
            lanes: OnceLock::new(),
            state: Mutex::default(),
            fell_back: AtomicBool::new(false),
        }
    }

    /// Makes the lanes known that lines are about.
    pub(crate) fn about(&self, lanes: Vec<Arc<Lane>>) {
        let _ = self.lanes.set(lanes);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lanes(&self) -> &[Arc<Lane>] {
        self.lanes.get().map_or(&[], Vec::as_slice)
    }

    /// An export failed.
    pub(crate) fn failing(&self, lane: &Lane) {
        let now = Instant::now();
        let mut state = self.lock();
        let due = state
            .failing
            .is_none_or(|last| now.duration_since(last) >= EVERY);
        if !due || !state.may_speak(now) {
            return;
        }
        let first = state.failing.replace(now).is_none();
        let lost = self.lost();
        if first {
            state.lost_before = lost;
        }
        let lost = lost - state.lost_before;
        drop(state);
        let waiting: Vec<String> = self
            .lanes()
            .iter()
            .map(|lane| (lane.signal, lane.ledger(|ledger| ledger.held())))
            .filter(|(_, held)| *held > 0)
            .map(|(signal, held)| format!("{held} {}", signal.items()))
            .collect();
        let failing = lane.ledger(|ledger| ledger.failing.clone());
        let error = failing.map(|failing| failing.error).unwrap_or_default();
        let (signal, waiting) = (lane.signal.as_str(), waiting.join(", "));
        self.say_aside(move || {
            tracing::warn!(
                target: "campanile",
                event = event::CAMPANILE_TELEMETRY_FAILING,
                signal,
                error,
                waiting,
                lost,
                "telemetry export is failing"
            );
        });
    }

    /// An export of a signal that had failed worked again.
    pub(crate) fn recovered(&self, lane: &Lane) {
        let still = |lane: &Arc<Lane>| lane.ledger(|ledger| ledger.failing.is_some());
        if self.lanes().iter().any(still) {
            return;
        }
        let mut state = self.lock();
        if state.failing.take().is_none() || !state.may_speak(Instant::now()) {
            return;
        }
        let lost = self.lost() - state.lost_before;
        drop(state);
        let signal = lane.signal.as_str();
        self.say_aside(move || {
            tracing::info!(
                target: "campanile",
                event = event::CAMPANILE_TELEMETRY_RECOVERED,
                signal,
                lost,
                "telemetry export works again"
            );
        });
    }

    /// HTTP is used from now on, as the endpoint does not speak gRPC. Said once for all signals.
    pub(crate) fn fell_back(&self, endpoint: &str) {
        if self.fell_back.swap(true, Ordering::Relaxed) {
            return;
        }
        // Too useful to be left out, but it counts.
        let _ = self.lock().may_speak(Instant::now());
        let endpoint = endpoint.to_owned();
        self.say_aside(move || {
            tracing::warn!(
                target: "campanile",
                event = event::CAMPANILE_TELEMETRY_CONFIG,
                endpoint,
                "the endpoint does not speak gRPC, HTTP works: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
            );
        });
    }

    fn lost(&self) -> u64 {
        self.lanes()
            .iter()
            .map(|lane| lane.ledger(|ledger| ledger.lost() + ledger.rejected))
            .sum()
    }

    /// Says a line from beside the export thread: a reader of standard error that stopped reading
    /// holds up neither an export nor a shutdown.
    fn say_aside(&self, line: impl FnOnce() + Send + 'static) {
        let voice = self.voice.clone();
        tokio::task::spawn_blocking(move || tracing::dispatcher::with_default(&voice, line));
    }

    /// Says a line on standard error only.
    pub(crate) fn say(&self, line: impl FnOnce()) {
        tracing::dispatcher::with_default(&self.voice, line);
    }
}
