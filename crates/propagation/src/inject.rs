//! From a context to the headers of an outgoing request.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

use crate::{Carried, Parent};
use campanile_semconv::header;

const TRACEPARENT: HeaderName = HeaderName::from_static(header::TRACEPARENT);
const TRACESTATE: HeaderName = HeaderName::from_static(header::TRACESTATE);
const BAGGAGE: HeaderName = HeaderName::from_static(header::BAGGAGE);

/// Writes the trace context and baggage of `context` into `headers`, in place of what they held.
///
/// Without a valid span there is no `traceparent` and no `tracestate`; an empty header is never
/// written.
///
/// ```
/// use campanile_propagation::inject;
///
/// let mut headers = http::HeaderMap::new();
/// inject(&opentelemetry::Context::current(), &mut headers);
/// assert!(headers.is_empty());
/// ```
pub fn inject(context: &Context, headers: &mut HeaderMap) {
    for name in [TRACEPARENT, TRACESTATE, BAGGAGE] {
        headers.remove(name);
    }
    headers.extend(inject_headers(context));
}

/// The headers that [`inject`] would write, for carriers that are not a [`HeaderMap`].
pub fn inject_headers(context: &Context) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let carried = Carried::of(context);
    let random = carried.as_ref().is_some_and(|carried| carried.random);
    let parent = Parent::from_span_context(context.span().span_context());
    let parent = parent.map(|parent| parent.with_random(random));
    let traceparent = parent.and_then(|parent| HeaderValue::from_bytes(&parent.format()).ok());
    let tracestate = carried
        .as_ref()
        .filter(|_| parent.is_some())
        .and_then(|carried| carried.tracestate.as_ref());
    let tracestate = tracestate.map(|state| state.as_header().clone());
    let baggage = carried.and_then(|carried| carried.baggage.as_header().cloned());
    let all = [
        (TRACEPARENT, traceparent),
        (TRACESTATE, tracestate),
        (BAGGAGE, baggage),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Extracted, extract};
    use opentelemetry::trace::TraceState;

    fn hop(headers: &HeaderMap) -> HeaderMap {
        let Extracted {
            parent, carried, ..
        } = extract(headers);
        let mut context = Context::new().with_value(carried);
        if let Some(parent) = parent {
            context = context.with_remote_span_context(parent.to_span_context(TraceState::NONE));
        }
        let mut out = HeaderMap::new();
        out.insert("traceparent", "stale".parse().unwrap());
        out.insert("baggage", "stale=1".parse().unwrap());
        inject(&context, &mut out);
        out
    }

    #[test]
    fn what_was_extracted_goes_out_again_byte_for_byte() {
        let mut headers = HeaderMap::new();
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";
        headers.insert("traceparent", traceparent.parse().unwrap());
        headers.insert("tracestate", "a=1, b@c=  2".parse().unwrap());
        headers.insert("baggage", "a=b=c, Aa=%2C ;p;q=%2541".parse().unwrap());
        assert_eq!(hop(&headers), headers);
    }

    #[test]
    fn baggage_travels_without_a_trace_and_nothing_stale_stays() {
        let mut headers = HeaderMap::new();
        headers.insert("tracestate", "a=1".parse().unwrap());
        assert!(hop(&headers).is_empty());
        headers.insert("baggage", "a=1".parse().unwrap());
        let out = hop(&headers);
        assert_eq!((out.len(), out["baggage"].to_str().unwrap()), (1, "a=1"));
    }
}
