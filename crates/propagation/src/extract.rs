//! From request headers to the caller's span.

use http::header::{GetAll, HeaderMap, HeaderValue};

use crate::{Carried, Parent};
use campanile_semconv::header;

/// What the headers of a request say about its caller.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extracted {
    /// The caller's span; `None` when there is no valid `traceparent`, or more than one.
    pub parent: Option<Parent>,
    /// The rest, to be carried on. Empty without a parent, as the specification asks.
    pub carried: Carried,
}

/// Reads the trace context of a request.
///
/// All lines of a repeated header are seen: two `traceparent` lines are none, `tracestate` lines
/// are joined in order.
pub fn extract(headers: &HeaderMap) -> Extracted {
    let Some(parent) =
        only(&headers.get_all(header::TRACEPARENT)).and_then(|text| Parent::parse(text.as_bytes()))
    else {
        return Extracted::default();
    };
    let tracestate = joined(&headers.get_all(header::TRACESTATE));
    Extracted {
        parent: Some(parent),
        carried: Carried { tracestate },
    }
}

fn only<'a>(lines: &GetAll<'a, HeaderValue>) -> Option<&'a HeaderValue> {
    let mut lines = lines.iter();
    lines.next().filter(|_| lines.next().is_none())
}

fn joined(lines: &GetAll<'_, HeaderValue>) -> Option<HeaderValue> {
    let mut lines = lines.iter();
    let first = lines.next()?;
    let text = match lines.next() {
        None => first.clone(),
        Some(second) => {
            let all: Vec<&[u8]> = [first, second]
                .into_iter()
                .chain(lines)
                .map(HeaderValue::as_bytes)
                .collect();
            HeaderValue::from_bytes(&all.join(&b","[..])).ok()?
        }
    };
    (!text.as_bytes().trim_ascii().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn a_doubled_traceparent_is_none_and_takes_tracestate_with_it() {
        let found = extract(&headers(&[
            ("traceparent", GOOD),
            ("traceparent", GOOD),
            ("tracestate", "a=1"),
        ]));
        assert_eq!(found, Extracted::default());
    }

    #[test]
    fn tracestate_lines_are_joined_in_order() {
        let found = extract(&headers(&[
            ("tracestate", "a=1"),
            ("traceparent", GOOD),
            ("tracestate", "b=2"),
        ]));
        assert_eq!(found.carried.tracestate.unwrap(), "a=1,b=2");
    }

    #[test]
    fn an_empty_tracestate_is_no_tracestate() {
        let found = extract(&headers(&[("traceparent", GOOD), ("tracestate", " ")]));
        assert!(found.parent.is_some());
        assert!(found.carried.is_empty());
    }
}
