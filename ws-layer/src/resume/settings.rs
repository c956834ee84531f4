//! What an application decides about resuming: keys, window, buffer, store, admission.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::replay::LogLimits;
use super::store::{MemoryStore, SessionStore};
use super::token::Keys;

/// Which messages a store is given, so that another node can send them again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Keep {
    /// Those of sessions that lose their connection while this process lives: each is handed over
    /// when it detaches. A process that is killed takes its unacknowledged messages with it. The
    /// default.
    #[default]
    OnDetach,
    /// Every message, in batches, as soon as it is numbered: what was committed before a process is
    /// killed is not lost. Costs one entry in the store for each message and recipient.
    Always,
}

/// The wall clock, to be replaced by tests.
pub type Now = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Makes sessions resumable. Hand it to [`Builder::resume`](crate::Builder).
#[derive(Clone)]
pub struct Resume {
    pub(crate) keys: Keys,
    pub(crate) window: Duration,
    pub(crate) token_life: Duration,
    pub(crate) buffer: LogLimits,
    pub(crate) max_age: Duration,
    pub(crate) detached: usize,
    pub(crate) keep: Keep,
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) now: Now,
}

impl Resume {
    /// Tokens are made and verified with `keys`; everything else as by default: a window of 120 s,
    /// tokens that live for a day, a buffer of 256 messages and 1 MiB no older than the window, at
    /// most 100,000 detached sessions, and a store in memory.
    pub fn new(keys: Keys) -> Self {
        Self {
            keys,
            window: Duration::from_secs(120),
            token_life: Duration::from_secs(24 * 60 * 60),
            buffer: LogLimits {
                messages: 256,
                bytes: 1024 * 1024,
            },
            max_age: Duration::from_secs(120),
            detached: 100_000,
            keep: Keep::default(),
            store: Arc::new(MemoryStore::new()),
            now: Arc::new(SystemTime::now),
        }
    }

    /// How long a detached session waits for its client. Default: 120 s.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How long a token is good for. A connection that lasts longer gets new ones in time.
    /// Default: 24 h.
    pub fn token_life(mut self, life: Duration) -> Self {
        self.token_life = life;
        self
    }

    /// Bounds what a session keeps until it is acknowledged: messages, payload bytes, and how old
    /// they may be when they are sent again. Default: 256, 1 MiB, 120 s.
    pub fn buffer(mut self, messages: usize, bytes: usize, max_age: Duration) -> Self {
        self.buffer = LogLimits { messages, bytes };
        self.max_age = max_age;
        self
    }

    /// How many detached sessions this process keeps; past it, the one that has waited longest is
    /// revoked. Default: 100,000.
    pub fn max_detached(mut self, sessions: usize) -> Self {
        self.detached = sessions;
        self
    }

    /// Which messages the store is given. Default: [`Keep::OnDetach`].
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// Where sessions are known to other nodes. Default: nowhere, in memory.
    pub fn store(mut self, store: impl SessionStore) -> Self {
        self.store = Arc::new(store);
        self
    }

    /// Replaces the wall clock, for tests. Windows, gaps and tokens are judged by it.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.now = Arc::new(now);
        self
    }
}

impl std::fmt::Debug for Resume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resume")
            .field("keys", &self.keys)
            .field("window", &self.window)
            .field("buffer", &self.buffer)
            .field("keep", &self.keep)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// How many connections a process lets in. Hand it to [`Builder::admission`](crate::Builder).
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    /// Connections a second.
    pub rate: u32,
    /// Connections at once.
    pub burst: u32,
}

impl Admission {
    /// At most `rate` connections a second, and as many at once. Clients without a valid token leave
    /// a quarter of the burst to those that have one.
    pub const fn new(rate: u32) -> Self {
        Self { rate, burst: rate }
    }

    /// How many may come at once. Default: the rate.
    pub const fn burst(mut self, burst: u32) -> Self {
        self.burst = burst;
        self
    }
}
