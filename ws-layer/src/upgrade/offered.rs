//! What a client says in its list of subprotocols.
//!
//! A browser cannot set headers on a WebSocket, but it can offer subprotocols; a `traceparent` is
//! a legal name. `wsobs.v1` offers our wire contract, `wsobs.tp.<traceparent>` names the span that
//! opened the socket. The latter is read, linked, and never selected.

use axum::http::{HeaderMap, header};
use campanile_propagation::Parent;
use campanile_semconv::header as names;
use opentelemetry::trace::{SpanContext, TraceState};

/// The subprotocol that stands for the contract.
pub(super) const CONTRACT: &str = "wsobs.v1";

const CONTEXT: &[u8] = b"wsobs.tp.";

/// Past this the list is not searched for a context.
const MAX_HEADER: usize = 1024;

#[derive(Clone, Debug, Default)]
pub(super) struct Offered {
    /// Whether the client speaks the contract.
    pub(super) contract: bool,
    /// The span that opened the socket.
    pub(super) context: Option<SpanContext>,
}

impl Offered {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
        let size: usize = lines.iter().map(|line| line.len()).sum();
        if size > MAX_HEADER {
            return Self::default();
        }
        let mut offered = Self::default();
        let mut contexts = 0;
        let names = lines
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        for name in names.map(<[u8]>::trim_ascii) {
            offered.contract |= name == CONTRACT.as_bytes();
            if let Some(text) = name.strip_prefix(CONTEXT) {
                contexts += 1;
                let parent = Parent::parse(text);
                offered.context = parent.map(|parent| parent.to_span_context(TraceState::NONE));
            }
        }
        if contexts > 1 {
            offered.context = None;
        }
        offered
    }
}

/// The context in the `traceparent` header, if there is one and it is alone.
pub(super) fn header(headers: &HeaderMap) -> Option<SpanContext> {
    let mut lines = headers.get_all(names::TRACEPARENT).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let parent = Parent::parse(line.as_bytes());
    parent.map(|parent| parent.to_span_context(TraceState::NONE))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn offered(lines: &[String]) -> (bool, Option<String>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::SEC_WEBSOCKET_PROTOCOL, line.parse().unwrap());
        }
        let found = Offered::of(&headers);
        let trace = found.context.map(|context| context.trace_id().to_string());
        (found.contract, trace)
    }

    #[test]
    fn contract_and_context_are_found_in_any_line() {
        let trace = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
        let one = format!("chat, wsobs.v1 ,wsobs.tp.{TRACE}");
        assert_eq!(offered(&[one]), (true, trace.clone()));
        let two = [format!("wsobs.tp.{TRACE}"), "chat".to_owned()];
        assert_eq!(offered(&two), (false, trace));
    }

    #[test]
    fn a_forged_or_doubled_context_is_none() {
        let forged = [
            "wsobs.tp.".to_owned(),
            "wsobs.tp.00-0-0-0".to_owned(),
            format!("wsobs.tp.{}", TRACE.to_uppercase()),
            format!("wsobs.tp.{TRACE},wsobs.tp.{TRACE}"),
            format!(
                "wsobs.tp.{}",
                TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32))
            ),
        ];
        for line in forged {
            assert_eq!(offered(&[line]), (false, None));
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_not_searched() {
        let long = format!("{},wsobs.v1,wsobs.tp.{TRACE}", "x".repeat(MAX_HEADER));
        assert_eq!(offered(&[long]), (false, None));
    }
}
