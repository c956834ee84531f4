//! Which formats are read and written: what `OTEL_PROPAGATORS` says.

use http::HeaderMap;
use opentelemetry::Context;

use crate::{Extracted, extract, inject, inject_headers};
use campanile_semconv::header;

/// Which of the W3C formats are in use. Default: both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Formats {
    /// `traceparent` and `tracestate`.
    pub trace_context: bool,
    /// `baggage`.
    pub baggage: bool,
}

impl Default for Formats {
    fn default() -> Self {
        Self {
            trace_context: true,
            baggage: true,
        }
    }
}

impl Formats {
    /// Reads what is in use; see [`extract`].
    pub fn extract(self, headers: &HeaderMap) -> Extracted {
        if self
            == (Self {
                trace_context: false,
                baggage: false,
            })
        {
            return Extracted::default();
        }
        self.limit(extract(headers))
    }

    /// Leaves out what is not in use.
    pub(crate) fn limit(self, mut found: Extracted) -> Extracted {
        if !self.trace_context {
            found.parent = None;
            found.carried.tracestate = None;
            found.carried.random = false;
        }
        if !self.baggage {
            found.carried.baggage = Default::default();
            found.baggage_drops = 0;
        }
        found
    }

    /// Writes what is in use, and leaves headers of the other format as they are; see [`inject`].
    pub fn inject(self, context: &Context, headers: &mut HeaderMap) {
        if self == Self::default() {
            return inject(context, headers);
        }
        for name in [header::TRACEPARENT, header::TRACESTATE, header::BAGGAGE] {
            if self.has(name) {
                headers.remove(name);
            }
        }
        headers.extend(inject_headers(context).filter(|(name, _)| self.has(name.as_str())));
    }

    /// Whether a header is of a format in use.
    pub(crate) fn has(self, name: &str) -> bool {
        if name == header::BAGGAGE {
            self.baggage
        } else {
            self.trace_context
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use opentelemetry::trace::{TraceContextExt, TraceState};

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";

    #[test]
    fn what_is_not_in_use_is_neither_read_nor_written_nor_touched() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("traceparent", TRACEPARENT),
            ("tracestate", "a=1"),
            ("baggage", "b=2"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let all = extract(&headers);
        let remote = all.parent.unwrap().to_span_context(TraceState::NONE);
        let context = Context::new()
            .with_value(all.carried)
            .with_remote_span_context(remote);
        for (trace_context, baggage) in [(true, true), (true, false), (false, true), (false, false)]
        {
            let formats = Formats {
                trace_context,
                baggage,
            };
            let found = formats.extract(&headers);
            assert_eq!(found.parent.is_some(), trace_context, "{formats:?}");
            assert_eq!(
                found.carried.tracestate.is_some(),
                trace_context,
                "{formats:?}"
            );
            assert_eq!(found.carried.baggage.is_empty(), !baggage, "{formats:?}");
            let mut out = HeaderMap::new();
            out.insert("traceparent", "mine".parse().unwrap());
            out.insert("baggage", "mine=1".parse().unwrap());
            formats.inject(&context, &mut out);
            let expected = if trace_context { TRACEPARENT } else { "mine" };
            assert_eq!(out["traceparent"], expected, "{formats:?}");
            assert_eq!(
                out["baggage"],
                if baggage { "b=2" } else { "mine=1" },
                "{formats:?}"
            );
        }
    }
}
