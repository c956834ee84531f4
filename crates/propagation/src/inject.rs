//! From a context to the headers of an outgoing request.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

use crate::{Carried, Parent};
use campanile_semconv::header;

const TRACEPARENT: HeaderName = HeaderName::from_static(header::TRACEPARENT);
const TRACESTATE: HeaderName = HeaderName::from_static(header::TRACESTATE);

/// Writes the trace context of `context` into `headers`, in place of what they held.
///
/// Does nothing when the context has no valid span.
///
/// ```
/// use campanile_propagation::inject;
///
/// let mut headers = http::HeaderMap::new();
/// inject(&opentelemetry::Context::current(), &mut headers);
/// assert!(headers.is_empty());
/// ```
pub fn inject(context: &Context, headers: &mut HeaderMap) {
    for (name, value) in inject_headers(context) {
        headers.insert(name, value);
    }
}

/// The headers that [`inject`] would write, for carriers that are not a [`HeaderMap`].
pub fn inject_headers(context: &Context) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let span = context.span();
    let parent = Parent::from_span_context(span.span_context());
    let traceparent = parent.and_then(|parent| HeaderValue::from_bytes(&parent.format()).ok());
    let tracestate = parent.and_then(|_| Carried::of(context)?.tracestate.clone());
    let traceparent = traceparent.map(|value| (TRACEPARENT, value));
    traceparent
        .into_iter()
        .chain(tracestate.map(|value| (TRACESTATE, value)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Extracted, extract};
    use opentelemetry::trace::TraceState;

    #[test]
    fn what_was_extracted_goes_out_again() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"
                .parse()
                .unwrap(),
        );
        headers.insert("tracestate", "a=1, b@c=  2".parse().unwrap());
        let Extracted { parent, carried } = extract(&headers);
        let remote = parent.unwrap().to_span_context(TraceState::NONE);
        let context = Context::new()
            .with_value(carried)
            .with_remote_span_context(remote);

        let mut out = HeaderMap::new();
        inject(&context, &mut out);

        assert_eq!(out, headers);
    }
}
