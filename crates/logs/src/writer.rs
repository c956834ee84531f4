//! The thread that writes: whoever logs only leaves a line in a bounded queue.
//!
//! A reader that stops reading, a full disk or a closed pipe holds up this thread and nobody else.
//! When the queue is full, lines are lost until it has been written out; the gap is counted, and
//! one line in its place tells how many are missing. Nothing is reordered.

pub(crate) mod output;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use self::output::Output;
use crate::audit::Refusal;

/// Buffers larger than this are given back once they are written.
const KEEP_BYTES: usize = 64 * 1024;

/// How many bytes of lines that must not be lost wait at most, beside the others.
const KEPT_CAPACITY: usize = 256 * 1024;

/// How long one line at most is waited for while the process ends.
const LINGER_STEP: Duration = Duration::from_millis(100);

/// Makes the line that tells of this many lost ones, its line feed included.
pub(crate) type Notice = Box<dyn Fn(u64) -> Vec<u8> + Send>;

/// A queue and its thread. Clones are the same one; the thread ends after the last of them, with
/// everything written.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Owner>);

struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.work.notify_one();
    }
}

struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    work: Condvar,
    /// Something was written.
    progress: Condvar,
    /// The same, for who waits in a task.
    written: Arc<Notify>,
    /// Bytes that may wait, those under way included.
    capacity: usize,
    /// Belongs to the thread while there is one.
    output: Mutex<Output>,
    notice: Mutex<Notice>,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<u8>,
    pending_lines: u64,
    /// Bytes that the thread is writing.
    under_way: usize,
    /// Bytes, of all these, of lines that must not be lost.
    kept: usize,
    /// Bytes, of these, that wait.
    pending_kept: usize,
    /// Lines ever taken.
    taken: u64,
    /// Lines of these that were written, or could not be.
    settled: u64,
    /// Lines ever lost.
    lost: u64,
    /// Lines lost since this was last told.
    untold: u64,
    /// Nothing is taken until all that waits is written.
    is_full: bool,
    is_telling: bool,
    is_asleep: bool,
    is_closed: bool,
    has_thread: bool,
    /// Who waits for progress.
    waiting: usize,
    /// How long writers of lines may still wait for them, as the process is about to end.
    linger: Duration,
}

impl Writer {
    /// Writes to `output`; at most `capacity` bytes wait. The thread starts with the first line.
    pub(crate) fn new(output: Box<dyn Write + Send>, capacity: usize) -> Self {
        Self(Arc::new(Owner(Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
            written: Arc::default(),
            capacity,
            output: Mutex::new(Output::new(output)),
            notice: Mutex::new(Box::new(|lost| {
                format!("{lost} lines were not written\n").into_bytes()
            })),
        }))))
    }

    /// Says how to tell of lost lines from now on.
    pub(crate) fn set_notice(&self, notice: Notice) {
        *lock(&self.shared().notice) = notice;
    }

    /// Whether both are the same one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn shared(&self) -> &Arc<Shared> {
        &(self.0).0
    }

    /// Leaves a line, or loses it.
    pub(crate) fn push(&self, line: &[u8]) {
        let shared = self.shared();
        let mut state = shared.lock();
        let held = state.pending.len() + state.under_way - state.kept;
        if state.is_full || held + line.len() > shared.capacity {
            state.is_full = true;
            state.lost += 1;
            state.untold += 1;
        } else {
            state.pending.extend_from_slice(line);
            state.pending_lines += 1;
            state.taken += 1;
        }
        if !state.has_thread {
            // Without a thread the line waits for the next one that comes and tries again.
            state.has_thread = Shared::start(shared);
        }
        let wake = std::mem::take(&mut state.is_asleep);
        if !state.linger.is_zero() {
            if wake {
                shared.work.notify_one();
            }
            return shared.linger(state);
        }
        drop(state);
        if wake {
            shared.work.notify_one();
        }
    }

    /// Leaves a line that must not be lost, although others may be lost by then; or says why not.
    pub(crate) fn keep(&self, line: &[u8]) -> Result<(), Refusal> {
        if line.len() > KEPT_CAPACITY {
            return Err(Refusal::TooLarge);
        }
        let shared = self.shared();
        let mut state = shared.lock();
        if state.kept + line.len() > KEPT_CAPACITY {
            return Err(Refusal::Full);
        }
        state.kept += line.len();
        state.pending_kept += line.len();
        state.pending.extend_from_slice(line);
        state.pending_lines += 1;
        state.taken += 1;
        if !state.has_thread {
            state.has_thread = Shared::start(shared);
        }
        if std::mem::take(&mut state.is_asleep) {
            shared.work.notify_one();
        }
        Ok(())
    }

    /// Resolves when something was written after this was called.
    pub(crate) fn written(&self) -> OwnedNotified {
        self.shared().written.clone().notified_owned()
    }

    /// Counts a line as lost that somebody else gave up.
    pub(crate) fn count_lost(&self) {
        let mut state = self.shared().lock();
        state.lost += 1;
        state.untold += 1;
    }

    /// Waits until what was taken before is written and what was lost is told, but not longer
    /// than `within`. Says whether it is.
    pub(crate) fn flush(&self, within: Duration) -> bool {
        let shared = self.shared();
        let state = shared.lock();
        let upto = state.taken;
        shared.wait(state, within, |state| state.is_settled(upto)).1
    }

    /// Whether a flush has nothing to wait for.
    pub(crate) fn is_flushed(&self) -> bool {
        let state = self.shared().lock();
        state.is_settled(state.taken)
    }

    /// From now on whoever logs waits until its line is written, for at most `budget` in total.
    pub(crate) fn linger(&self, budget: Duration) {
        self.shared().lock().linger = budget;
    }

    /// Lines ever lost.
    pub(crate) fn lost(&self) -> u64 {
        self.shared().lock().lost
    }
}

impl State {
    fn is_settled(&self, upto: u64) -> bool {
        self.settled >= upto && !self.is_full && !self.is_telling
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn start(shared: &Arc<Self>) -> bool {
        let shared = shared.clone();
        std::thread::Builder::new()
            .name("campanile-lines".into())
            .spawn(move || shared.run())
            .is_ok()
    }

    fn run(&self) {
        let mut output = lock(&self.output);
        let mut batch = Vec::new();
        let mut state = self.lock();
        loop {
            if state.pending.is_empty() && !state.is_full {
                if state.is_closed {
                    return;
                }
                state.is_asleep = true;
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.is_asleep = false;
                continue;
            }
            std::mem::swap(&mut batch, &mut state.pending);
            let lines = std::mem::take(&mut state.pending_lines);
            let kept = std::mem::take(&mut state.pending_kept);
            state.under_way = batch.len();
            drop(state);
            let failed = output.write(&batch, &|| self.lock().is_closed);
            recycle(&mut batch);

            state = self.lock();
            state.under_way = 0;
            state.kept -= kept;
            state.settled += lines;
            state.lost += failed;
            state.untold += failed;
            // What was taken before the gap comes before the line about it.
            let in_place = !state.is_full || state.pending.is_empty();
            if in_place {
                state.is_full = false;
                if state.untold > 0 && failed == 0 {
                    state = self.tell(state, &mut output);
                }
            }
            if state.waiting > 0 {
                self.progress.notify_all();
            }
            if kept > 0 {
                self.written.notify_waiters();
            }
        }
    }

    fn tell<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        output: &mut Output,
    ) -> MutexGuard<'a, State> {
        let lost = std::mem::take(&mut state.untold);
        state.is_telling = true;
        drop(state);
        let line = lock(&self.notice)(lost);
        let failed = output.write(&line, &|| self.lock().is_closed);
        let mut state = self.lock();
        state.is_telling = false;
        if failed > 0 {
            state.untold += lost;
        }
        state
    }

    /// Waits for `until` on this thread; `false` when the time was up before.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        within: Duration,
        until: impl Fn(&State) -> bool,
    ) -> (MutexGuard<'a, State>, bool) {
        let begin = Instant::now();
        state.waiting += 1;
        let done = loop {
            if until(&state) {
                break true;
            }
            let left = within.saturating_sub(begin.elapsed());
            if left.is_zero() {
                break false;
            }
            let waited = self.progress.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        state.waiting -= 1;
        (state, done)
    }

    /// Waits for the line just left, as far as the budget goes.
    fn linger(&self, state: MutexGuard<'_, State>) {
        let begin = Instant::now();
        let (upto, within) = (state.taken, state.linger.min(LINGER_STEP));
        let (mut state, _) = self.wait(state, within, |state| state.is_settled(upto));
        state.linger = state.linger.saturating_sub(begin.elapsed());
    }
}

fn recycle(batch: &mut Vec<u8>) {
    batch.clear();
    if batch.capacity() > KEEP_BYTES {
        *batch = Vec::new();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("capacity", &self.shared().capacity)
            .finish_non_exhaustive()
    }
}
