//! Two tasks for each process: one keeps the store informed, the other renews the lease and does
//! what the store asks. The lease must not wait behind thousands of saves: a node that is only busy
//! would look gone, and the others would take its sessions.
//!
//! Nothing that a connection does waits for the store: what is new is gathered and written behind.
//! When the store fails it is counted, what could not be told stays to be told, and the sessions go
//! on.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use campanile_semconv::{attribute as key, metric, value};
use futures_util::future::join_all;
use opentelemetry::KeyValue;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::ladder::SessionEnd;
use super::store::{Answer, Note, Opened, Record, Save, Saved};
use super::table::{Hub, millis};
use crate::line::Order;
use crate::sessions::{Sessions, Shared};

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// For how long news are gathered.
const GATHER: Duration = Duration::from_millis(5);
const BATCH: usize = 512;
const BEAT: Duration = Duration::from_millis(200);
const LEASE: Duration = Duration::from_secs(5);
/// How many beats lie between two looks at windows and orphans.
const LOOK: u32 = 5;
const ADOPT: usize = 256;

/// The operations of a store, as `websocket.store.operation` names them.
const OPEN: usize = 0;
const SAVE: usize = 1;
pub(crate) const CLAIM: usize = 2;
pub(crate) const END: usize = 3;
const TELL: usize = 4;
const TAKE: usize = 5;

/// Asks the store; `None` when it failed or took too long, which is counted.
pub(crate) async fn asked<T>(
    sessions: &Sessions,
    operation: usize,
    answer: Answer<'_, T>,
) -> Option<T> {
    if let Ok(Ok(answer)) = timeout(PATIENCE, answer).await {
        return Some(answer);
    }
    let operation = value::WEBSOCKET_STORE_OPERATIONS[operation];
    let attributes = [KeyValue::new(key::WEBSOCKET_STORE_OPERATION, operation)];
    let meter = sessions.recorder().meter();
    let failures = meter.counter(&metric::WEBSOCKET_STORE_FAILURES, &attributes);
    failures.add(1);
    None
}

/// Starts the keeper, where there is a runtime to run it.
pub(crate) fn start(sessions: &Sessions) -> bool {
    let (Ok(runtime), Some(hub)) = (tokio::runtime::Handle::try_current(), sessions.hub()) else {
        return false;
    };
    let running = Running(hub.clone());
    runtime.spawn(beats(Arc::downgrade(sessions.shared()), hub.clone()));
    runtime.spawn(run(Arc::downgrade(sessions.shared()), running));
    true
}

/// Lets another keeper start when the runtime of this one is shut down.
struct Running(Arc<Hub>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stopped();
    }
}

async fn beats(shared: Weak<Shared>, hub: Arc<Hub>) {
    while let Some(sessions) = shared.upgrade().map(Sessions::of) {
        let next = Instant::now() + BEAT;
        if hub.has_left() {
            return;
        }
        beat(&sessions, &hub).await;
        drop(sessions);
        sleep_until(next).await;
    }
}

async fn run(shared: Weak<Shared>, running: Running) {
    let hub = &running.0;
    let mut next_beat = Instant::now();
    let mut beats = 0;
    while let Some(sessions) = shared.upgrade().map(Sessions::of) {
        if hub.has_left() {
            return;
        }
        if next_beat <= Instant::now() {
            next_beat = Instant::now() + BEAT;
            if beats % LOOK == 0 {
                look(&sessions, hub).await;
            }
            beats = beats.wrapping_add(1);
            hub.judge(&sessions);
            hub.retry();
        }
        flush(&sessions, hub).await;
        drop(sessions);
        tokio::select! {
            () = hub.work.notified() => sleep(GATHER).await,
            () = sleep_until(next_beat) => {}
        }
    }
}

/// Renews the lease, and does what other nodes ask.
async fn beat(sessions: &Sessions, hub: &Arc<Hub>) {
    let store = &hub.settings.store;
    let answer = store.beat(hub.node, hub.now(), millis(LEASE));
    let beat = asked(sessions, TELL, answer).await.unwrap_or_default();
    for note in beat.notes {
        match note {
            Note::Release(sid) => hub.release(sessions, sid),
            Note::Claimed {
                sid,
                generation,
                yours,
            } => hub.claimed(sid, generation, yours),
            Note::Ended {
                sid,
                generation,
                yours,
            } => hub.ended(sid, generation, yours),
        }
    }
    if beat.lapsed {
        hub.doubt();
    }
}

/// Ends sessions whose window is over, and takes on those whose node is gone.
async fn look(sessions: &Sessions, hub: &Arc<Hub>) {
    let now = hub.now();
    hub.settle(now);
    check_orphans(sessions, hub, now).await;
    let store = &hub.settings.store;
    for over in hub.over(now) {
        let at = (over.sid, over.generation);
        let ended = match hub.is_open(over.sid) {
            true => asked(sessions, END, store.end(hub.end_of(at))).await,
            false => None,
        };
        match ended {
            Some(Some(before)) if before.is_there() => {
                hub.finish(sessions, at, SessionEnd::Abandoned, Some(before));
            }
            Some(_) if over.long => hub.moved(at, Order::Elsewhere),
            Some(_) => {}
            // Nobody can be asked, and it is over by what is known here.
            None => {
                hub.finish(sessions, at, SessionEnd::Abandoned, None);
            }
        }
    }
    for at in hub.too_many() {
        hub.finish(sessions, at, SessionEnd::Revoked, None);
    }
    hub.expects_orphans();
    let orphans = asked(sessions, TAKE, store.adopt(hub.node, now, ADOPT)).await;
    hub.adopted_all(sessions, orphans.unwrap_or_default());
}

/// Tells the store which orphans are counted here, and learns which of them are ours no more.
async fn check_orphans(sessions: &Sessions, hub: &Arc<Hub>, now: u64) {
    let saves = hub.orphans(now);
    for batch in saves.chunks(BATCH) {
        let answers = asked(sessions, SAVE, hub.settings.store.save(batch)).await;
        let Some(answers) = answers else {
            // Those that were in doubt are so still.
            return hub.doubt_orphans(&saves);
        };
        for (save, answer) in batch.iter().zip(answers) {
            match answer {
                Saved::Kept => hub.is_settled(save),
                Saved::Fenced => hub.moved((save.sid, save.generation), Order::Elsewhere),
            }
        }
    }
}

/// Writes what is new. Returns whether all of it is in the store now.
///
/// One at a time: what another call has taken on is told, or put back, before this one looks.
pub(crate) async fn flush(sessions: &Sessions, hub: &Arc<Hub>) -> bool {
    let _turn = hub.flushing.lock().await;
    let store = &hub.settings.store;
    let mut complete = true;
    let dirty: HashSet<u128> = hub.take_dirty().into_iter().collect();
    let dirty: Vec<u128> = dirty.into_iter().collect();
    for batch in dirty.chunks(BATCH) {
        if !complete {
            // A store that fails is not asked on and on.
            hub.unsaved(batch.iter().copied());
            continue;
        }
        let new: Vec<Record> = batch.iter().filter_map(|sid| hub.unopened(*sid)).collect();
        complete &= open(sessions, hub, &new).await;
        let saves: Vec<Save> = batch.iter().filter_map(|sid| hub.news(*sid)).collect();
        if saves.is_empty() {
            continue;
        }
        let Some(answers) = asked(sessions, SAVE, store.save(&saves)).await else {
            complete = false;
            hub.unsaved(saves.iter().map(|save| save.sid));
            continue;
        };
        let mut refused = Vec::new();
        for (save, answer) in saves.iter().zip(answers) {
            match answer {
                Saved::Kept => hub.is_saved(save),
                Saved::Fenced => refused.extend(fenced(hub, save)),
            }
        }
        open(sessions, hub, &refused).await;
        hub.unsaved(refused.iter().map(|record| record.sid));
    }
    hub.saved.notify_waiters();
    for batch in hub.to_forget().chunks(BATCH) {
        let ends = batch.iter().map(async |end| {
            let answer = asked(sessions, END, store.end(*end)).await;
            if let Some(before) = answer {
                hub.forgotten(end.sid, before);
            }
            answer.is_some()
        });
        if join_all(ends).await.contains(&false) {
            break;
        }
    }
    complete
}

/// Tells the store of sessions that it does not have. False if it could not be told of all.
async fn open(sessions: &Sessions, hub: &Arc<Hub>, records: &[Record]) -> bool {
    let store = &hub.settings.store;
    let answers = records
        .iter()
        .map(|record| asked(sessions, OPEN, store.open(record)));
    let answers = join_all(answers).await;
    let is_refused = |answer: &Option<Opened>| {
        let refused = [Opened::Later, Opened::Elsewhere].map(Some);
        refused.contains(answer)
    };
    if answers.iter().any(is_refused) {
        // Whoever has taken it may have told us: who counts what is in there.
        beat(sessions, hub).await;
    }
    for (record, answer) in records.iter().zip(&answers) {
        let at = (record.sid, record.generation);
        match answer {
            Some(Opened::Kept(before)) => hub.opened(record, *before),
            Some(Opened::Later) => hub.moved(at, Order::Superseded),
            Some(Opened::Elsewhere) => hub.moved(at, Order::Elsewhere),
            None => hub.unsaved([record.sid]),
        }
    }
    answers.iter().all(Option::is_some)
}

/// The store refuses what we say of a session: it has moved on, unless the store has forgotten it,
/// or another node has only just adopted it. Returns the record to find out.
fn fenced(hub: &Hub, save: &Save) -> Option<Record> {
    let heard = save.detached.map_or(save.heard, |detached| detached.at);
    if hub.now() > heard.saturating_add(hub.window()) {
        // Whoever took it may have ended it since.
        hub.moved((save.sid, save.generation), Order::Elsewhere);
        return None;
    }
    hub.reopened(save.sid, save.generation)
}
