//! Audit records: what someone may have to answer for, written whatever the settings.
//!
//! A log may be thinned out; an audit trail may not. So these records go past the subscriber: no
//! filter, level or sampler sees them. They have a bounded queue of their own on each of their ways,
//! to the log stream and to OTLP, and whoever makes one learns whether it was taken: when a queue is
//! full, [`Audit::record`] fails, and [`Audit::record_within`] waits for room.
//!
//! ```
//! use campanile_logs::audit::{Actor, Audit, Entry, Lines, Outcome};
//! use campanile_logs::Sink;
//!
//! let (sink, captured) = Sink::captured();
//! let audit = Audit::new([Lines::new("shop", sink).into()]);
//! let entry = Entry::new("order.cancel", Outcome::Denied)
//!     .actor(Actor::plain("support-7"))
//!     .target("order 4711")
//!     .policy("own orders only")
//!     .reason("it belongs to another customer");
//! audit.record(entry).expect("there is room");
//!
//! let line: serde_json::Value = serde_json::from_str(&captured.text()).unwrap();
//! assert_eq!(line["event"], "campanile.audit");
//! assert_eq!(line["outcome"], "denied");
//! assert_eq!(line["campanile.audit.action"], "order.cancel");
//! ```

mod entry;
mod error;
mod line;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use campanile_redaction::Redactor;

pub use self::entry::{Actor, Entry, Outcome, Record};
pub use self::error::AuditError;
pub use self::line::Lines;

/// Where records come from, as `target` of a line and name of the scope.
pub const TARGET: &str = "campanile.audit";

/// Why a [`Way`] does not take a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// Its queue is full; there may be room later.
    Full,
    /// The record alone is larger than its queue.
    TooLarge,
    /// It has ended.
    Ended,
}

/// One way that audit records go, with a bounded queue of its own.
pub trait Way: fmt::Debug + Send + Sync {
    /// What it is called in an error: `the log stream`, `OTLP`.
    fn name(&self) -> &'static str;

    /// Takes a record, or says why not. It never waits, and counts nothing as lost.
    ///
    /// # Errors
    /// When it does not take the record.
    fn offer(&self, record: &Record) -> Result<(), Refusal>;

    /// Resolves when there may be more room than when this was called.
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Counts one record as lost, as its maker gave up.
    fn lose(&self, why: Refusal);
}

/// Where audit records are made. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Audit {
    ways: Arc<[Arc<dyn Way>]>,
    redactor: Redactor,
}

impl Audit {
    /// Sends each record every one of these ways.
    pub fn new(ways: impl IntoIterator<Item = Arc<dyn Way>>) -> Self {
        Self {
            ways: ways.into_iter().collect(),
            redactor: Redactor::standard(),
        }
    }

    /// Says what takes the secrets out (default: [`Redactor::standard`]).
    pub fn with_redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Records `entry` now, or fails.
    ///
    /// # Errors
    /// When a way did not take it: its queue is full, or it has ended. The error says which, and
    /// what is lost there; the other ways took it.
    pub fn record(&self, entry: Entry) -> Result<(), AuditError> {
        let mut delivery = self.deliver(entry)?;
        delivery.offer();
        delivery.finish()
    }

    /// Records `entry`, and waits for room for at most `within`.
    ///
    /// It needs a tokio runtime with time only when it has to wait. A caller that stops waiting, by
    /// dropping this, loses what was not taken yet; that is counted too.
    ///
    /// # Errors
    /// When a way did not take it in time, or has ended. The error says which, and what is lost
    /// there; the other ways took it.
    pub async fn record_within(&self, entry: Entry, within: Duration) -> Result<(), AuditError> {
        let mut delivery = self.deliver(entry)?;
        delivery.offer();
        if delivery.full().next().is_some() {
            // The end of the time shows in what is still open.
            let _ = tokio::time::timeout(within, delivery.wait()).await;
        }
        delivery.finish()
    }

    fn deliver(&self, entry: Entry) -> Result<Delivery<'_>, AuditError> {
        if self.ways.is_empty() {
            return Err(AuditError::nowhere(entry.action()));
        }
        let open = self.ways.iter().map(|way| (&**way, Refusal::Full));
        Ok(Delivery {
            open: open.collect(),
            record: Record::now(entry, &self.redactor),
        })
    }
}

/// One record, and the ways that have not taken it.
struct Delivery<'a> {
    record: Record,
    open: Vec<(&'a dyn Way, Refusal)>,
}

impl<'a> Delivery<'a> {
    fn offer(&mut self) {
        let record = &self.record;
        self.open
            .retain_mut(|(way, refusal)| match way.offer(record) {
                Ok(()) => false,
                Err(why) => {
                    *refusal = why;
                    true
                }
            });
    }

    /// The ways that may yet take it.
    fn full(&self) -> impl Iterator<Item = &'a dyn Way> {
        let full = self.open.iter().filter(|(_, why)| *why == Refusal::Full);
        full.map(|(way, _)| *way)
    }

    /// Offers it until no way is full any more: whichever has room first gets it first.
    async fn wait(&mut self) {
        loop {
            let mut rooms: Vec<_> = self.full().map(Way::room).collect();
            // Asked once more after it was looked out for, so that no room is missed.
            self.offer();
            let left = self.full().count();
            if left == 0 {
                return;
            }
            if left == rooms.len() {
                let mut any = |cx: &mut Context<'_>| {
                    let mut rooms = rooms.iter_mut();
                    rooms.any(|room| room.as_mut().poll(cx).is_ready())
                };
                poll_fn(|cx| {
                    if any(cx) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                self.offer();
            }
        }
    }

    fn finish(mut self) -> Result<(), AuditError> {
        let open = std::mem::take(&mut self.open);
        if open.is_empty() {
            return Ok(());
        }
        let lost = open.iter().map(|(way, why)| {
            way.lose(*why);
            (way.name(), *why)
        });
        Err(AuditError::lost(self.record.action(), lost.collect()))
    }
}

/// A caller that stopped waiting.
impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        for (way, why) in &self.open {
            way.lose(*why);
        }
    }
}
