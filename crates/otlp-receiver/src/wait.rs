//! Waiting for telemetry without sleeping: look, wait for something to arrive, look again.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::time::Duration;

use crate::receiver::Receiver;
use crate::seen::Seen;

/// How long a wait takes at most unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// A wait for something to arrive, from [`Receiver::wait_for`]. Await it.
#[must_use = "a wait does nothing until awaited"]
#[derive(Debug)]
pub struct WaitFor<'a, F> {
    receiver: &'a Receiver,
    look: F,
    patience: Duration,
    what: String,
}

impl<'a, T, F> WaitFor<'a, F>
where
    F: FnMut(&Seen) -> Option<T>,
{
    pub(crate) fn new(receiver: &'a Receiver, look: F) -> Self {
        Self {
            receiver,
            look,
            patience: PATIENCE,
            what: "what the test waits for".to_owned(),
        }
    }

    /// Waits at most that long. The default is 10 s, as it is meant for failures: a wait ends when its answer is there.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Says what is waited for, which the failure message repeats.
    pub fn called(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    async fn run(mut self) -> Result<T, WaitError> {
        // Subscribed before the first look, so that nothing falls between.
        let mut activity = self.receiver.activity();
        let mut deadline = pin!(self.receiver.sleep(self.patience));
        loop {
            let seen = self.receiver.seen();
            if let Some(found) = (self.look)(&seen) {
                return Ok(found);
            }
            tokio::select! {
                biased;
                changed = activity.changed() => if changed.is_ok() {
                    continue;
                },
                () = deadline.as_mut() => {}
            }
            return Err(WaitError {
                what: self.what,
                patience: self.patience,
                seen: Box::new(self.receiver.seen()),
            });
        }
    }
}

impl<'a, T, F> IntoFuture for WaitFor<'a, F>
where
    F: FnMut(&Seen) -> Option<T> + Send + 'a,
    T: 'a,
{
    type Output = Result<T, WaitError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// It did not arrive in time. The message shows what did, as a tree.
///
/// Its `Debug` is its `Display`, so that `unwrap` in a test prints something one can read.
#[derive(Clone)]
pub struct WaitError {
    what: String,
    patience: Duration,
    seen: Box<Seen>,
}

impl WaitError {
    /// Returns what had arrived by then.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} did not arrive within {:?}; this did:",
            self.what, self.patience
        )?;
        write!(f, "{}", self.seen)
    }
}

impl fmt::Debug for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for WaitError {}
