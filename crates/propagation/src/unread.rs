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
    /// A copy, as a header's text may be a part of all that the connection has read: first the
    /// `tracestate`, then the `baggage`.
    text: Vec<u8>,
    /// How long the `tracestate` is. No text is none.
    tracestate: usize,
    /// Whether the sender marked either as not to be kept in anybody's tables.
    sensitive: [bool; 2],
    random: bool,
    read: OnceLock<Carried>,
}

/// How much room is kept for the next.
const ROOM: usize = 1 << 10;

impl LazyCarried {
    /// Keeps this instead of what was kept before.
    #[inline]
    pub fn keep(&mut self, unread: Unread<'_>) {
        if !self.text.is_empty() || self.read.get().is_some() {
            self.clear();
        }
        if let Some(tracestate) = unread.tracestate {
            self.text.extend_from_slice(tracestate.as_bytes());
            self.tracestate = self.text.len();
            self.sensitive[0] = tracestate.is_sensitive();
        }
        if let Some(baggage) = unread.baggage {
            self.text.extend_from_slice(baggage.as_bytes());
            self.sensitive[1] = baggage.is_sensitive();
        }
        self.random = unread.random;
    }

    /// What is legal of it. The first to ask has it read, and `dropped` is told how many members of
    /// the baggage are not legal, if there are such.
    pub fn get(&self, dropped: impl FnOnce(u32)) -> &Carried {
        self.read.get_or_init(|| {
            let header = |text: &[u8], is_sensitive| {
                let text = Some(text).filter(|text| !text.is_empty())?;
                let mut header = HeaderValue::from_bytes(text).ok()?;
                header.set_sensitive(is_sensitive);
                Some(header)
            };
            let (tracestate, baggage) = self.text.split_at(self.tracestate);
            let [of_tracestate, of_baggage] = self.sensitive;
            let tracestate = header(tracestate, of_tracestate);
            let baggage = header(baggage, of_baggage);
            let unread = Unread {
                tracestate: tracestate.as_ref(),
                baggage: baggage.as_ref(),
                random: self.random,
            };
            let (carried, drops) = unread.read();
            if drops > 0 {
                dropped(drops);
            }
            carried
        })
    }

    /// The text of the `tracestate`; empty if there is none, or it is not legal. The baggage stays
    /// unread.
    #[inline]
    pub fn tracestate(&self) -> &[u8] {
        let text = &self.text[..self.tracestate];
        if TraceStateText::is_legal(text) {
            text
        } else {
            &[]
        }
    }

    /// Keeps nothing any more.
    #[inline]
    pub fn clear(&mut self) {
        self.text.clear();
        (self.tracestate, self.sensitive, self.random) = (0, [false; 2], false);
        if self.text.capacity() > ROOM {
            self.text = Vec::new();
        }
        if self.read.get().is_some() {
            self.read = OnceLock::new();
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
        assert_eq!(kept.tracestate(), state.as_bytes());
        let mut told = Vec::new();
        for _ in 0..2 {
            let carried = kept.get(|drops| told.push(drops));
            assert_eq!(carried.baggage.as_header().unwrap(), "plan=pro");
            assert_eq!(carried.tracestate.as_ref().unwrap().as_header(), state);
            assert!(carried.random);
        }
        assert_eq!(told, [2]);
        assert_eq!(kept.tracestate(), state.as_bytes());
        kept.clear();
        assert!(kept.get(|_| {}).is_empty());
        assert!(kept.tracestate().is_empty());
    }

    #[test]
    fn what_its_sender_marked_as_sensitive_stays_so() {
        let mut list = HeaderValue::from_static("plan=pro");
        let mut kept = LazyCarried::default();
        for is_sensitive in [true, false] {
            list.set_sensitive(is_sensitive);
            kept.keep(Unread {
                baggage: Some(&list),
                ..Unread::default()
            });
            let header = kept.get(|_| {}).baggage.as_header().unwrap();
            assert_eq!(header.is_sensitive(), is_sensitive);
        }
    }

    #[test]
    fn a_tracestate_that_is_not_legal_is_none_read_or_not() {
        let state = HeaderValue::from_static("A=1");
        let mut kept = LazyCarried::default();
        kept.keep(Unread {
            tracestate: Some(&state),
            ..Unread::default()
        });
        assert!(kept.tracestate().is_empty());
        assert!(kept.get(|_| {}).tracestate.is_none());
        assert!(kept.tracestate().is_empty());
    }
}
