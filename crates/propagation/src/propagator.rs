//! The same rules behind OpenTelemetry's own interface, for other instrumentations.

use std::collections::HashMap;
use std::sync::LazyLock;

use http::HeaderValue;
use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TraceState};

use crate::extract::from_lines;
use crate::{Formats, TraceStateText, inject_headers};
use campanile_semconv::header;

/// W3C trace context and baggage as a [`TextMapPropagator`].
///
/// Install it globally and instrumentations that know nothing of us inject what we extracted. Our
/// own layers work without it.
///
/// ```
/// use campanile_propagation::W3cPropagator;
///
/// opentelemetry::global::set_text_map_propagator(W3cPropagator::new());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct W3cPropagator {
    formats: Formats,
}

impl W3cPropagator {
    /// Creates a propagator for both formats.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a propagator for these formats.
    pub fn of(formats: Formats) -> Self {
        Self { formats }
    }
}

impl TextMapPropagator for W3cPropagator {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        for (name, value) in inject_headers(context) {
            if !self.formats.has(name.as_str()) {
                continue;
            }
            if let Ok(text) = value.to_str() {
                injector.set(name.as_str(), text.to_owned());
            }
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let names = [header::TRACEPARENT, header::TRACESTATE, header::BAGGAGE];
        let lines: HashMap<_, Vec<HeaderValue>> =
            names.map(|name| (name, lines(extractor, name))).into();
        let found = self
            .formats
            .limit(from_lines(|name| lines.get(name).into_iter().flatten()));
        let mut context = context.clone();
        // the API's own type holds most lists, and is all that a foreign reader looks at
        let state = found.carried.tracestate.as_ref();
        let state = state.map_or(TraceState::NONE, TraceStateText::to_api);
        if !found.carried.is_empty() {
            context = context.with_value(found.carried);
        }
        match found.parent {
            Some(parent) => context.with_remote_span_context(parent.to_span_context(state)),
            None => context,
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        static FIELDS: LazyLock<[String; 3]> = LazyLock::new(|| {
            [header::TRACEPARENT, header::TRACESTATE, header::BAGGAGE].map(str::to_owned)
        });
        FieldIter::new(&*FIELDS)
    }
}

/// A carrier gives text; what it gives is judged like header lines.
fn lines(extractor: &dyn Extractor, name: &str) -> Vec<HeaderValue> {
    let lines = extractor.get_all(name).unwrap_or_default();
    lines
        .into_iter()
        .filter_map(|line| HeaderValue::from_bytes(line.as_bytes()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn other_instrumentations_inject_what_was_extracted() {
        let sent: HashMap<String, String> = [
            (
                "traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02",
            ),
            ("tracestate", "a=  1,b@@=2"),
            ("baggage", "a=b=c;p"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let context = W3cPropagator::new().extract_with_context(&Context::new(), &sent);
        let mut out = HashMap::new();
        W3cPropagator::new().inject_context(&context, &mut out);
        assert_eq!(out, sent);
        let propagator = W3cPropagator::new();
        let fields: Vec<_> = propagator.fields().collect();
        assert_eq!(fields, ["traceparent", "tracestate", "baggage"]);
    }
}
