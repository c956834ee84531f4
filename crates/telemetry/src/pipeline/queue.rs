//! One signal's queue and books, and how items get from threads into it.
//!
//! Items of the SDK are pushed under the queue's lock. Written items wait in a [`Shard`] for each
//! thread and are gathered: by the export thread when it is time, by their own thread when its
//! buffer is full, by whoever wants to know the exact state. An item counts as offered when it is
//! gathered; then it finds room or not, as every other. So the books are balanced at any moment,
//! and whoever gathers first sees everything that was pushed before.
//!
//! Locks are taken in one order: the queue's, then a shard's.

use std::sync::PoisonError;
use std::time::Instant;

use super::lane::{Bounds, Intake};
use super::ledger::{Ledger, Loss};
use super::shard::{Full, Shard, Taken};
use super::sync::{Arc, Mutex, MutexGuard};
use super::written::Written;

/// When a thread hands over what it has written, in bytes.
const CHUNK: usize = 64 << 10;

/// Buffers that wait for a busy thread.
const SPARES: usize = 12;

#[derive(Debug)]
pub(super) struct Queue {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Limits {
    bounds: Bounds,
    /// What every request weighs besides its scopes and items.
    request: usize,
}

#[derive(Debug, Default)]
struct State {
    intake: Intake,
    ledger: Ledger,
    /// Items ever admitted.
    admitted: u64,
    closed: bool,
    shards: Vec<Arc<Shard>>,
    spares: Vec<Vec<u8>>,
}

impl Queue {
    /// A request weighs `request` besides its scopes and items.
    pub(super) fn new(bounds: Bounds, request: usize) -> Self {
        Self {
            limits: Limits { bounds, request },
            state: Mutex::new(State::default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads or changes the books; says whether there is more room than before, too.
    pub(super) fn ledger<R>(&self, with: impl FnOnce(&mut Ledger) -> R) -> (R, bool) {
        let mut state = self.lock();
        let before = (state.ledger.held(), state.ledger.held_bytes);
        let result = with(&mut state.ledger);
        let now = (state.ledger.held(), state.ledger.held_bytes);
        (result, now.0 < before.0 || now.1 < before.1)
    }

    /// Reads the books with everything in them that was pushed until now.
    pub(super) fn books<R>(&self, read: impl FnOnce(&Ledger) -> R) -> R {
        let mut state = self.lock();
        state.gather(&self.limits);
        read(&state.ledger)
    }

    /// Takes an item in, and says whether to wake whoever waits for it; or why there is no room.
    pub(super) fn offer(
        &self,
        items: u64,
        bytes: usize,
        put: impl FnOnce(&mut Intake),
    ) -> Result<bool, Loss> {
        let mut state = self.lock();
        if state.closed {
            return Err(Loss::Shutdown);
        }
        let (room, room_bytes) = state.room(&self.limits);
        if items > room || bytes > room_bytes {
            return Err(Loss::QueueFull);
        }
        let before = state.intake.items;
        state.admit(items, bytes, Instant::now());
        put(&mut state.intake);
        Ok(self.is_worth_a_look(before, state.intake.items))
    }

    /// A buffer for a thread.
    pub(super) fn register(&self) -> Arc<Shard> {
        let mut state = self.lock();
        let shard = Arc::new(Shard::new(state.closed));
        state.shards.push(shard.clone());
        shard
    }

    /// When a shard is to be handed over.
    #[inline]
    pub(super) fn full(&self) -> Full {
        Full {
            items: self
                .limits
                .bounds
                .items
                .min(self.limits.bounds.batch as u64),
            bytes: CHUNK.min(self.limits.bounds.bytes),
        }
    }

    /// Takes over what is in a shard, and says whether to wake whoever waits for it.
    pub(super) fn hand_over(&self, shard: &Shard) -> bool {
        let mut state = self.lock();
        let before = state.intake.items;
        let mut spare = Some(state.spare(&self.limits));
        let taken = shard.take(&mut spare);
        state.keep_spare(spare);
        state.take_in(taken, &self.limits);
        self.is_worth_a_look(before, state.intake.items)
    }

    fn is_worth_a_look(&self, before: u64, now: u64) -> bool {
        let batch = self.limits.bounds.batch as u64;
        (before == 0 && now > 0) || (before < batch && now >= batch)
    }

    /// When the first item came that was not yet taken, and how many there are. Nothing is
    /// gathered, so that threads go on in their buffers.
    pub(super) fn waiting(&self) -> Option<(Instant, u64)> {
        let state = self.lock();
        let inside = state.intake.since.map(|since| (since, state.intake.items));
        let outside = state.shards.iter().filter_map(|shard| shard.waiting());
        inside
            .into_iter()
            .chain(outside)
            .reduce(|(since, items), (other, more)| (since.min(other), items + more))
    }

    /// Takes everything that was pushed. It stays in the books as queued.
    pub(super) fn take(&self) -> Intake {
        let mut state = self.lock();
        state.gather(&self.limits);
        std::mem::take(&mut state.intake)
    }

    /// Gives buffers back that were taken and are not needed any more.
    pub(super) fn give_back(&self, buffers: impl IntoIterator<Item = Vec<u8>>) {
        let mut state = self.lock();
        for buffer in buffers {
            state.keep_spare(Some(buffer));
        }
    }

    /// The running number of the next item: everything that was pushed until now has a lower one.
    pub(super) fn mark(&self) -> u64 {
        let mut state = self.lock();
        state.gather(&self.limits);
        state.admitted
    }

    /// Turns away everything from now on, and gives up what was not yet taken.
    pub(super) fn close(&self) -> Intake {
        let mut state = self.lock();
        state.closed = true;
        for shard in std::mem::take(&mut state.shards) {
            let taken = shard.close();
            state.take_in(taken, &self.limits);
        }
        state.spares = Vec::new();
        let intake = std::mem::take(&mut state.intake);
        state
            .ledger
            .drop_queued(intake.items, intake.bytes, Loss::Shutdown);
        intake
    }
}

impl Limits {
    /// What items weigh at most besides themselves once they are in requests: nobody knows yet
    /// which others they will share them with.
    fn around(&self, written: &Written) -> usize {
        let requests = 1 + written.items as usize / self.bounds.batch.max(1);
        requests * (self.request + written.scope.weight())
    }
}

impl State {
    /// Takes over what is in the shards, and forgets those of threads that have ended.
    fn gather(&mut self, limits: &Limits) {
        let shards = std::mem::take(&mut self.shards);
        let mut spare = None;
        for shard in &shards {
            if spare.is_none() {
                spare = Some(self.spare(limits));
            }
            let taken = shard.take(&mut spare);
            self.take_in(taken, limits);
        }
        self.keep_spare(spare);
        self.shards = shards;
        self.shards.retain(|shard| !shard.is_over());
    }

    fn spare(&mut self, limits: &Limits) -> Vec<u8> {
        // one item more than a full chunk
        let room = CHUNK.min(limits.bounds.bytes) + (4 << 10);
        self.spares
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(room))
    }

    fn keep_spare(&mut self, spare: Option<Vec<u8>>) {
        let fits = |buffer: &Vec<u8>| (CHUNK..=2 * CHUNK).contains(&buffer.capacity());
        if let Some(mut buffer) = spare.filter(fits)
            && self.spares.len() < SPARES
            && !self.closed
        {
            buffer.clear();
            self.spares.push(buffer);
        }
    }

    /// How many items and bytes there is room for.
    fn room(&self, limits: &Limits) -> (u64, usize) {
        (
            limits.bounds.items.saturating_sub(self.ledger.held()),
            limits.bounds.bytes.saturating_sub(self.ledger.held_bytes),
        )
    }

    fn admit(&mut self, items: u64, bytes: usize, since: Instant) {
        self.ledger.admit(items, bytes);
        let intake = &mut self.intake;
        match &mut intake.since {
            Some(first) => *first = since.min(*first),
            None => {
                intake.since = Some(since);
                intake.first = self.admitted;
            }
        }
        self.admitted += items;
        intake.items += items;
        intake.bytes += bytes;
    }

    /// Takes in as many items as there is room for, and turns away the others.
    fn take_in(&mut self, taken: Taken, limits: &Limits) {
        let since = taken.since.unwrap_or_else(Instant::now);
        for mut written in taken.written {
            if written.items == 0 {
                self.keep_spare(Some(written.bytes));
                continue;
            }
            let (room, room_bytes) = self.room(limits);
            let around = limits.around(&written);
            if written.items > room || around + written.bytes.len() > room_bytes {
                let left = room_bytes.saturating_sub(around);
                let (items, end) = written.fitting(room, left);
                self.ledger
                    .turn_away(written.items - items, Loss::QueueFull);
                written.items = items;
                written.bytes.truncate(end);
            }
            if written.items > 0 {
                self.admit(written.items, around + written.bytes.len(), since);
                self.intake.written.push(written);
            }
        }
    }
}
