//! The logical sessions that this node holds: attached, detached, or adopted from a node that is
//! gone.
//!
//! A connection is a [`Signal`]; a session is the [`Flow`](crate::flow::Flow) in it, with its
//! [`Logical`] part, and moves from one signal to the next. A connection whose flow was taken away
//! can no longer disturb the session, whatever its task still does.
//!
//! Locks are taken in this order: table, queue of an outbox, slot of a signal, list of the dirty.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use campanile_recorder::Moment;
use campanile_semconv::{attribute as key, event, metric, span};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::attempt::{Arrival, Found};
use super::ladder::SessionEnd;
use super::logical::{Identity, Logical, Plan};
use super::replay::{Log, Seq};
use super::settings::{Keep, Resume};
use super::store::{Adopted, Detached, NodeId, Record, Save};
use super::storm::{Storm, Turn};
use super::token::Token;
use crate::endpoint::Series;
use crate::ledger::Outcome;
use crate::line::{Order, Signal, hand_over};
use crate::mark::Mark;
use crate::outbox::cut_later;
use crate::sessions::Sessions;
use crate::{Cause, Role};

/// What makes sessions resumable: settings, the table, and what the keeper has to do.
pub(crate) struct Hub {
    pub(crate) settings: Resume,
    pub(crate) node: NodeId,
    table: Mutex<Table>,
    dirty: Mutex<Vec<u128>>,
    gone: Mutex<Vec<(u128, u32)>>,
    /// There is something to save.
    pub(crate) work: Notify,
    /// Something was saved.
    pub(crate) saved: Notify,
    /// Whether there is a keeper.
    is_kept: AtomicBool,
    /// Sessions whose save failed.
    failed: Mutex<Vec<u128>>,
    /// Whether this node has handed its sessions over.
    has_left: AtomicBool,
    storm: Mutex<Storm>,
}

#[derive(Default)]
struct Table {
    held: HashMap<u128, Held>,
    /// Those that wait for their client, by when they were last heard.
    waiting: BTreeSet<(u64, u128)>,
}

enum Held {
    Attached(Arc<Signal>),
    Detached(Away),
    Adopted(Box<Record>, Arc<Series>),
}

struct Away {
    signal: Arc<Signal>,
    at: u64,
    /// Whether the detachment was counted: one for the sake of another node's claim is not yet.
    counted: bool,
}

/// What became of a session whose connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parted {
    /// It waits for its client; so many messages are not decided.
    Detached(u32),
    /// It is over, or had gone to another connection before.
    Over,
}

/// A look at a session that this node holds.
pub(crate) struct Local {
    pub(crate) generation: u32,
    pub(crate) confirmed: bool,
    pub(crate) heard: u64,
    pub(crate) mark: Mark,
    pub(crate) detached: Option<Detached>,
    pub(crate) connection: u32,
    /// `None`: the client is ahead of what was sent.
    pub(crate) plan: Option<Plan>,
}

impl Hub {
    pub(crate) fn new(settings: Resume) -> Self {
        Self {
            settings,
            node: NodeId(fastrand::u64(1..)),
            table: Mutex::default(),
            dirty: Mutex::default(),
            gone: Mutex::default(),
            work: Notify::new(),
            saved: Notify::new(),
            is_kept: AtomicBool::new(false),
            failed: Mutex::default(),
            has_left: AtomicBool::new(false),
            storm: Mutex::new(Storm::new()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        let since = (self.settings.now)().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, millis)
    }

    pub(crate) fn window(&self) -> u64 {
        millis(self.settings.window)
    }

    /// How long tokens live, in seconds.
    pub(crate) fn token_life(&self) -> u32 {
        seconds(millis(self.settings.token_life))
    }

    /// A token for a session at a generation.
    pub(crate) fn token(&self, sid: u128, generation: u32, now: u32, mark: Mark) -> Token {
        Token {
            sid,
            generation,
            issued: now,
            expires: now.saturating_add(self.token_life()),
            node: u16::try_from(self.node.0 & 0xffff).unwrap_or_default(),
            mark: mark.to_bytes(),
        }
    }

    pub(crate) fn max_age(&self) -> u64 {
        millis(self.settings.max_age)
    }

    pub(crate) fn keeps_all(&self) -> bool {
        self.settings.keep == Keep::Always
    }

    /// A session has news for the store.
    pub(crate) fn touched(&self, sid: u128) {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        dirty.push(sid);
        drop(dirty);
        self.work.notify_one();
    }

    pub(crate) fn take_dirty(&self) -> Vec<u128> {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *dirty)
    }

    /// Starts the keeper unless it runs.
    pub(crate) fn keep(&self, sessions: &Sessions) {
        if !self.is_kept.swap(true, Ordering::AcqRel) && !super::keeper::start(sessions) {
            self.stopped();
        }
    }

    /// Hands every session that waits to the store, with all that is queued for it, and leaves the
    /// other nodes to watch them. Returns how many could not be handed over.
    pub(crate) async fn leave(self: &Arc<Self>, sessions: &Sessions, until: Instant) -> usize {
        for (sid, _) in self.waiting() {
            self.park(sid);
        }
        loop {
            self.retry();
            if super::keeper::flush(sessions, self).await || Instant::now() >= until {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.has_left.store(true, Ordering::Release);
        let store = &self.settings.store;
        let outlives = store.outlives(self.node);
        let mut lost = 0;
        for at in self.waiting() {
            if outlives && self.is_handed_over(at.0) {
                self.moved(at.0);
            } else {
                lost += usize::from(self.finish(sessions, at, SessionEnd::DrainLost));
            }
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), store.leave(self.node)).await;
        lost
    }

    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Acquire)
    }

    fn park(&self, sid: u128) {
        let table = self.lock();
        let outbox = table.held.get(&sid).and_then(Held::signal);
        if let Some(outbox) = outbox.and_then(|signal| signal.outbox()) {
            outbox.park();
        }
    }

    /// Whether the store has all there is of a session.
    fn is_handed_over(&self, sid: u128) -> bool {
        let whole = |logical: &mut Logical| {
            logical.is_open && !logical.is_dirty && logical.saved == logical.log.sent()
        };
        self.with(sid, whole).unwrap_or(true)
    }

    /// Every session that waits.
    fn waiting(&self) -> Vec<(u128, u32)> {
        let table = self.lock();
        let all = table.waiting.iter();
        all.filter_map(|(_, sid)| Some((*sid, table.held.get(sid)?.generation()?)))
            .collect()
    }

    fn storm(&self) -> MutexGuard<'_, Storm> {
        self.storm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client has come with a token.
    pub(crate) fn came(&self, sessions: &Sessions) {
        self.storm().claim(sessions.clock().millis());
    }

    /// Judges whether clients return in a storm.
    pub(crate) fn judge(&self, sessions: &Sessions) {
        let (detached, attached) = self.population();
        let turn = self
            .storm()
            .judge(sessions.clock().millis(), detached, attached);
        let Some(turn) = turn else { return };
        let (active, event) = match turn {
            Turn::Started => (1.0, event::WEBSOCKET_STORM_STARTED),
            Turn::Ended => (0.0, event::WEBSOCKET_STORM_ENDED),
        };
        let meter = sessions.recorder().meter();
        meter
            .gauge(&metric::WEBSOCKET_STORM_ACTIVE, &[])
            .set(active);
        tracing::info!(
            target: "campanile",
            event,
            detached,
            attached,
            "websocket clients return {}",
            if active > 0.0 { "in a storm" } else { "as usual" },
        );
    }

    /// Over how many milliseconds clients are to return: none unless there is a storm.
    pub(crate) fn spread(&self, sessions: &Sessions) -> u32 {
        if !self.storm().is_active() {
            return 0;
        }
        let rate = sessions.settings().admit_rate();
        super::storm::spread(self.population().0, rate)
    }

    pub(crate) fn stopped(&self) {
        self.is_kept.store(false, Ordering::Release);
    }

    /// Sessions whose save failed: they are tried again at the next beat.
    pub(crate) fn unsaved(&self, sids: impl IntoIterator<Item = u128>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.extend(sids);
    }

    pub(crate) fn retry(&self) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = std::mem::take(&mut *failed);
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        dirty.extend(failed);
    }

    /// Whether the store has the session, as far as is known.
    pub(crate) fn is_open(&self, sid: u128) -> bool {
        self.with(sid, |logical| logical.is_open).unwrap_or(true)
    }

    /// The record of a session that the store does not have yet.
    pub(crate) fn unopened(&self, sid: u128) -> Option<Record> {
        let record = |logical: &mut Logical| (!logical.is_open).then(|| logical.record());
        self.with(sid, record).flatten()
    }

    pub(crate) fn opened(&self, sid: u128, generation: u32) {
        self.with(sid, |logical| {
            logical.is_open |= logical.generation == generation;
        });
    }

    /// The store has lost the session, or has it at a later generation: the record to find out.
    pub(crate) fn reopened(&self, sid: u128, generation: u32) -> Option<Record> {
        let record = |logical: &mut Logical| {
            if logical.generation != generation {
                return None;
            }
            logical.is_open = false;
            logical.saved = logical.log.base();
            Some(logical.record())
        };
        self.with(sid, record).flatten()
    }

    /// What the store is to be told of a session.
    pub(crate) fn news(&self, sid: u128) -> Option<Save> {
        let save = |logical: &mut Logical| logical.is_open.then(|| logical.save());
        self.with(sid, save).flatten()
    }

    /// The store has it now.
    pub(crate) fn is_saved(&self, save: &Save) {
        self.with(save.sid, |logical| {
            let last = save.entries.last().map(|last| last.seq);
            if let Some(last) = last.filter(|_| logical.generation == save.generation) {
                logical.saved = last;
            }
        });
    }

    /// Sessions that are over, and of which the store is to know.
    pub(crate) fn take_gone(&self) -> Vec<(u128, u32)> {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *gone)
    }

    pub(crate) fn forget(&self, sid: u128, generation: u32) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.push((sid, generation));
        drop(gone);
        self.work.notify_one();
    }

    /// When a message was made, by the wall clock.
    pub(crate) fn made(&self, sessions: &Sessions, at: u32) -> u64 {
        let age = crate::clock::age(sessions.clock().now(), at);
        self.now().saturating_sub(u64::from(age) / 10)
    }

    /// Sessions that wait for their client, and those that have it.
    pub(crate) fn population(&self) -> (usize, usize) {
        let table = self.lock();
        let waiting = table.waiting.len();
        (waiting, table.held.len().saturating_sub(waiting))
    }

    /// Works on a session that this node holds.
    pub(crate) fn with<T>(&self, sid: u128, work: impl FnOnce(&mut Logical) -> T) -> Option<T> {
        let table = self.lock();
        let signal = table.held.get(&sid)?.signal()?;
        let mut slot = signal.lock();
        let logical = slot.flow.as_mut()?.logical.as_mut()?;
        Some(work(logical))
    }

    /// What this node knows of a session whose client has everything up to `seq`.
    pub(crate) fn look(&self, sid: u128, seq: Seq) -> Option<Local> {
        self.with(sid, |logical| Local {
            generation: logical.generation,
            confirmed: logical.confirmed,
            heard: logical.heard,
            mark: logical.mark,
            detached: logical.detached,
            connection: logical.connection,
            plan: logical.plan(seq),
        })
    }

    /// Gives a session its new connection. `None`: a later claim was faster.
    pub(crate) fn attach(
        self: &Arc<Self>,
        sessions: &Sessions,
        signal: &Arc<Signal>,
        arrival: &Arrival,
        mark: Mark,
    ) -> Option<Plan> {
        let sid = arrival.identity.sid;
        let mut table = self.lock();
        let old = match arrival.found {
            Found::Local => match table.held.get(&sid) {
                Some(held) if held.generation() >= Some(arrival.generation) => return None,
                Some(held) => held.signal().cloned(),
                None => None,
            },
            _ => None,
        };
        match &old {
            Some(old) => hand_over(old, signal),
            None => self.leave_behind(&mut table, sid),
        }
        let now = sessions.clock().now();
        let wall = self.now();
        let limits = &sessions.settings().limits;
        let plan = {
            let mut slot = signal.lock();
            let flow = crate::line::with_flow(&mut slot, sessions, signal);
            if flow.logical.is_none() {
                flow.logical = Some(Box::new(self.logical(arrival)));
                flow.begin_at(arrival.base());
                flow.lost(arrival.plan.lost);
                if let Found::Stored(entries) = &arrival.found {
                    for entry in entries {
                        let ago = wall.saturating_sub(entry.made);
                        let ago = crate::clock::Units::of(Duration::from_millis(ago));
                        flow.adopt(
                            now.wrapping_sub(ago),
                            sessions.settings().known(entry.class),
                        );
                    }
                }
            }
            let plan = if old.is_some() {
                flow.resume(arrival.seq, now, limits, &signal.series)
            } else {
                Some(arrival.plan)
            };
            flow.active = true;
            let logical = flow.logical.as_mut()?;
            logical.generation = arrival.generation;
            logical.confirmed = false;
            logical.connection = arrival.connection;
            logical.mark = mark;
            logical.heard = wall;
            logical.issued = seconds(wall);
            logical.detached = None;
            logical.after = None;
            if arrival.reopen {
                logical.is_open = false;
                logical.saved = logical.log.base();
            }
            logical.is_dirty = false;
            logical.touch();
            plan
        };
        let before = table.held.insert(sid, Held::Attached(signal.clone()));
        match before {
            Some(Held::Detached(away)) => {
                table.waiting.remove(&(away.at, sid));
                if away.counted {
                    away.signal.series.detached(-1);
                }
            }
            Some(Held::Attached(old)) => {
                old.order(Order::Superseded);
                cut_later(&old);
            }
            _ => {}
        }
        drop(table);
        sessions.activate(signal.clone());
        plan
    }

    fn logical(self: &Arc<Self>, arrival: &Arrival) -> Logical {
        let mut log = Log::new(self.settings.buffer, arrival.base());
        let mut is_open = false;
        let mut saved = arrival.base();
        if let Found::Stored(entries) = &arrival.found {
            for entry in entries {
                let payload = entry.payload.clone();
                saved = log.put(entry.made, entry.class, entry.kind, payload);
            }
            is_open = true;
        }
        Logical {
            hub: self.clone(),
            identity: arrival.identity.clone(),
            generation: arrival.generation,
            confirmed: false,
            cursor: arrival.plan.from,
            acked: arrival.plan.from,
            log,
            heard: 0,
            mark: Mark::default(),
            connection: arrival.connection,
            issued: 0,
            detached: None,
            after: None,
            saved,
            is_open,
            is_dirty: false,
            outbox: None,
        }
    }

    /// A copy of a session that has gone on elsewhere is of no use any more.
    fn leave_behind(&self, table: &mut Table, sid: u128) {
        let Some(held) = table.held.remove(&sid) else {
            return;
        };
        match held {
            Held::Attached(signal) => {
                signal.order(Order::Superseded);
                cut_later(&signal);
                signal.end_moved();
            }
            Held::Detached(away) => {
                table.waiting.remove(&(away.at, sid));
                if away.counted {
                    away.signal.series.detached(-1);
                }
                away.signal.end_moved();
            }
            Held::Adopted(record, series) => {
                table.waiting.remove(&(since(&record), sid));
                series.detached(-1);
            }
        }
    }

    /// The connection of this signal has ended. With a cause the session may go on, else it is over.
    pub(crate) fn part(&self, signal: &Arc<Signal>, cause: Option<Cause>) -> Parted {
        let sid = signal.id();
        let mut table = self.lock();
        let is_it = |held: &Held| matches!(held, Held::Attached(at) if Arc::ptr_eq(at, signal));
        if !table.held.get(&sid).is_some_and(is_it) {
            return Parted::Over;
        }
        let Some(cause) = cause else {
            let generation = table.held.get(&sid).and_then(Held::generation);
            table.held.remove(&sid);
            drop(table);
            self.forget(sid, generation.unwrap_or_default());
            signal.series.session_ended(SessionEnd::Client);
            return Parted::Over;
        };
        let Some((at, pending)) = signal.detach(cause) else {
            table.held.remove(&sid);
            return Parted::Over;
        };
        let away = Away {
            signal: signal.clone(),
            at,
            counted: true,
        };
        table.waiting.insert((at, sid));
        table.held.insert(sid, Held::Detached(away));
        signal.series.detached(1);
        signal.series.detachment();
        Parted::Detached(pending)
    }

    /// Lets a session go that another node asks for: its connection is closed, and what is left is
    /// saved.
    pub(crate) fn release(&self, sessions: &Sessions, sid: u128) {
        let mut table = self.lock();
        let Some(Held::Attached(old)) = table.held.get(&sid) else {
            return;
        };
        let old = old.clone();
        let parked = Arc::new(Signal::parked(&old));
        hand_over(&old, &parked);
        old.order(Order::Superseded);
        cut_later(&old);
        if let Some((at, _)) = parked.detach(Cause::Superseded) {
            let away = Away {
                signal: parked.clone(),
                at,
                counted: false,
            };
            table.waiting.insert((at, sid));
            table.held.insert(sid, Held::Detached(away));
        }
        drop(table);
        sessions.activate(parked);
    }

    /// Another node has claimed a session.
    pub(crate) fn claimed(&self, sid: u128, generation: u32) {
        let mut table = self.lock();
        let held = table.held.get(&sid).and_then(Held::generation);
        let is_old = held.is_some_and(|held| generation.wrapping_sub(held) <= u32::MAX / 2);
        if is_old && held != Some(generation) {
            self.leave_behind(&mut table, sid);
        }
    }

    /// The node of this session is gone; it is ours to watch.
    pub(crate) fn adopted(&self, sessions: &Sessions, adopted: Adopted) {
        let Adopted {
            record,
            was_attached,
        } = adopted;
        let series = sessions.series_named(&record.endpoint, Role::Server);
        let mut table = self.lock();
        self.leave_behind(&mut table, record.sid);
        table.waiting.insert((since(&record), record.sid));
        series.detached(1);
        if was_attached {
            series.detachment();
        }
        table
            .held
            .insert(record.sid, Held::Adopted(Box::new(record), series));
    }

    /// Sessions whose window is over, with their generation and whether the store knows them; and
    /// whether it has been over for so long that the store must have been right to disagree.
    pub(crate) fn over(&self, now: u64) -> Vec<Over> {
        let window = self.window();
        let table = self.lock();
        let over = table
            .waiting
            .iter()
            .take_while(|(at, _)| now > at.saturating_add(window));
        let over = over.filter_map(|&(at, sid)| {
            let held = table.held.get(&sid)?;
            Some(Over {
                sid,
                generation: held.generation()?,
                long: now > at.saturating_add(window).saturating_add(5_000),
            })
        });
        over.collect()
    }

    /// Those that have waited longest, past the number of sessions that may wait.
    pub(crate) fn too_many(&self) -> Vec<(u128, u32)> {
        let table = self.lock();
        let excess = table.waiting.len().saturating_sub(self.settings.detached);
        let first = table.waiting.iter().take(excess);
        let first = first.filter_map(|(_, sid)| Some((*sid, table.held.get(sid)?.generation()?)));
        first.collect()
    }

    /// Counts the detachments that were made for another node which then did not claim.
    pub(crate) fn count_released(&self, now: u64) {
        let mut table = self.lock();
        let Table { held, .. } = &mut *table;
        for held in held.values_mut() {
            if let Held::Detached(away) = held
                && !away.counted
                && now > away.at.saturating_add(5_000)
            {
                away.counted = true;
                away.signal.series.detached(1);
                away.signal.series.detachment();
            }
        }
    }

    /// Ends a session that waits, at this generation; false if it does not wait any more.
    pub(crate) fn finish(
        &self,
        sessions: &Sessions,
        (sid, generation): (u128, u32),
        end: SessionEnd,
    ) -> bool {
        let mut table = self.lock();
        let held = table.held.get(&sid);
        let waits = held.is_some_and(|held| {
            held.generation() == Some(generation) && !matches!(held, Held::Attached(_))
        });
        if !waits {
            return false;
        }
        let (series, mark, lost) = match table.held.remove(&sid) {
            Some(Held::Detached(away)) => {
                table.waiting.remove(&(away.at, sid));
                let series = away.signal.series.clone();
                if away.counted {
                    series.detached(-1);
                } else {
                    series.detachment();
                }
                let (mark, lost) = away.signal.end_held(Outcome::Lost);
                (series, mark, lost)
            }
            Some(Held::Adopted(record, series)) => {
                table.waiting.remove(&(since(&record), sid));
                series.detached(-1);
                (series, Mark::from_bytes(record.mark), 0)
            }
            _ => return false,
        };
        drop(table);
        series.session_ended(end);
        tell_end(sessions, &series, sid, mark, lost, end);
        true
    }

    /// The session that waits under this id has moved on without us.
    pub(crate) fn moved(&self, sid: u128) {
        self.leave_behind(&mut self.lock(), sid);
    }

    /// Every session of a principal: those that wait, and the connections of the others.
    pub(crate) fn of_principal(&self, principal: &[u8]) -> (Vec<(u128, u32)>, Vec<Arc<Signal>>) {
        let owner = self.settings.keys.owner(principal);
        let table = self.lock();
        let (mut waiting, mut attached) = (Vec::new(), Vec::new());
        for (sid, held) in &table.held {
            let is_theirs = match held {
                Held::Adopted(record, _) => record.principal == owner,
                Held::Attached(signal) | Held::Detached(Away { signal, .. }) => signal
                    .identity()
                    .is_some_and(|who| *who.principal == *principal),
            };
            if !is_theirs {
                continue;
            }
            match held {
                Held::Attached(signal) => attached.push(signal.clone()),
                _ => waiting.extend(held.generation().map(|generation| (*sid, generation))),
            }
        }
        (waiting, attached)
    }
}

/// A session whose window is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Over {
    pub(crate) sid: u128,
    pub(crate) generation: u32,
    pub(crate) long: bool,
}

impl Held {
    fn signal(&self) -> Option<&Arc<Signal>> {
        match self {
            Self::Attached(signal) | Self::Detached(Away { signal, .. }) => Some(signal),
            Self::Adopted(..) => None,
        }
    }

    fn generation(&self) -> Option<u32> {
        match self {
            Self::Adopted(record, _) => Some(record.generation),
            _ => self.signal()?.generation(),
        }
    }
}

/// When an adopted session was last heard.
fn since(record: &Record) -> u64 {
    record.detached.map_or(record.heard, |detached| detached.at)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds as seconds.
pub(crate) fn seconds(millis: u64) -> u32 {
    u32::try_from(millis / 1000).unwrap_or(u32::MAX)
}

/// Reports the end of a session that waited, linked to the last span of its story.
fn tell_end(
    sessions: &Sessions,
    series: &Series,
    sid: u128,
    mark: Mark,
    lost: u32,
    end: SessionEnd,
) {
    let mut attributes = series.common();
    attributes.extend([
        KeyValue::new(key::SESSION_ID, format!("{sid:032x}")),
        KeyValue::new(key::WEBSOCKET_SESSION_END, end.as_str()),
        KeyValue::new(key::WEBSOCKET_LOST_COUNT, i64::from(lost)),
    ]);
    let now = SystemTime::now();
    let links: Vec<SpanContext> = valid(mark).into_iter().collect();
    let moment = Moment {
        name: span::WEBSOCKET_EXPIRE,
        start: now,
        end: now,
        parent: None,
        sampled_as: Some(sid.into()),
        links: &links,
        attributes,
        error: None,
    };
    sessions.moment(sessions.recorder(), sid, moment);
}

/// The span of a mark, if there was one.
pub(crate) fn valid(mark: Mark) -> Option<SpanContext> {
    let context = mark.to_span_context();
    context.is_valid().then_some(context)
}

impl Identity {
    pub(crate) fn new(sid: u128, principal: &[u8], endpoint: &'static str) -> Self {
        let principal = principal.into();
        Self {
            sid,
            principal,
            endpoint,
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (detached, attached) = self.population();
        f.debug_struct("Hub")
            .field("node", &self.node)
            .field("attached", &attached)
            .field("detached", &detached)
            .finish_non_exhaustive()
    }
}
