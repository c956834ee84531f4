//! What a process decides once for all of its sessions.

use std::time::Duration;

use campanile_recorder::{Handle, Source};

use crate::Sessions;
use crate::clock::Units;
use crate::resume::{Admission, Resume};

/// How many message classes a process keeps.
pub(crate) const MAX_CLASSES: usize = 8;

/// A kind of message with its own idea of freshness (`websocket.message.class`).
///
/// ```
/// use std::time::Duration;
/// use campanile_ws::MessageClass;
///
/// let typing = MessageClass::new("typing")
///     .threshold(Duration::from_secs(2))
///     .time_to_live(Duration::from_secs(5));
/// # let _ = typing;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MessageClass {
    pub(crate) name: &'static str,
    pub(crate) threshold: Duration,
    pub(crate) time_to_live: Option<Duration>,
}

impl MessageClass {
    /// Names a class. Its messages are on time within 0.5 s and never expire.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            threshold: Duration::from_millis(500),
            time_to_live: None,
        }
    }

    /// Sets the age up to which a message is on time. Use a boundary of `websocket.delivery.age`,
    /// so that the histogram can be read against it.
    pub const fn threshold(mut self, threshold: Duration) -> Self {
        self.threshold = threshold;
        self
    }

    /// Lets a message that waits longer in an outbox expire instead of being sent.
    pub const fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }
}

/// A declared [`MessageClass`], found by [`Sessions::class`]. The default is the first declared.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct ClassId(pub(crate) u8);

/// A stage of delivery (`websocket.delivery.stage`).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// Accepted by this process, when the message was made on another node.
    Origin,
    /// Handed to the operating system. Proves nothing about the peer.
    Flush,
    /// Read by the peer's WebSocket implementation.
    Receipt,
    /// Acknowledged by the peer's application ([`Session::acknowledge`](crate::Session::acknowledge)).
    AppAck,
}

impl Stage {
    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Flush => "flush",
            Self::Receipt => "receipt",
            Self::AppAck => "app_ack",
        }
    }
}

/// A class in the units of the hot path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) threshold: u32,
    pub(crate) time_to_live: u32,
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) classes: Vec<MessageClass>,
    pub(crate) limits: Vec<Limits>,
    pub(crate) decide: Stage,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) barriers: bool,
    pub(crate) max_connections: usize,
    pub(crate) acks: bool,
    pub(crate) spans_per_second: u32,
    pub(crate) stalls_per_second: u32,
    pub(crate) sampled: f64,
    pub(crate) stall: Duration,
    pub(crate) resume: Option<Resume>,
    pub(crate) admission: Option<Admission>,
    pub(crate) peers_admit: Option<u32>,
    /// [`Settings::look`] in the units of the hot path.
    pub(crate) tick: u32,
}

impl Settings {
    /// Connections a second that are taken when many clients return.
    pub(crate) fn admit_rate(&self) -> u32 {
        let own = self.admission.map(|admission| admission.rate);
        self.peers_admit.or(own).unwrap_or(1_000)
    }

    /// How often what waits is looked at: a quarter of the smallest threshold.
    pub(crate) fn look(&self) -> Duration {
        let smallest = self.classes.iter().map(|class| class.threshold).min();
        let quarter = smallest.unwrap_or(Duration::from_secs(1)) / 4;
        quarter.clamp(Duration::from_millis(10), Duration::from_millis(250))
    }
}

/// Sets up [`Sessions`]; made by [`Sessions::builder`].
#[derive(Debug)]
pub struct Builder {
    recorder: Handle,
    settings: Settings,
}

impl Builder {
    pub(crate) fn new(source: &impl Source) -> Self {
        Self {
            recorder: source.recorder(),
            settings: Settings {
                classes: Vec::new(),
                limits: Vec::new(),
                decide: Stage::Receipt,
                heartbeat: Some(Duration::from_secs(25)),
                idle: None,
                barriers: true,
                max_connections: usize::MAX,
                acks: false,
                spans_per_second: 200,
                stalls_per_second: 10,
                sampled: 1.0,
                stall: Duration::from_secs(5),
                resume: None,
                admission: None,
                peers_admit: None,
                tick: 0,
            },
        }
    }

    /// Declares a message class, at most 8; later ones are ignored, and their messages count under
    /// the first. Default: one class `message`, 0.5 s.
    pub fn class(mut self, class: MessageClass) -> Self {
        if self.settings.classes.len() < MAX_CLASSES {
            self.settings.classes.push(class);
        }
        self
    }

    /// Decides at which stage a message is on time or late. Default: [`Stage::Receipt`].
    ///
    /// With [`Stage::AppAck`] the process keeps 8 bytes for a message until it is acknowledged.
    pub fn decide_at(mut self, stage: Stage) -> Self {
        self.settings.decide = stage.max(Stage::Flush);
        self
    }

    /// Measures the `app_ack` age beside the deciding stage, whichever that is: the application will
    /// call [`Session::acknowledge`](crate::Session::acknowledge). Until then a message costs 8
    /// bytes; past 65,536 of them the oldest whose outcome is known are forgotten. Default: no.
    pub fn expect_acknowledgements(mut self) -> Self {
        self.settings.acks = true;
        self
    }

    /// Pings an upgraded session at this interval, from 10 ms to a day; two intervals without an
    /// answer end it. Default: 25 s.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.settings.heartbeat =
            Some(interval.clamp(Duration::from_millis(10), Duration::from_secs(86_400)));
        self
    }

    /// Sends no heartbeat: a peer that vanished is found only when something is sent to it.
    pub fn without_heartbeat(mut self) -> Self {
        self.settings.heartbeat = None;
        self
    }

    /// Closes an upgraded session with code 1001 when no data message has gone either way for this
    /// long. Judged at heartbeats, so it is exact to one interval. Default: never.
    pub fn idle_after(mut self, idle: Duration) -> Self {
        self.settings.idle = Some(idle);
        self
    }

    /// Sends no barrier pings behind data: receipt is then not known, and a message is decided at
    /// its flush at the latest.
    pub fn without_barriers(mut self) -> Self {
        self.settings.barriers = false;
        self
    }

    /// Answers an upgrade with `503` and `Retry-After` while this many sessions are open or about to
    /// be. Those from [`observe`](crate::observe) count, and are never refused. Default: no limit.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.max_connections = connections;
        self
    }

    /// Limits session spans in a storm; counters stay exact. Default: 200 a second.
    pub fn spans_per_second(mut self, spans: u32) -> Self {
        self.settings.spans_per_second = spans;
        self
    }

    /// Limits `websocket.stall` spans, beside the limit of the others. Default: 10 a second.
    pub fn stalls_per_second(mut self, spans: u32) -> Self {
        self.settings.stalls_per_second = spans;
        self
    }

    /// Keeps the spans of this share of sessions, all or none of one session's. Default: 1.
    pub fn sample_sessions(mut self, share: f64) -> Self {
        self.settings.sampled = share;
        self
    }

    /// Reports a `websocket.stall` span when messages to a peer waited longer than this and then
    /// moved on, or were lost. Default: 5 s.
    pub fn stall_after(mut self, age: Duration) -> Self {
        self.settings.stall = age;
        self
    }

    /// Makes sessions resumable, for clients that ask for it at endpoints that name a
    /// [`principal`](crate::Upgrade::principal). Default: none is.
    pub fn resume(mut self, resume: Resume) -> Self {
        self.settings.resume = Some(resume);
        self
    }

    /// Lets in so many connections a second; the others are told when to come back. Clients with a
    /// valid token have a reserve. Default: no limit.
    pub fn admission(mut self, admission: Admission) -> Self {
        self.settings.admission = Some(admission);
        self
    }

    /// How many connections a second the rest of the service takes when this process drains: the
    /// drain plans for four fifths of it, so that newcomers and unpunctual clients have room.
    /// Default: the rate of [`admission`](Self::admission), or 1,000.
    pub fn peers_admit(mut self, rate: u32) -> Self {
        self.settings.peers_admit = Some(rate);
        self
    }

    /// Makes the sessions.
    pub fn build(mut self) -> Sessions {
        let settings = &mut self.settings;
        if settings.classes.is_empty() {
            settings.classes.push(MessageClass::new("message"));
        }
        if !settings.barriers && settings.decide == Stage::Receipt {
            settings.decide = Stage::Flush;
        }
        settings.tick = Units::of(settings.look());
        settings.limits = settings
            .classes
            .iter()
            .map(|class| Limits {
                threshold: Units::of(class.threshold),
                time_to_live: class.time_to_live.map_or(u32::MAX, Units::of),
            })
            .collect();
        Sessions::with(self.recorder, self.settings)
    }
}

impl Settings {
    /// The class, or the first one when it was declared to other sessions.
    pub(crate) fn known(&self, class: ClassId) -> ClassId {
        if usize::from(class.0) < self.classes.len() {
            class
        } else {
            ClassId::default()
        }
    }
}
