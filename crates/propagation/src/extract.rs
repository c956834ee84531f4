//! From request headers to the caller's span.

use http::{HeaderMap, HeaderValue};

use crate::{Baggage, Carried, Parent, TraceStateText, Unread};
use campanile_semconv::header;

/// What the headers of a request say about its caller.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extracted {
    /// The caller's span; `None` when there is no valid `traceparent`, or more than one.
    pub parent: Option<Parent>,
    /// The rest, to be carried on: no `tracestate` without a parent, as the specification asks.
    pub carried: Carried,
    /// How many baggage members were malformed or past the limits.
    pub baggage_drops: u32,
}

/// Reads the trace context of a request.
///
/// All lines of a repeated header are seen: two `traceparent` lines are none, `tracestate` and
/// `baggage` lines are joined in order.
pub fn extract(headers: &HeaderMap) -> Extracted {
    let is_repeated = headers.len() != headers.keys_len();
    if is_repeated || headers.len() > MAX_WALK {
        return from_lines(|name| headers.get_all(name).iter());
    }
    let mut lines = Lines::default();
    for (name, value) in headers {
        match name.as_str() {
            header::TRACEPARENT => lines.traceparent = Some(value),
            header::TRACESTATE => lines.tracestate = Some(value),
            header::BAGGAGE => lines.baggage = Some(value),
            _ => {}
        }
    }
    lines.extract()
}

/// The lines of the three headers, for those who walk over a request's headers anyway: where none
/// is repeated, which `headers.len() == headers.keys_len()` proves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines<'a> {
    /// The only `traceparent`.
    pub traceparent: Option<&'a HeaderValue>,
    /// The only `tracestate`.
    pub tracestate: Option<&'a HeaderValue>,
    /// The only `baggage`.
    pub baggage: Option<&'a HeaderValue>,
}

impl Lines<'_> {
    /// What they say; see [`extract`].
    pub fn extract(self) -> Extracted {
        let parent = self.parent();
        let (carried, baggage_drops) = self.rest(parent).read();
        Extracted {
            parent,
            carried,
            baggage_drops,
        }
    }
}

impl<'a> Lines<'a> {
    /// The caller's span.
    #[inline]
    pub fn parent(self) -> Option<Parent> {
        Parent::parse(self.traceparent?.as_bytes())
    }

    /// What travels beside the caller's span `parent`, unread.
    #[inline]
    pub fn rest(self, parent: Option<Parent>) -> Unread<'a> {
        Unread {
            tracestate: self.tracestate.filter(|_| parent.is_some()),
            baggage: self.baggage,
            random: parent.is_some_and(Parent::is_random),
        }
    }
}

/// Up to this many headers one walk over them is cheaper than a search for each name.
const MAX_WALK: usize = 24;

/// The same over any carrier that gives the lines of a header.
#[inline]
pub(crate) fn from_lines<'a, L>(lines: impl Fn(&'static str) -> L) -> Extracted
where
    L: Iterator<Item = &'a HeaderValue>,
{
    let mut traceparent = lines(header::TRACEPARENT);
    let only = traceparent.next().filter(|_| traceparent.next().is_none());
    let parent = only.and_then(|text| Parent::parse(text.as_bytes()));
    let tracestate = parent.and_then(|_| TraceStateText::from_lines(lines(header::TRACESTATE)));
    let (baggage, baggage_drops) = Baggage::from_lines(lines(header::BAGGAGE));
    Extracted {
        parent,
        carried: Carried {
            tracestate,
            baggage,
            random: parent.is_some_and(Parent::is_random),
        },
        baggage_drops,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(lines: &[(&'static str, &'static [u8])]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        map
    }

    #[test]
    fn a_doubled_traceparent_is_none_and_takes_tracestate_but_not_baggage_with_it() {
        let good = ("traceparent", GOOD.as_bytes());
        let found = extract(&headers(&[
            good,
            good,
            ("tracestate", b"a=1"),
            ("baggage", b"a=1"),
        ]));
        assert_eq!((found.parent, found.carried.tracestate), (None, None));
        assert_eq!(found.carried.baggage.get("a").unwrap(), "1");
    }

    #[test]
    fn lines_of_tracestate_and_baggage_are_joined_in_order() {
        let good = ("traceparent", GOOD.as_bytes());
        let found = extract(&headers(&[
            ("tracestate", b"a=1"),
            ("baggage", b"x=1"),
            good,
            ("tracestate", b"b=2"),
            ("baggage", b"y=2"),
        ]));
        assert_eq!(found.carried.tracestate.unwrap().as_str(), "a=1,b=2");
        assert_eq!(found.carried.baggage.as_header().unwrap(), "x=1,y=2");
    }

    #[test]
    fn what_is_not_ascii_is_present_but_unusable() {
        let good = ("traceparent", GOOD.as_bytes());
        let found = extract(&headers(&[
            good,
            ("tracestate", b"a=1"),
            ("tracestate", b"b=\xff"),
        ]));
        assert!(found.parent.is_some());
        assert_eq!(found.carried.tracestate, None);
        let found = extract(&headers(&[good, ("traceparent", b"\xff")]));
        assert_eq!(
            found.parent, None,
            "a second line counts, whatever is in it"
        );
        let found = extract(&headers(&[("baggage", b"a=1,b=\xff,c=3")]));
        assert_eq!(found.carried.baggage.as_header().unwrap(), "a=1,c=3");
        assert_eq!(found.baggage_drops, 1);
    }

    #[test]
    fn the_number_of_headers_does_not_change_what_is_found() {
        let mut few = headers(&[
            ("traceparent", GOOD.as_bytes()),
            ("tracestate", b"a=1"),
            ("baggage", b"a=1"),
        ]);
        let found = extract(&few);
        assert!(found.parent.is_some() && !found.carried.baggage.is_empty());
        for i in 0..MAX_WALK {
            let name = http::HeaderName::try_from(format!("x-{i}")).unwrap();
            few.insert(name, HeaderValue::from_static("1"));
        }
        assert_eq!(extract(&few), found);
    }

    #[test]
    fn a_bad_tracestate_leaves_the_trace() {
        let found = extract(&headers(&[
            ("traceparent", GOOD.as_bytes()),
            ("tracestate", b"A=1"),
        ]));
        assert!(found.parent.is_some() && found.carried.is_empty());
    }
}
