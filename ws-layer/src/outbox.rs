//! A bounded queue in front of a session, that any task may push to.
//!
//! The queue is where freshness is lost, so it is where it is kept in order: a full queue follows
//! a declared policy, what has outlived its time to live is not sent, and a newer message may take
//! the place of an older one. Every message that is pushed ends in exactly one counted outcome.

mod queue;
mod session;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::endpoint::Series;
use crate::flow::Flow;
use crate::line::{Order, Signal, flow, swap};
use crate::resume::logical::Logical;
use crate::settings::ClassId;
use crate::{Message, Session, Sessions, Stamp};

pub use queue::Pushed;
use queue::{Item, Queue};
pub use session::OutboxSession;

/// How long a peer that does not read may take to answer the close frame of a slow consumer.
const GRACE: Duration = Duration::from_secs(1);

/// How long [`Outbox::committed`] waits.
const COMMIT: Duration = Duration::from_secs(1);

/// What to do with a message for which there is no room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WhenFull {
    /// Drop the new message. The default.
    #[default]
    DropNewest,
    /// Drop the oldest messages until there is room.
    DropOldest,
    /// Close the session with code 3008: the peer does not keep up, and should come back.
    Close,
}

/// The bounds of an outbox.
#[derive(Clone, Copy, Debug)]
pub struct OutboxLimits {
    /// Messages. Default: 256.
    pub messages: usize,
    /// Payload bytes. Default: 1 MiB.
    pub bytes: usize,
    /// What to do when a bound is reached.
    pub when_full: WhenFull,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            messages: 256,
            bytes: 1024 * 1024,
            when_full: WhenFull::default(),
        }
    }
}

/// A message on its way into an outbox.
#[derive(Clone, Debug)]
pub struct Outgoing<M> {
    message: M,
    class: ClassId,
    stamp: Stamp,
    replaces: Option<u64>,
}

impl<M> Outgoing<M> {
    /// A message of the first class, made now.
    pub fn new(message: M) -> Self {
        Self {
            message,
            class: ClassId::default(),
            stamp: Stamp::now(),
            replaces: None,
        }
    }

    /// Sets the class.
    pub fn class(mut self, class: ClassId) -> Self {
        self.class = class;
        self
    }

    /// Sets when the message was made. Default: when this was made.
    pub fn stamp(mut self, stamp: Stamp) -> Self {
        self.stamp = stamp;
        self
    }

    /// Takes the place of a message with the same class and `key` that still waits in the outbox:
    /// a typing notice, a presence. The older one counts as superseded.
    pub fn supersede(mut self, key: u64) -> Self {
        self.replaces = Some(key);
        self
    }
}

impl<M> From<M> for Outgoing<M> {
    fn from(message: M) -> Self {
        Self::new(message)
    }
}

/// The handle to push to. Cheap to clone; outlives its session, and then refuses.
pub struct Outbox<M>(Arc<Shared<M>>);

struct Shared<M> {
    sessions: Sessions,
    series: Arc<Series>,
    limits: OutboxLimits,
    inner: Mutex<Inner<M>>,
}

struct Inner<M> {
    /// The connection that the session has at present, or had last.
    signal: Arc<Signal>,
    queue: Queue<M>,
}

/// What the ticker sees of an outbox, whatever its messages are.
pub(crate) trait Waiting: fmt::Debug + Send + Sync {
    /// Charges what is late, drops what has expired, tells what is new; returns the age of the
    /// oldest message, if there is one.
    fn tick(&self, now: u32) -> Option<u32>;

    /// The session ended: what waits is lost.
    fn end(&self);

    /// The connection ended, and the session waits: what waits here is numbered.
    fn park(&self);

    /// The session has moved to another connection; its flow moves in the same step.
    fn rebind(&self, from: &Signal, to: &Arc<Signal>);
}

impl<M: Message + Send + 'static> Outbox<M> {
    fn new<S>(session: &Session<S>, limits: OutboxLimits) -> Self {
        let line = session.connection().line();
        // A session that was resumed has its queue.
        let before = line.signal().logical(|logical| logical.outbox.clone());
        let before = before.flatten().and_then(|any| any.downcast().ok());
        if let Some(shared) = before {
            return Self(shared);
        }
        let shared = Arc::new(Shared {
            sessions: line.sessions.clone(),
            series: line.series().clone(),
            limits,
            inner: Mutex::new(Inner {
                signal: line.signal().clone(),
                queue: Queue::new(session.connection().is_ended()),
            }),
        });
        let waiting: Arc<dyn Waiting> = shared.clone();
        line.flow(|flow| {
            flow.outbox = Some(Arc::downgrade(&waiting));
            if let Some(logical) = &mut flow.logical {
                logical.outbox = Some(shared.clone());
            }
        });
        Self(shared)
    }

    /// Puts a message into the outbox; the session's task sends it.
    ///
    /// Never waits. What becomes of it beyond this answer is counted in
    /// `websocket.delivery.messages`.
    pub fn push(&self, message: impl Into<Outgoing<M>>) -> Pushed {
        let shared = &*self.0;
        let Outgoing {
            message,
            class,
            stamp,
            replaces,
        } = message.into();
        let class = shared.sessions.settings().known(class);
        let clock = shared.sessions.clock();
        let item = Item {
            at: clock.at(stamp.instant()),
            class,
            late: false,
            replaces,
            size: message.size(),
            message,
        };
        let mut inner = shared.lock();
        let Inner { signal, queue } = &mut *inner;
        if queue.is_ended() {
            return Pushed::Ended;
        }
        let pushed = flow(&shared.sessions, signal, |flow| {
            flow.ledger.accept(class);
            let logical = flow.logical.as_ref();
            let early = item.replaces.is_none()
                && logical.is_some_and(|logical| logical.numbers_early())
                && !queue.has_plain();
            let fits = |flow: &Flow| {
                let logical = flow.logical.as_ref();
                logical.is_some_and(|logical| {
                    logical.detached.is_some() || logical.has_room(item.size)
                })
            };
            let item = match early && fits(flow) {
                true => number(&shared.sessions, flow, item),
                false => Some(item),
            };
            // While the client is away, nothing but the log bounds what is kept for it.
            let away = |logical: &&mut Box<Logical>| logical.detached.is_some();
            if let Some(logical) = flow.logical.as_mut().filter(away) {
                logical.log.trim();
            }
            match item {
                None => Pushed::Queued,
                Some(item) => queue.push(item, shared.limits, &mut flow.ledger),
            }
        });
        let signal = signal.clone();
        drop(inner);
        shared.series.compare(class, stamp);
        match pushed {
            Pushed::Dropped if shared.limits.when_full == WhenFull::Close => {
                signal.order(Order::SlowConsumer);
                cut_later(&signal);
            }
            Pushed::Queued | Pushed::Superseded => signal.wake(),
            _ => {}
        }
        pushed
    }

    /// Waits until the store has everything that was pushed so far, and says whether it has: then the
    /// messages survive the death of this process. False after a second, for a session that cannot
    /// be resumed, and where the store is not given every message
    /// ([`Keep::Always`](crate::resume::Keep)) unless the session waits for its client.
    ///
    /// No push waits for the store; this is for the publisher that has to know.
    pub async fn committed(&self) -> bool {
        let Some(hub) = self.0.sessions.hub() else {
            return false;
        };
        let target = {
            let inner = self.0.lock();
            let sent = inner.signal.logical(|logical| logical.log.sent());
            sent.filter(|_| !inner.queue.has_plain())
        };
        let Some(target) = target else { return false };
        let signal = || self.0.lock().signal.clone();
        let has = || signal().logical(|logical| logical.has_saved(target));
        let waiting = async {
            loop {
                let saved = hub.saved.notified();
                match has() {
                    Some(false) => saved.await,
                    has => return has == Some(true),
                }
            }
        };
        let waited = tokio::time::timeout(COMMIT, waiting).await;
        waited.unwrap_or(false)
    }

    /// Whether the session is over here: [`push`](Self::push) would say [`Pushed::Ended`].
    pub fn is_ended(&self) -> bool {
        self.0.lock().queue.is_ended()
    }

    /// Messages that wait, and their payload bytes.
    pub fn waiting(&self) -> (usize, usize) {
        self.0.lock().queue.waiting()
    }
}

/// Pushes one message to many sessions: they share the payload and the stamp.
///
/// Returns how many outboxes took it.
///
/// ```
/// use axum::extract::ws::Message;
/// use campanile_ws::{Outbox, Outgoing, fan_out};
///
/// fn tell_room(room: &[Outbox<Message>], text: String) -> usize {
///     fan_out(room, &Outgoing::new(Message::text(text)))
/// }
/// # let _ = tell_room;
/// ```
pub fn fan_out<'a, M>(
    outboxes: impl IntoIterator<Item = &'a Outbox<M>>,
    message: &Outgoing<M>,
) -> usize
where
    M: Message + Clone + Send + 'static,
{
    let taken = |outbox: &&Outbox<M>| {
        let pushed = outbox.push(message.clone());
        matches!(pushed, Pushed::Queued | Pushed::Superseded)
    };
    outboxes.into_iter().filter(taken).count()
}

/// Numbers a message of a resumable session before it can be written. Gives it back where it has
/// to wait.
fn number<M: Message>(sessions: &Sessions, flow: &mut Flow, item: Item<M>) -> Option<Item<M>> {
    let (Some(logical), Some(payload)) = (&flow.logical, item.message.data()) else {
        return Some(item);
    };
    let made = logical.hub.made(sessions, item.at);
    flow.number_early(item.entry(), made, item.message.kind(), payload);
    None
}

/// Cuts a connection off when the peer does not even read its close frame.
pub(crate) fn cut_later(signal: &Arc<Signal>) {
    let signal = Arc::downgrade(signal);
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            tokio::time::sleep(GRACE).await;
            if let Some(signal) = signal.upgrade() {
                signal.order(Order::Cut);
            }
        });
    }
}

impl<M> Shared<M> {
    fn lock(&self) -> MutexGuard<'_, Inner<M>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, queue: &mut Queue<M>) {
        let (length, size) = queue.untold();
        if length != 0 {
            self.series.queue_length.add(length);
        }
        if size != 0 {
            self.series.queue_size.add(size);
        }
    }
}

impl<M: Message + Send> Waiting for Shared<M> {
    fn tick(&self, now: u32) -> Option<u32> {
        let mut inner = self.lock();
        let Inner { signal, queue } = &mut *inner;
        let limits = &self.sessions.settings().limits;
        let mut slot = signal.lock();
        let oldest = slot
            .flow
            .as_mut()
            .and_then(|flow| queue.tick(now, limits, &mut flow.ledger));
        drop(slot);
        self.tell(queue);
        oldest
    }

    fn end(&self) {
        let mut inner = self.lock();
        let Inner { signal, queue } = &mut *inner;
        let mut slot = signal.lock();
        if let Some(flow) = slot.flow.as_mut() {
            queue.end(&mut flow.ledger);
        }
        drop(slot);
        self.tell(queue);
    }

    fn park(&self) {
        let mut inner = self.lock();
        let Inner { signal, queue } = &mut *inner;
        let mut slot = signal.lock();
        if let Some(flow) = slot.flow.as_mut() {
            while let Some(item) = queue.pop_plain() {
                if let Some(item) = number(&self.sessions, flow, item) {
                    queue.put_back(item);
                    break;
                }
            }
        }
        drop(slot);
        self.tell(queue);
    }

    fn rebind(&self, from: &Signal, to: &Arc<Signal>) {
        let mut inner = self.lock();
        swap(from, to);
        inner.signal = to.clone();
    }
}

impl<M> Clone for Outbox<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M> fmt::Debug for Outbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<M> fmt::Debug for Shared<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (messages, bytes) = self.lock().queue.waiting();
        let mut debug = f.debug_struct("Outbox");
        debug.field("messages", &messages).field("bytes", &bytes);
        debug.finish()
    }
}
