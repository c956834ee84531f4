//! Where lines go: standard error, any other output, nowhere, or a buffer that a test reads.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::audit::Refusal;
use crate::writer::output::stderr;
use crate::writer::{Notice, Writer};

/// Takes finished lines. It never blocks who logs, and never fails.
///
/// Standard error and other outputs are written by a thread of their own behind a queue that is
/// bounded by bytes. When the queue is full, lines are lost until it is written out; how many says
/// [`dropped`](Self::dropped), and one line in their place. The order of lines is kept.
///
/// A process that ends by itself should [`flush`](Self::flush) first, or keep a
/// [`flush_on_drop`](Self::flush_on_drop) in `main`; an installed telemetry does that.
#[derive(Clone, Debug)]
pub struct Sink(Target);

static STDERR: OnceLock<Writer> = OnceLock::new();

#[derive(Clone, Debug)]
enum Target {
    Writer(Writer),
    Nowhere,
    Captured(Captured),
}

impl Sink {
    /// How many bytes of lines wait at most, where nothing else was said: 1 MiB.
    pub const CAPACITY: usize = 1024 * 1024;

    /// Writes to standard error. All of these share one queue and one thread.
    pub fn stderr() -> Self {
        let writer = STDERR.get_or_init(|| Writer::new(stderr(), Self::CAPACITY));
        Self(Target::Writer(writer.clone()))
    }

    /// Writes to `output`, on a thread of its own that ends after the last clone of this.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use campanile_logs::Sink;
    ///
    /// let sink = Sink::to(std::io::sink());
    /// sink.write_line(b"{}\n");
    /// assert!(sink.flush(Duration::from_secs(5)));
    /// ```
    pub fn to(output: impl Write + Send + 'static) -> Self {
        Self::bounded(output, Self::CAPACITY)
    }

    /// Writes to `output` like [`to`](Self::to), and lets at most `bytes` wait. A longer line is
    /// always lost.
    pub fn bounded(output: impl Write + Send + 'static, bytes: usize) -> Self {
        Self(Target::Writer(Writer::new(Box::new(output), bytes)))
    }

    /// Discards every line.
    pub fn nowhere() -> Self {
        Self(Target::Nowhere)
    }

    /// Keeps every line in memory: for tests, it has no bound and no thread.
    pub fn captured() -> (Self, Captured) {
        let captured = Captured::default();
        (Self(Target::Captured(captured.clone())), captured)
    }

    /// Whether lines are discarded anyway.
    pub fn is_nowhere(&self) -> bool {
        matches!(self.0, Target::Nowhere)
    }

    /// Whether lines go to standard error.
    pub(crate) fn is_stderr(&self) -> bool {
        let stderr = STDERR.get();
        matches!((&self.0, stderr), (Target::Writer(writer), Some(stderr)) if writer.is(stderr))
    }

    /// Takes one line, its line feed included, or loses it.
    pub fn write_line(&self, line: &[u8]) {
        match &self.0 {
            Target::Writer(writer) => writer.push(line),
            Target::Nowhere => {}
            Target::Captured(captured) => captured.lock().extend_from_slice(line),
        }
    }

    /// Takes one line that must not be lost, or says why not: there is room of its own for such
    /// lines, beside that of the others.
    pub(crate) fn keep_line(&self, line: &[u8]) -> Result<(), Refusal> {
        match &self.0 {
            Target::Writer(writer) => writer.keep(line),
            Target::Nowhere => Err(Refusal::Ended),
            Target::Captured(captured) => {
                captured.lock().extend_from_slice(line);
                Ok(())
            }
        }
    }

    /// Resolves when lines were written after this was called, so that there may be more room.
    pub(crate) fn room(&self) -> impl Future<Output = ()> + Send + use<> {
        let written = self.writer().map(Writer::written);
        async move {
            if let Some(written) = written {
                written.await;
            }
        }
    }

    /// Counts a line as lost that somebody else gave up.
    pub(crate) fn count_lost(&self) {
        if let Some(writer) = self.writer() {
            writer.count_lost();
        }
    }

    /// Waits on this thread until everything taken before is written, but not longer than
    /// `within`. Says whether it is.
    pub fn flush(&self, within: Duration) -> bool {
        self.writer().is_none_or(|writer| writer.flush(within))
    }

    /// Whether everything taken is written already.
    pub fn is_flushed(&self) -> bool {
        self.writer().is_none_or(Writer::is_flushed)
    }

    /// Lines lost until now, because the queue was full or the output failed.
    pub fn dropped(&self) -> u64 {
        self.writer().map_or(0, Writer::lost)
    }

    /// Flushes for at most `within` when the guard is dropped: for a `main` without telemetry.
    pub fn flush_on_drop(&self, within: Duration) -> FlushOnDrop {
        FlushOnDrop {
            sink: self.clone(),
            within,
        }
    }

    /// Says that the process is about to end: from now on who logs waits until the line is
    /// written, at most `budget` over all lines. After that nobody waits any more.
    pub fn linger(&self, budget: Duration) {
        if let Some(writer) = self.writer() {
            writer.linger(budget);
        }
    }

    /// Says how to tell of lost lines.
    pub(crate) fn set_notice(&self, notice: Notice) {
        if let Some(writer) = self.writer() {
            writer.set_notice(notice);
        }
    }

    fn writer(&self) -> Option<&Writer> {
        match &self.0 {
            Target::Writer(writer) => Some(writer),
            Target::Nowhere | Target::Captured(_) => None,
        }
    }
}

/// Flushes a [`Sink`] when it is dropped.
#[derive(Debug)]
#[must_use = "it flushes when it is dropped"]
pub struct FlushOnDrop {
    sink: Sink,
    within: Duration,
}

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        self.sink.flush(self.within);
    }
}

/// What a captured [`Sink`] was given.
#[derive(Clone, Debug, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }
}
