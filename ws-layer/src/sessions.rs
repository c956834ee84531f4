//! What all sessions of a process share: settings, instruments, and the way to reach each of them.

mod admitting;
mod draining;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use campanile_recorder::{Counter, Handle, Moment, Source};
use campanile_semconv::{attribute as key, metric, span, value};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;
use tokio::sync::Notify;

use self::draining::Drain;
use crate::bucket::Bucket;
use crate::clock::{Clock, Units};
use crate::endpoint::{MAX_ENDPOINTS, Role, Series};
use crate::line::{Birth, Line, Order, Signal};
use crate::mark::Mark;
use crate::outbox::cut_later;
use crate::registry::Registry;
use crate::resume::SessionEnd;
use crate::resume::admission::Gate;
use crate::resume::table::Hub;
use crate::settings::{Builder, ClassId, MessageClass, Settings, Stage};
use crate::ticker;

/// The WebSocket sessions of a process. Cheap to clone; keep it in the router's state.
#[derive(Clone)]
pub struct Sessions(Arc<Shared>);

pub(crate) struct Shared {
    recorder: Handle,
    settings: Settings,
    clock: Clock,
    series: Mutex<Vec<Arc<Series>>>,
    open: Mutex<Open>,
    left: Notify,
    pub(crate) hurry: Arc<Notify>,
    bucket: Mutex<Bucket>,
    /// Stalls have a bucket of their own: when many peers stall at once, connects and disconnects
    /// must still be told.
    stalls: Mutex<Bucket>,
    suppressed: Counter,
    hub: Option<Arc<Hub>>,
    gate: Option<Mutex<Gate>>,
}

#[derive(Default)]
pub(crate) struct Open {
    drain: Option<Drain>,
    pub(crate) registry: Registry,
    /// Upgrades that were admitted and are not sessions yet.
    upcoming: usize,
    /// Sessions in which something waits.
    pub(crate) active: Vec<Arc<Signal>>,
    /// Whether the ticker runs.
    pub(crate) ticking: bool,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(hub) = &self.hub {
            hub.clear();
        }
    }
}

/// What [`Sessions::drain`] achieved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Drained {
    /// Sessions that were open when the drain began and ended within the deadline.
    pub closed: usize,
    /// Sessions that did not end in time and were cut off.
    pub remaining: usize,
    /// Sessions that could have been resumed and that no other process knows of.
    pub lost: usize,
}

impl Sessions {
    /// Reports to the pipeline that `source` hands over: a `Telemetry`, or a
    /// [`Handle`].
    pub fn new(source: &impl Source) -> Self {
        Self::builder(source).build()
    }

    /// Starts from the defaults and changes some of them.
    pub fn builder(source: &impl Source) -> Builder {
        Builder::new(source)
    }

    pub(crate) fn with(recorder: Handle, settings: Settings) -> Self {
        let meter = recorder.meter();
        let suppressed = meter.counter(&metric::CAMPANILE_SPAN_SUPPRESSIONS, &[]);
        Self(Arc::new(Shared {
            clock: Clock::new(),
            gate: settings.admission.map(Gate::new).map(Mutex::new),
            bucket: Mutex::new(Bucket::new(settings.spans_per_second)),
            stalls: Mutex::new(Bucket::new(settings.stalls_per_second)),
            suppressed,
            hub: settings
                .resume
                .clone()
                .map(|resume| Arc::new(Hub::new(resume))),
            recorder,
            settings,
            series: Mutex::default(),
            open: Mutex::default(),
            left: Notify::new(),
            hurry: Arc::default(),
        }))
    }

    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// The message class of this name, if it was declared.
    pub fn class(&self, name: &str) -> Option<ClassId> {
        let mut names = self.0.settings.classes.iter().map(|class| class.name);
        let found = names.position(|declared| declared == name)?;
        u8::try_from(found).ok().map(ClassId)
    }

    /// The message classes that were declared.
    pub fn classes(&self) -> &[MessageClass] {
        &self.0.settings.classes
    }

    /// How many sessions are open.
    pub fn open(&self) -> usize {
        self.lock().registry.len()
    }

    /// Whether [`drain`](Self::drain) has begun; new upgrades are then answered with `503`.
    pub fn is_draining(&self) -> bool {
        self.lock().drain.is_some()
    }

    pub(crate) fn recorder(&self) -> &Handle {
        &self.0.recorder
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What makes sessions resumable, if they are.
    pub(crate) fn hub(&self) -> Option<&Arc<Hub>> {
        self.0.hub.as_ref()
    }

    /// How many sessions wait for their client here.
    pub fn detached(&self) -> usize {
        self.hub().map_or(0, |hub| hub.population().0)
    }

    /// Takes back every session of a principal that this node holds: those that are attached are
    /// closed with code 1008, those that wait end. Their tokens are worth nothing any more. Returns
    /// how many there were.
    pub fn revoke(&self, principal: &[u8]) -> usize {
        let Some(hub) = self.hub() else { return 0 };
        let (waiting, attached) = hub.of_principal(principal);
        for signal in &attached {
            signal.order(Order::Revoked);
            cut_later(signal);
        }
        let ended = waiting
            .into_iter()
            .filter(|at| hub.finish(self, *at, SessionEnd::Revoked, None));
        attached.len() + ended.count()
    }

    pub(crate) fn clock(&self) -> Clock {
        self.0.clock
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// Reports a short span of a session, unless the session is not sampled or a storm rages.
    pub(crate) fn moment(&self, recorder: &Handle, id: u128, moment: Moment<'_>) -> SpanContext {
        self.capped(&self.0.bucket, recorder, id, moment)
    }

    fn capped(
        &self,
        bucket: &Mutex<Bucket>,
        recorder: &Handle,
        id: u128,
        moment: Moment<'_>,
    ) -> SpanContext {
        let share = id as u32;
        if f64::from(share) >= self.0.settings.sampled * f64::from(u32::MAX) + 1.0 {
            return SpanContext::NONE;
        }
        let bucket = bucket.lock();
        if !bucket.unwrap_or_else(PoisonError::into_inner).take() {
            self.0.suppressed.add(1);
            return SpanContext::NONE;
        }
        recorder.moment(moment)
    }

    /// Reports a stall that is over.
    pub(crate) fn stalled(&self, signal: &Signal, parent: Option<Mark>, since: u32) {
        let mut attributes = signal.series.common();
        attributes.push(KeyValue::new(
            key::SESSION_ID,
            format!("{:032x}", signal.id()),
        ));
        let parent = parent.map(Mark::to_span_context);
        let moment = Moment {
            name: span::WEBSOCKET_STALL,
            start: self.wall(since),
            end: SystemTime::now(),
            parent: parent.as_ref(),
            sampled_as: Some(signal.id().into()),
            links: &[signal.connect.to_span_context()],
            attributes,
            error: None,
        };
        let shared = &self.0;
        self.capped(&shared.stalls, &shared.recorder, signal.id(), moment);
    }

    /// The wall clock at an instant of the past.
    pub(crate) fn wall(&self, units: u32) -> SystemTime {
        let ago = crate::clock::age(self.0.clock.now(), units);
        SystemTime::now() - crate::clock::Units::duration(ago)
    }

    /// The instruments of an endpoint; past the cap, those of `_other`.
    pub(crate) fn series(&self, endpoint: &'static str, role: Role) -> Arc<Series> {
        let mut all = self.0.series.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |all: &[Arc<Series>], name: &str| {
            let mut same = all.iter();
            let found = same.find(|series| series.endpoint == name && series.role == role);
            found.cloned()
        };
        if let Some(found) = find(&all, endpoint) {
            return found;
        }
        let known = all.iter().filter(|series| series.role == role).count();
        let endpoint = if known < MAX_ENDPOINTS {
            endpoint
        } else {
            value::OWN_OTHER
        };
        find(&all, endpoint).unwrap_or_else(|| {
            let settings = &self.0.settings;
            let series = Arc::new(Series::open(&self.0.recorder, endpoint, role, settings));
            all.push(series.clone());
            series
        })
    }

    /// The instruments of an endpoint whose name another node told: those of `_other` unless it is
    /// known here.
    pub(crate) fn series_named(&self, endpoint: &str, role: Role) -> Arc<Series> {
        let all = self.0.series.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().find(|series| series.endpoint == endpoint);
        let name = known.map_or(value::OWN_OTHER, |series| series.endpoint);
        drop(all);
        self.series(name, role)
    }

    /// Gives a new connection its line; `pings` says whether it is asked for signs of life.
    pub(crate) fn register(&self, series: Arc<Series>, pings: bool, birth: Birth) -> Line {
        let settings = &self.0.settings;
        let decide = match settings.decide {
            Stage::Receipt if !pings => Stage::Flush,
            stage => stage,
        };
        let parent = birth.parent;
        let signal = Arc::new(Signal::new(series, decide, birth));
        let mut open = self.lock();
        if open.drain.is_some() {
            signal.order(Order::Drain);
        }
        open.registry.enter(&signal, parent);
        if let Some(interval) = settings.heartbeat.filter(|_| pings) {
            let first = Units::of(interval.mul_f64(0.5 + fastrand::f64() / 2.0));
            let at = self.0.clock.now().wrapping_add(first);
            open.registry.schedule(&signal, at);
            ticker::start(self, &mut open);
            self.0.hurry.notify_one();
        }
        drop(open);
        Line::new(self.clone(), signal)
    }

    pub(crate) fn leave(&self, signal: &Signal) -> bool {
        let was_here = self.lock().registry.leave(signal);
        if was_here {
            self.0.left.notify_waiters();
        }
        was_here
    }

    /// Something waits in this session from now on.
    pub(crate) fn activate(&self, signal: Arc<Signal>) {
        let mut open = self.lock();
        open.active.push(signal);
        ticker::start(self, &mut open);
        drop(open);
        self.0.hurry.notify_one();
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open();
        f.debug_struct("Sessions").field("open", &open).finish()
    }
}
