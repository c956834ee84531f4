//! Which fault meets which request.

use std::collections::VecDeque;

use super::{Fault, Kind};
use crate::model::Signal;
use crate::shared::Shared;

/// The faults to come, and the one that stays.
#[derive(Debug, Default)]
pub(crate) struct Script {
    next: VecDeque<Fault>,
    always: Option<Fault>,
}

impl Script {
    /// Takes what a request of `signal` meets.
    pub(crate) fn take(&mut self, signal: Signal) -> Kind {
        let fits = |fault: &Fault| fault.only.is_none_or(|only| only == signal);
        let next = self.next.iter().position(fits);
        let next = next.and_then(|index| self.next.remove(index));
        let fault = next.or_else(|| self.always.clone().filter(fits));
        fault.map_or(Kind::Nothing, |fault| fault.kind)
    }
}

/// The fault script of a receiver, from [`Receiver::faults`](crate::Receiver::faults).
///
/// It may be changed at any time, and counts for requests whose head arrives from then on.
#[derive(Clone, Copy, Debug)]
pub struct Faults<'a> {
    shared: &'a Shared,
}

impl<'a> Faults<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared }
    }

    /// Adds a fault for the next request, after those already added. It is used up by it.
    pub fn next(self, fault: Fault) -> Self {
        self.shared.script().next.push_back(fault);
        self
    }

    /// Adds a fault for the next `count` requests, after those already added.
    pub fn next_times(self, count: usize, fault: Fault) -> Self {
        let faults = std::iter::repeat_n(fault, count);
        self.shared.script().next.extend(faults);
        self
    }

    /// Sets the fault that every request meets for which no other was added. Replaces the one set before.
    pub fn always(self, fault: Fault) -> Self {
        self.shared.script().always = Some(fault);
        self
    }

    /// Counts the added faults that no request has met yet.
    pub fn pending(self) -> usize {
        self.shared.script().next.len()
    }

    /// Heals: no fault from now on. Requests that were swallowed stay so.
    pub fn clear(self) {
        *self.shared.script() = Script::default();
    }
}
