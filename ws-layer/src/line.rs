//! A session's line to the rest of the process: orders come in over it, and what waits is seen.

mod waiting;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::clock::Units;
use crate::endpoint::Series;
use crate::flow::{Flow, Oldest};
use crate::mark::Mark;
use crate::outbox::Waiting;
use crate::resume::logical::{Identity, Logical};
use crate::sessions::Sessions;
use crate::settings::Stage;

pub(crate) use waiting::{hand_over, swap};

/// What the process asks of a session; a later one outranks an earlier one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Order {
    None,
    /// Close, because the process goes away.
    Drain,
    /// Close, because the peer does not read.
    SlowConsumer,
    /// Close, because another node holds the session; the client may go on there.
    Elsewhere,
    /// Close, because another connection has the session.
    Superseded,
    /// Close, because the session was taken back.
    Revoked,
    /// End the stream at once.
    Cut,
}

/// Who a session is.
#[derive(Debug)]
pub(crate) struct Birth {
    pub(crate) id: u128,
    /// The span of its beginning.
    pub(crate) connect: Mark,
    /// The parent of that span, and of the others of the session.
    pub(crate) parent: Option<Mark>,
}

/// The part of a session that others may touch.
#[derive(Debug)]
pub(crate) struct Signal {
    order: AtomicU8,
    beat: AtomicBool,
    decide: Stage,
    pub(crate) series: Arc<Series>,
    id: [u8; 16],
    /// The span of the connection's beginning.
    pub(crate) connect: Mark,
    /// How many messages went through flows that are gone. A ping that is still out knows its place
    /// by this count.
    gone: AtomicU32,
    /// Its place in the registry, and when its next heartbeat is due: kept here for the registry.
    place: AtomicU32,
    next_beat: AtomicU32,
    slot: Mutex<Slot>,
}

/// What a lock is needed for.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Whoever reads the session.
    waker: Option<Waker>,
    pub(crate) flow: Option<Box<Flow>>,
}

impl Slot {
    /// Who is to be woken when the session is asked for something. A task that waits to write may,
    /// after a split, be another than the one that reads.
    fn sleepers(&mut self) -> [Option<Waker>; 2] {
        let writer = self.flow.as_mut().and_then(|flow| flow.writer.take());
        [self.waker.take(), writer]
    }
}

/// The place of a session that is in no registry.
const NOWHERE: u32 = u32::MAX;

impl Signal {
    pub(crate) fn new(series: Arc<Series>, decide: Stage, birth: Birth) -> Self {
        let Birth { id, connect, .. } = birth;
        Self {
            id: id.to_be_bytes(),
            connect,
            order: AtomicU8::new(0),
            beat: AtomicBool::new(false),
            decide,
            series,
            gone: AtomicU32::new(0),
            place: AtomicU32::new(NOWHERE),
            next_beat: AtomicU32::new(0),
            slot: Mutex::default(),
        }
    }

    /// The public id of the session.
    pub(crate) fn id(&self) -> u128 {
        u128::from_be_bytes(self.id)
    }

    /// Its place in the registry; changed under the registry's lock.
    pub(crate) fn place(&self) -> Option<u32> {
        Some(self.place.load(Ordering::Relaxed)).filter(|place| *place != NOWHERE)
    }

    pub(crate) fn set_place(&self, place: Option<u32>) {
        self.place
            .store(place.unwrap_or(NOWHERE), Ordering::Relaxed);
    }

    pub(crate) fn next_beat(&self) -> u32 {
        self.next_beat.load(Ordering::Relaxed)
    }

    pub(crate) fn set_next_beat(&self, at: u32) {
        self.next_beat.store(at, Ordering::Relaxed);
    }

    pub(crate) fn order(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        self.wake_all();
    }

    fn standing(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::None,
            1 => Order::Drain,
            2 => Order::SlowConsumer,
            3 => Order::Elsewhere,
            4 => Order::Superseded,
            5 => Order::Revoked,
            _ => Order::Cut,
        }
    }

    pub(crate) fn beat(&self) {
        self.beat.store(true, Ordering::Release);
        self.wake_all();
    }

    /// Whether a heartbeat is due.
    pub(crate) fn take_beat(&self) -> bool {
        self.beat.load(Ordering::Relaxed) && self.beat.swap(false, Ordering::AcqRel)
    }

    /// Wakes whoever reads the session.
    pub(crate) fn wake(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake_all(&self) {
        let sleepers = self.lock().sleepers();
        sleepers.into_iter().flatten().for_each(Waker::wake);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the session that outlives this connection, if there is one here.
    pub(crate) fn logical<T>(&self, work: impl FnOnce(&mut Logical) -> T) -> Option<T> {
        let mut slot = self.lock();
        slot.flow.as_mut()?.logical.as_deref_mut().map(work)
    }

    pub(crate) fn generation(&self) -> Option<u32> {
        self.logical(|logical| logical.generation)
    }

    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.logical(|logical| logical.identity.clone())
    }

    pub(crate) fn outbox(&self) -> Option<Arc<dyn Waiting>> {
        self.lock().flow.as_ref()?.outbox.as_ref()?.upgrade()
    }

    /// A look at what waits. `None` once nothing does, and nothing is left to be told.
    pub(crate) fn tick(&self, now: u32, sessions: &Sessions) -> Option<Ticked> {
        let limits = &sessions.settings().limits;
        let queued = self.outbox().map(|outbox| outbox.tick(now));
        let mut slot = self.lock();
        let flow = slot.flow.as_mut()?;
        let mut oldest = flow.tick(now, limits);
        flow.ledger.tell(&self.series);
        if queued.is_none_or(|age| age.is_none()) && flow.is_settled() {
            flow.active = false;
            let ended = flow.stalled.take();
            if flow.is_idle() {
                self.gone.store(flow.written_to(), Ordering::Relaxed);
                slot.flow = None;
            }
            return ended.map(|since| Ticked {
                oldest,
                stalled: Some(since),
                more: false,
            });
        }
        let queued = queued.flatten().unwrap_or_default();
        oldest.flush = oldest.flush.max(queued);
        oldest.receipt = oldest.receipt.max(queued);
        let stalled = stall(flow, oldest, now, Units::of(sessions.settings().stall));
        let wake = flow.wants_receipt();
        drop(slot);
        if wake {
            self.wake();
        }
        Some(Ticked {
            oldest,
            stalled,
            more: true,
        })
    }
}

/// What a tick has found.
#[derive(Debug)]
pub(crate) struct Ticked {
    pub(crate) oldest: Oldest,
    /// A stall has ended that began then.
    pub(crate) stalled: Option<u32>,
    /// Something still waits.
    pub(crate) more: bool,
}

/// Notes a stall, and returns the beginning of one that is over.
fn stall(flow: &mut Flow, oldest: Oldest, now: u32, limit: u32) -> Option<u32> {
    let age = oldest.flush.max(oldest.receipt);
    if age > limit {
        flow.stalled.get_or_insert(now.wrapping_sub(age));
        return None;
    }
    flow.stalled.take()
}

/// A session's place in the registry. Leaves it when dropped.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) sessions: Sessions,
    signal: Arc<Signal>,
}

impl Line {
    pub(crate) fn new(sessions: Sessions, signal: Arc<Signal>) -> Self {
        Self { sessions, signal }
    }

    pub(crate) fn series(&self) -> &Arc<Series> {
        &self.signal.series
    }

    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Leaves the registry; true the first time.
    pub(crate) fn leave(&self) -> bool {
        self.sessions.leave(&self.signal)
    }

    /// The parent of the session's spans, where they have one and it has not left.
    pub(crate) fn parent(&self) -> Option<Mark> {
        self.sessions.lock().registry.parent(&self.signal)
    }

    /// Wakes `waker` at the next order, beat or push, and says which order stands.
    pub(crate) fn order(&self, waker: &Waker) -> Order {
        let mut slot = self.signal.lock();
        register(&mut slot.waker, waker);
        drop(slot);
        self.signal.standing()
    }

    /// The same for a task that waits to write.
    pub(crate) fn order_of_writer(&self, waker: &Waker) -> Order {
        let mut slot = self.signal.lock();
        let flow = with_flow(&mut slot, &self.sessions, &self.signal);
        register(&mut flow.writer, waker);
        drop(slot);
        self.signal.standing()
    }

    /// Whether a heartbeat is due.
    pub(crate) fn take_beat(&self) -> bool {
        self.signal.take_beat()
    }

    /// Works on the flow, which is made when there is none yet.
    pub(crate) fn flow<T>(&self, work: impl FnOnce(&mut Flow) -> T) -> T {
        flow(&self.sessions, &self.signal, work)
    }

    /// Works on the flow, if there is one.
    pub(crate) fn flow_if<T>(&self, work: impl FnOnce(&mut Flow) -> T) -> Option<T> {
        self.signal.lock().flow.as_deref_mut().map(work)
    }

    /// The position after the last message that was written.
    pub(crate) fn written_to(&self) -> u32 {
        let slot = self.signal.lock();
        let gone = || self.signal.gone.load(Ordering::Relaxed);
        slot.flow
            .as_ref()
            .map_or_else(gone, |flow| flow.written_now())
    }

    /// Ends the flow: what is not decided is lost. Says how much that was.
    pub(crate) fn end_flow(&self) -> (u32, Option<u32>) {
        if let Some(outbox) = self.signal.outbox() {
            outbox.end();
        }
        let mut slot = self.signal.lock();
        let Some(flow) = slot.flow.as_mut() else {
            return (0, None);
        };
        let pending = flow.ledger.pending();
        flow.end();
        flow.ledger.tell(&self.signal.series);
        (pending, flow.stalled.take())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Works on the flow of a signal, and lets the ticker know of it once something waits.
pub(crate) fn flow<T>(
    sessions: &Sessions,
    signal: &Arc<Signal>,
    work: impl FnOnce(&mut Flow) -> T,
) -> T {
    let mut slot = signal.lock();
    let flow = with_flow(&mut slot, sessions, signal);
    let result = work(flow);
    let fresh = !std::mem::replace(&mut flow.active, true);
    drop(slot);
    if fresh {
        sessions.activate(signal.clone());
    }
    result
}

pub(crate) fn with_flow<'a>(
    slot: &'a mut Slot,
    sessions: &Sessions,
    signal: &Signal,
) -> &'a mut Flow {
    slot.flow.get_or_insert_with(|| {
        let settings = sessions.settings();
        let gone = signal.gone.load(Ordering::Relaxed);
        let classes = settings.classes.len();
        Box::new(Flow::new(classes, signal.decide, settings.acks, gone))
    })
}

fn register(slot: &mut Option<Waker>, waker: &Waker) {
    if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
        *slot = Some(waker.clone());
    }
}
