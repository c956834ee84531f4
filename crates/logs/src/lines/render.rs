//! The order of a line.

use std::time::SystemTime;

use campanile_recorder::LogAttributes;
use campanile_redaction::Redactor;
use campanile_semconv::event as names;
use tracing::{Event, Level};

use super::fields::{Collector, Fields};
use super::scene::{Domain, Id, Scene, SpanIds};
use super::style::{Format, readable};
use super::template::{Known, Template, Templates};
use crate::time::Clock;
use crate::{Sink, json, time};

/// Buffers larger than this together are given back after the line that needed them.
const KEEP_BYTES: usize = 32 * 1024;

/// How many digits of a trace id a readable line has.
const SHORT_TRACE: usize = 4;

/// What a thread keeps from line to line.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) line: Vec<u8>,
    fields: Fields,
    clock: Clock,
    pub(super) templates: Templates,
}

impl Buffers {
    pub(super) fn recycle(&mut self) {
        if self.line.capacity() + self.fields.capacity() > KEEP_BYTES {
            self.line = Vec::new();
            self.fields = Fields::default();
        }
    }
}

/// How lines look, and whose they are.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) format: Format,
    pub(super) is_coloured: bool,
    /// `,"service":"..."`, escaped once.
    service: Vec<u8>,
}

impl Look {
    pub(super) fn new(service: &str) -> Self {
        let mut rendered = b",\"service\":".to_vec();
        json::string(&mut rendered, service);
        Self {
            format: Format::Json,
            is_coloured: false,
            service: rendered,
        }
    }

    /// Says to `sink` how lost lines are told.
    pub(super) fn introduce(&self, sink: &Sink) {
        let look = self.clone();
        sink.set_notice(Box::new(move |lost| {
            let text =
                format!("{lost} lines were not written: standard error was not read, or failed");
            look.own_line(Some(names::CAMPANILE_LOG_DROPPED), &text, &[("lost", lost)])
        }));
    }

    /// A line of our own, outside of any request.
    pub(super) fn own_line(
        &self,
        event: Option<&str>,
        text: &str,
        numbers: &[(&'static str, u64)],
    ) -> Vec<u8> {
        let mut out = Vec::new();
        match self.format {
            Format::Json => {
                out.extend_from_slice(b"{\"timestamp\":\"");
                time::write(&mut out, SystemTime::now());
                out.extend_from_slice(b"\",\"level\":\"WARN\"");
                out.extend_from_slice(&self.service);
                out.extend_from_slice(b",\"domain\":null");
                ids(&mut out, None);
                out.extend_from_slice(b",\"request_id\":null,\"event\":");
                match event {
                    Some(event) => json::string(&mut out, event),
                    None => out.extend_from_slice(b"null"),
                }
                out.extend_from_slice(b",\"outcome\":null,\"message\":");
                json::string(&mut out, text);
                out.extend_from_slice(b",\"target\":\"campanile\"");
            }
            Format::Pretty => {
                time::write(&mut out, SystemTime::now());
                out.push(b' ');
                self.level(&mut out, Level::WARN);
                if let Some(event) = event {
                    json::plain(&mut out, format_args!(" [{event}]"));
                }
                out.push(b' ');
                readable(&mut out, text);
            }
        }
        for (name, number) in numbers {
            self.format.name(&mut out, name);
            json::integer(&mut out, *number, false);
        }
        out.extend_from_slice(self.end());
        out
    }

    /// Writes the whole line into `buffers.line`.
    pub(super) fn render(
        &self,
        buffers: &mut Buffers,
        event: &Event<'_>,
        template: &Template,
        scene: &Scene,
        domain: Option<&str>,
        redactor: &Redactor,
    ) {
        let level = *event.metadata().level();
        let Buffers {
            line,
            fields,
            clock,
            ..
        } = buffers;
        fields.clear();
        let mut collector = Collector::new(fields, template, self.format, redactor, domain);
        event.record(&mut collector);
        if let Some(domain) = scene.domain.as_ref().map(Domain::as_str) {
            collector.fill(Known::Domain, domain);
        }
        if let Some(id) = scene.request_id.as_ref().map(Id::as_str) {
            collector.fill(Known::RequestId, id);
        }
        for (name, value) in &scene.span_fields {
            collector.add(name, value);
        }
        let carried = scene.carried.iter().flat_map(LogAttributes::iter);
        for (name, value) in carried {
            collector.add_text(name, value);
        }
        line.clear();
        match self.format {
            Format::Json => self.json(line, clock, fields, level, template, scene.span),
            Format::Pretty => self.pretty(line, clock, fields, level, template, scene.span),
        }
        line.extend_from_slice(self.end());
    }

    fn json(
        &self,
        out: &mut Vec<u8>,
        clock: &mut Clock,
        fields: &Fields,
        of: Level,
        template: &Template,
        span: Option<SpanIds>,
    ) {
        out.extend_from_slice(b"{\"timestamp\":\"");
        clock.write(out, SystemTime::now());
        out.extend_from_slice(b"\",\"level\":\"");
        out.extend_from_slice(level(of).trim_ascii_end().as_bytes());
        out.push(b'"');
        out.extend_from_slice(&self.service);
        let or_null = |out: &mut Vec<u8>, known| {
            out.extend_from_slice(fields.known(known).unwrap_or(b"null"));
        };
        out.extend_from_slice(b",\"domain\":");
        or_null(out, Known::Domain);
        ids(out, span);
        out.extend_from_slice(b",\"request_id\":");
        or_null(out, Known::RequestId);
        out.extend_from_slice(b",\"event\":");
        let event = fields.known(Known::Event).or(template.event.as_deref());
        out.extend_from_slice(event.unwrap_or(b"null"));
        out.extend_from_slice(b",\"outcome\":");
        or_null(out, Known::Outcome);
        out.extend_from_slice(b",\"message\":");
        or_null(out, Known::Message);
        out.extend_from_slice(b",\"target\":");
        out.extend_from_slice(fields.target().unwrap_or(&template.target));
        out.extend_from_slice(&fields.own);
    }

    fn pretty(
        &self,
        out: &mut Vec<u8>,
        clock: &mut Clock,
        fields: &Fields,
        of: Level,
        template: &Template,
        span: Option<SpanIds>,
    ) {
        clock.write(out, SystemTime::now());
        out.push(b' ');
        self.level(out, of);
        out.push(b' ');
        match fields.known(Known::Domain) {
            Some(domain) => out.extend_from_slice(domain),
            None => out.extend_from_slice(fields.target().unwrap_or(&template.target)),
        }
        let event = fields.known(Known::Event);
        if let Some(event) = event.or(template.event.as_deref()) {
            out.extend_from_slice(b" [");
            out.extend_from_slice(event);
            out.push(b']');
        }
        if let Some(message) = fields.known(Known::Message) {
            out.push(b' ');
            out.extend_from_slice(message);
        }
        for known in [Known::Outcome, Known::RequestId] {
            if let Some(value) = fields.known(known) {
                self.format.name(out, known.name());
                out.extend_from_slice(value);
            }
        }
        out.extend_from_slice(&fields.own);
        if let Some(span) = span {
            self.format.name(out, "trace");
            json::hex(out, &span.trace[..SHORT_TRACE]);
        }
    }

    fn level(&self, out: &mut Vec<u8>, of: Level) {
        if !self.is_coloured {
            return out.extend_from_slice(level(of).as_bytes());
        }
        let colour = match of {
            Level::ERROR => 31,
            Level::WARN => 33,
            Level::INFO => 32,
            Level::DEBUG => 34,
            Level::TRACE => 35,
        };
        json::plain(out, format_args!("\u{1b}[{colour}m{}\u{1b}[0m", level(of)));
    }

    fn end(&self) -> &'static [u8] {
        match self.format {
            Format::Json => b"}\n",
            Format::Pretty => b"\n",
        }
    }
}

/// All of one width.
fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN ",
        Level::INFO => "INFO ",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

fn ids(out: &mut Vec<u8>, span: Option<SpanIds>) {
    let Some(span) = span else {
        return out
            .extend_from_slice(b",\"trace_id\":null,\"span_id\":null,\"trace_sampled\":null");
    };
    out.extend_from_slice(b",\"trace_id\":\"");
    json::hex(out, &span.trace);
    out.extend_from_slice(b"\",\"span_id\":\"");
    json::hex(out, &span.span);
    out.extend_from_slice(if span.is_sampled {
        b"\",\"trace_sampled\":true"
    } else {
        b"\",\"trace_sampled\":false"
    });
}
