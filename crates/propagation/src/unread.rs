//! What travels beside the parent, left unread until somebody asks for it.
//!
//! Most requests are answered without their baggage being looked at or sent on. So the sender's
//! text is kept as it came, and checked and read once, by whoever needs it first.

use std::sync::OnceLock;

use http::HeaderValue;

use crate::{Baggage, Carried, TraceStateText};

/// What a request sends along, as it came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unread<'a> {
    /// The only `tracestate`; absent without a valid parent.
    pub tracestate: Option<&'a HeaderValue>,
    /// The only `baggage`.
    pub baggage: Option<&'a HeaderValue>,
    /// See [`Carried::random`].
    pub random: bool,
}

impl Unread<'_> {
    /// What is legal of it, and how many members of the baggage are not.
    #[inline]
    pub fn read(self) -> (Carried, u32) {
        let (baggage, drops) = match self.baggage {
            Some(line) => Baggage::from_line(line),
            None => (Baggage::default(), 0),
        };
        let carried = Carried {
            tracestate: self.tracestate.and_then(TraceStateText::from_line),
            baggage,
            random: self.random,
        };
        (carried, drops)
    }
}

impl<'a> From<&'a Carried> for Unread<'a> {
    fn from(carried: &'a Carried) -> Self {
        Self {
            tracestate: carried.tracestate.as_ref().map(TraceStateText::as_header),
            baggage: carried.baggage.as_header(),
            random: carried.random,
        }
    }
}

/// The same to keep, and to read once.
///
/// ```
/// use campanile_propagation::{LazyCarried, Unread};
///
/// let baggage = http::HeaderValue::from_static("plan=pro,=broken");
/// let mut kept = LazyCarried::default();
/// kept.keep(Unread { baggage: Some(&baggage), ..Unread::default() });
/// let mut drops = 0;
/// let carried = kept.get(|members| drops += members);
/// assert_eq!(carried.baggage.get("plan").as_deref(), Some("pro"));
/// assert_eq!(drops, 1);
/// ```
#[derive(Debug, Default)]
pub struct LazyCarried {
    tracestate: Option<HeaderValue>,
    baggage: Option<HeaderValue>,
    random: bool,
    read: OnceLock<Carried>,
}

impl LazyCarried {
    /// Keeps this instead of what was kept before.
    #[inline]
    pub fn keep(&mut self, unread: Unread<'_>) {
        self.tracestate = unread.tracestate.cloned();
        self.baggage = unread.baggage.cloned();
        self.random = unread.random;
        if self.read.get().is_some() {
            self.read = OnceLock::new();
        }
    }

    /// What is legal of it. The first to ask has it read, and `dropped` is told how many members of
    /// the baggage are not legal, if there are such.
    pub fn get(&self, dropped: impl FnOnce(u32)) -> &Carried {
        self.read.get_or_init(|| {
            let (carried, drops) = self.unread().read();
            if drops > 0 {
                dropped(drops);
            }
            carried
        })
    }

    /// The `tracestate`, if it is legal. The baggage stays unread.
    #[inline]
    pub fn tracestate(&self) -> Option<&HeaderValue> {
        match self.read.get() {
            Some(read) => read.tracestate.as_ref().map(TraceStateText::as_header),
            None => self
                .tracestate
                .as_ref()
                .filter(|text| TraceStateText::is_legal(text)),
        }
    }

    /// Keeps nothing any more.
    #[inline]
    pub fn clear(&mut self) {
        self.keep(Unread::default());
    }

    fn unread(&self) -> Unread<'_> {
        Unread {
            tracestate: self.tracestate.as_ref(),
            baggage: self.baggage.as_ref(),
            random: self.random,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_kept_is_read_once_and_forgotten_with_the_next() {
        let (state, list) = (
            HeaderValue::from_static("congo=t61"),
            HeaderValue::from_static("plan=pro,=,b"),
        );
        let mut kept = LazyCarried::default();
        kept.keep(Unread {
            tracestate: Some(&state),
            baggage: Some(&list),
            random: true,
        });
        assert_eq!(kept.tracestate(), Some(&state));
        let mut told = Vec::new();
        for _ in 0..2 {
            let carried = kept.get(|drops| told.push(drops));
            assert_eq!(carried.baggage.as_header().unwrap(), "plan=pro");
            assert_eq!(carried.tracestate.as_ref().unwrap().as_header(), state);
            assert!(carried.random);
        }
        assert_eq!(told, [2]);
        assert_eq!(kept.tracestate(), Some(&state));
        kept.clear();
        assert!(kept.get(|_| {}).is_empty());
        assert_eq!(kept.tracestate(), None);
    }

    #[test]
    fn a_tracestate_that_is_not_legal_is_none_read_or_not() {
        let state = HeaderValue::from_static("A=1");
        let mut kept = LazyCarried::default();
        kept.keep(Unread {
            tracestate: Some(&state),
            ..Unread::default()
        });
        assert_eq!(kept.tracestate(), None);
        assert!(kept.get(|_| {}).tracestate.is_none());
        assert_eq!(kept.tracestate(), None);
    }
}
