//! The end of a request in one question.
//!
//! The span of a request lies in a `Context`, as a boxed trait object that nobody can look behind.
//! Ending it through the API would cost a call, a lock and an attribute for each thing to tell. So
//! all of it is put into a thread-local, and the span is asked whether it is recording: the one
//! method that changes nothing in spans of others. Ours takes what is there, and ends.

use std::cell::Cell;

use campanile_recorder::{End, Outcome, Phase, Route};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

/// What the series of a request is told by at its end, but for attributes and sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) route: &'static Route,
    pub(super) status: Option<u16>,
    pub(super) outcome: Outcome,
    pub(super) phase: Phase,
    pub(super) failure: Option<&'static str>,
    pub(super) took_ns: u64,
}

impl Ending {
    pub(super) fn of(end: &End<'_>) -> Self {
        Self {
            route: end.route,
            status: end.status,
            outcome: end.outcome,
            phase: end.phase,
            failure: end.failure,
            took_ns: end.elapsed.as_secs() * 1_000_000_000 + u64::from(end.elapsed.subsec_nanos()),
        }
    }

    /// The value of `error.type`.
    pub(super) fn error_type(&self) -> Option<&'static str> {
        End::error_type_of(self.outcome, self.failure, self.status)
    }
}

thread_local! {
    static ASKED: Cell<Option<Ending>> = const { Cell::new(None) };
}

/// Ends the span of `context`. Nothing happens if it is not one of ours, or if it is locked for
/// good because somebody panicked in it: then its drop ends it.
#[inline]
pub(super) fn end(context: &Context, ending: Ending) {
    ASKED.set(Some(ending));
    let _ = context.span().is_recording();
    ASKED.set(None);
}

/// What a span is asked to do, on this thread, right now.
#[inline]
pub(super) fn asked() -> Option<Ending> {
    ASKED.take()
}
