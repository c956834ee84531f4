//! The layer: from an event to one line.

mod fields;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::time::SystemTime;

use campanile_recorder::LogAttributes;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tracing::{Event, Level, Metadata, Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer;
use tracing_subscriber::registry::LookupSpan;

use self::fields::{Fields, Inherited, Known};
use crate::{Sink, json, time};

/// Buffers larger than this are given back after the line that needed them.
const KEEP_BYTES: usize = 16 * 1024;

/// Writes each event as one JSON line. See the [crate docs](crate) for its fields.
///
/// `domain`, `request_id`, `event` and `outcome` are taken from the event's fields of these names.
/// Without such a field `event` is the name given by `name:`; domain and request id are those of the
/// nearest enclosing `tracing` span that has them, else of the exchange under way. Allowed baggage
/// of the exchange follows the event's own fields.
#[derive(Debug)]
pub struct Lines {
    /// `,"service":"..."`, escaped once.
    service: Vec<u8>,
    sink: Sink,
}

impl Lines {
    /// Writes lines of the service of this name to `sink`.
    pub fn new(service: &str, sink: Sink) -> Self {
        let mut rendered = b",\"service\":".to_vec();
        json::string(&mut rendered, service);
        Self {
            service: rendered,
            sink,
        }
    }

    fn render(&self, out: &mut Vec<u8>, event: &Event<'_>, inherited: &Inherited) {
        let mut fields = Fields::default();
        event.record(&mut fields);

        out.extend_from_slice(b"{\"timestamp\":\"");
        time::write(out, SystemTime::now());
        out.extend_from_slice(b"\",\"level\":\"");
        out.extend_from_slice(level(*event.metadata().level()).as_bytes());
        out.push(b'"');
        out.extend_from_slice(&self.service);
        fields.known(out, Known::Domain, inherited);
        ids(out);
        fields.known(out, Known::RequestId, inherited);
        fields.known_or(out, Known::Event, name(event.metadata()));
        fields.known(out, Known::Outcome, inherited);
        fields.known(out, Known::Message, inherited);
        out.extend_from_slice(b",\"target\":");
        json::string(out, event.metadata().target());
        out.extend_from_slice(fields.own());
        Context::map_current(|context| {
            let carried = LogAttributes::of(context)
                .into_iter()
                .flat_map(LogAttributes::iter);
            for (name, value) in carried.filter(|(name, _)| fields.is_free(name)) {
                out.push(b',');
                json::string(out, name);
                out.push(b':');
                json::string(out, value);
            }
        });
        out.extend_from_slice(b"}\n");
    }
}

impl<S> Layer<S> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        cx: layer::Context<'_, S>,
    ) {
        if let Some(span) = cx.span(id) {
            let inherited = Inherited::of(|visit| attributes.record(visit));
            if let Some(inherited) = inherited {
                span.extensions_mut().insert(inherited);
            }
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, cx: layer::Context<'_, S>) {
        let Some(inherited) = Inherited::of(|visit| values.record(visit)) else {
            return;
        };
        if let Some(span) = cx.span(id) {
            let mut extensions = span.extensions_mut();
            match extensions.get_mut::<Inherited>() {
                Some(old) => old.update(inherited),
                None => extensions.insert(inherited),
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, cx: layer::Context<'_, S>) {
        thread_local! {
            static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let mut inherited = Inherited::default();
        for span in cx.event_scope(event).into_iter().flatten() {
            if let Some(found) = span.extensions().get::<Inherited>() {
                inherited.fill(found);
            }
        }
        inherited.fill_from_exchange();
        BUFFER.with(|buffer| {
            // A `Debug` or `Display` that logs gets here while the buffer is in use.
            let Ok(mut out) = buffer.try_borrow_mut() else {
                let mut out = Vec::new();
                self.render(&mut out, event, &inherited);
                return self.sink.write_line(&out);
            };
            out.clear();
            self.render(&mut out, event, &inherited);
            self.sink.write_line(&out);
            if out.capacity() > KEEP_BYTES {
                *out = Vec::new();
            }
        });
    }
}

/// The name that the event was given; `None` for the place in the source that stands in for it.
fn name(metadata: &Metadata<'static>) -> Option<&'static str> {
    let name = metadata.name();
    (!name.starts_with("event ")).then_some(name)
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// The ids of the current OpenTelemetry span.
fn ids(out: &mut Vec<u8>) {
    Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        if span.is_valid() {
            let sampled = span.is_sampled();
            json::plain(
                out,
                format_args!(
                    ",\"trace_id\":\"{}\",\"span_id\":\"{}\",\"trace_sampled\":{sampled}",
                    span.trace_id(),
                    span.span_id()
                ),
            );
        } else {
            out.extend_from_slice(b",\"trace_id\":null,\"span_id\":null,\"trace_sampled\":null");
        }
    });
}
