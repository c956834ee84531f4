//! Audit records in the log stream: lines of the same form as all others.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use campanile_semconv::event;

use super::{Record, Refusal, Way};
use crate::{Sink, json, time};

/// The log stream.
#[derive(Debug)]
pub struct Lines {
    service: String,
    sink: Sink,
}

impl Lines {
    /// Writes lines of the service of this name to `sink`, which keeps room for them.
    pub fn new(service: &str, sink: Sink) -> Self {
        Self {
            service: service.to_owned(),
            sink,
        }
    }

    fn render(&self, record: &Record) -> Vec<u8> {
        let mut out = b"{\"timestamp\":\"".to_vec();
        time::write(&mut out, record.at());
        out.extend_from_slice(b"\",\"level\":\"INFO\"");
        text(&mut out, "service", Some(&self.service));
        text(&mut out, "domain", record.domain());
        let span = record.span();
        if span.is_valid() {
            let (trace_id, span_id) = (span.trace_id(), span.span_id());
            let sampled = span.is_sampled();
            json::plain(
                &mut out,
                format_args!(
                    ",\"trace_id\":\"{trace_id}\",\"span_id\":\"{span_id}\",\"trace_sampled\":{sampled}"
                ),
            );
        } else {
            out.extend_from_slice(b",\"trace_id\":null,\"span_id\":null,\"trace_sampled\":null");
        }
        text(&mut out, "request_id", record.request_id());
        text(&mut out, "event", Some(event::CAMPANILE_AUDIT));
        text(&mut out, "outcome", Some(record.outcome().as_str()));
        text(&mut out, "message", Some(&record.message()));
        text(&mut out, "target", Some(super::TARGET));
        for (key, value) in record.attributes() {
            text(&mut out, key, Some(value));
        }
        out.extend_from_slice(b"}\n");
        out
    }
}

fn text(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    out.push(b',');
    json::string(out, name);
    out.push(b':');
    match value {
        Some(value) => json::string(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

impl From<Lines> for Arc<dyn Way> {
    fn from(lines: Lines) -> Self {
        Arc::new(lines)
    }
}

impl Way for Lines {
    fn name(&self) -> &'static str {
        "the log stream"
    }

    fn offer(&self, record: &Record) -> Result<(), Refusal> {
        self.sink.keep_line(&self.render(record))
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.sink.room())
    }

    fn lose(&self, _why: Refusal) {
        self.sink.count_lost();
    }
}
