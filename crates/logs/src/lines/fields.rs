//! The fields of an event: those with a place of their own, and the rest.

use std::fmt::{self, Write};
use std::ops::Range;

use campanile_redaction::Redactor;
use campanile_semconv::attribute as a;
use tracing::Metadata;
use tracing::field::{Field, Visit};

use super::scene::Value;
use super::style::Format;
use crate::json;

/// Fields with a place of their own in every line. Attributes of the same meaning go there too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Known {
    Domain,
    RequestId,
    Event,
    Outcome,
    Message,
}

impl Known {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::RequestId => "request_id",
            Self::Event => "event",
            Self::Outcome => "outcome",
            Self::Message => "message",
        }
    }

    pub(super) fn find(name: &str) -> Option<Self> {
        match name {
            "domain" | a::CAMPANILE_DOMAIN => Some(Self::Domain),
            "request_id" | a::CAMPANILE_REQUEST_ID => Some(Self::RequestId),
            "event" => Some(Self::Event),
            "outcome"
            | a::CAMPANILE_OUTCOME
            | a::CAMPANILE_EVENT_OUTCOME
            | a::CAMPANILE_AUDIT_OUTCOME => Some(Self::Outcome),
            "message" => Some(Self::Message),
            _ => None,
        }
    }
}

/// Names that the line itself uses; an event's field of such a name gets a trailing underscore.
fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "timestamp"
            | "level"
            | "service"
            | "trace_id"
            | "span_id"
            | "trace_sampled"
            | "target"
            // readable lines only, but one name has one meaning
            | "trace"
    )
}

/// A name as it is written: with so many underscores after it.
type Name = (&'static str, u8);

fn is_same(one: Name, other: Name) -> bool {
    let (long, short) = if one.0.len() >= other.0.len() {
        (one, other)
    } else {
        (other, one)
    };
    long.0.len() + usize::from(long.1) == short.0.len() + usize::from(short.1)
        && long
            .0
            .strip_prefix(short.0)
            .is_some_and(|rest| rest.bytes().all(|byte| byte == b'_'))
}

/// The buffers that fields are collected into; they are kept from line to line.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// Values of the known fields, and the target of a `log` record, one after the other.
    values: Vec<u8>,
    known: [Option<Range<usize>>; 5],
    target: Option<Range<usize>>,
    /// Name and value of each of the event's own.
    pub(super) own: Vec<u8>,
    /// Names already in `own`.
    seen: Vec<Name>,
    /// A value on its way through redaction.
    text: String,
}

impl Fields {
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.known = Default::default();
        self.target = None;
        self.own.clear();
        self.seen.clear();
    }

    /// Bytes that the buffers hold on to.
    pub(super) fn capacity(&self) -> usize {
        self.values.capacity() + self.own.capacity() + self.text.capacity()
    }

    /// The value of a known field, as it is to be written.
    pub(super) fn known(&self, which: Known) -> Option<&[u8]> {
        let range = self.known[which as usize].clone()?;
        self.values.get(range)
    }

    /// The target of a `log` record.
    pub(super) fn target(&self) -> Option<&str> {
        std::str::from_utf8(self.values.get(self.target.clone()?)?).ok()
    }

    /// Takes the place of a field with this name, underscores added; none when it is taken.
    fn place(&mut self, name: &'static str) -> Option<Name> {
        if self.seen.iter().any(|seen| seen.0 == name) {
            // `tracing` allows one name twice; a strict JSON reader does not. The first one stays.
            return None;
        }
        let mut written = (name, u8::from(is_reserved(name)));
        while self.seen.iter().any(|seen| is_same(*seen, written)) {
            written.1 = written.1.checked_add(1)?;
        }
        self.seen.push(written);
        Some(written)
    }

    /// Whether no field of the line has this name.
    fn is_free(&self, name: &'static str) -> bool {
        !is_reserved(name)
            && Known::find(name).is_none()
            && !self.seen.iter().any(|seen| is_same(*seen, (name, 0)))
    }
}

/// Writes the fields of one event into [`Fields`].
pub(super) struct Collector<'a> {
    fields: &'a mut Fields,
    format: Format,
    redactor: &'a Redactor,
    /// The event's domain, when only named fields may leave it.
    limited: Option<&'a str>,
    is_log: bool,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        fields: &'a mut Fields,
        format: Format,
        redactor: &'a Redactor,
        domain: Option<&'a str>,
        metadata: &Metadata<'_>,
    ) -> Self {
        Self {
            fields,
            format,
            redactor,
            limited: domain.filter(|domain| redactor.limits(domain)),
            is_log: metadata.target() == "log",
        }
    }

    /// Adds what the event did not bring along itself: of a span, or of the baggage.
    pub(super) fn add(&mut self, name: &'static str, value: &Value) {
        if self.fields.is_free(name) && self.allows(name, 0) {
            self.begin(name, |out, this| match value {
                Value::Text(text) => this.string(out, name, text),
                Value::Int(value) => {
                    this.number(out, name, |out, _| integer(out, *value));
                }
                Value::Uint(value) => {
                    this.number(out, name, |out, _| json::integer(out, *value, false));
                }
                Value::Float(value) => {
                    this.number(out, name, |out, format| format.float(out, *value));
                }
                Value::Bool(value) => this.number(out, name, |out, _| boolean(out, *value)),
            });
        }
    }

    /// Adds a text like [`add`](Self::add).
    pub(super) fn add_text(&mut self, name: &'static str, text: &str) {
        if self.fields.is_free(name) && self.allows(name, 0) {
            self.begin(name, |out, this| this.string(out, name, text));
        }
    }

    /// Sets a known field that the event does not have.
    pub(super) fn fill(&mut self, known: Known, text: &str) {
        if self.fields.known[known as usize].is_none() {
            self.set(known, known.name(), text);
        }
    }

    fn set(&mut self, known: Known, name: &str, text: &str) {
        let start = self.fields.values.len();
        let mut values = std::mem::take(&mut self.fields.values);
        if known == Known::Message {
            let text = self.redactor.text(text);
            match self.format {
                Format::Json => json::string(&mut values, &text),
                Format::Pretty => super::style::readable(&mut values, &text),
            }
        } else {
            self.string(&mut values, name, text);
        }
        self.fields.known[known as usize] = Some(start..values.len());
        self.fields.values = values;
    }

    fn allows(&self, name: &str, underscores: u8) -> bool {
        let Some(domain) = self.limited else {
            return true;
        };
        if underscores == 0 {
            return self.redactor.allows(Some(domain), name);
        }
        let written = format!("{name}{}", "_".repeat(underscores.into()));
        self.redactor.allows(Some(domain), &written)
    }

    fn begin(&mut self, name: &'static str, value: impl FnOnce(&mut Vec<u8>, &Self)) {
        let Some((name, underscores)) = self.fields.place(name) else {
            return;
        };
        if underscores > 0 && !self.allows(name, underscores) {
            return;
        }
        let mut own = std::mem::take(&mut self.fields.own);
        self.format.name(&mut own, name, underscores);
        value(&mut own, self);
        self.fields.own = own;
    }

    fn string(&self, out: &mut Vec<u8>, name: &str, text: &str) {
        self.format.string(out, &self.redactor.field(name, text));
    }

    /// Writes something that is no text, unless it is a secret all the same.
    fn number(&self, out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut Vec<u8>, Format)) {
        let start = out.len();
        write(out, self.format);
        let text = std::str::from_utf8(&out[start..]).unwrap_or_default();
        let redacted = match self.redactor.field(name, text) {
            std::borrow::Cow::Borrowed(_) => None,
            std::borrow::Cow::Owned(redacted) => Some(redacted),
        };
        if let Some(redacted) = redacted {
            out.truncate(start);
            self.format.string(out, &redacted);
        }
    }

    /// Takes a field whose value is text.
    fn text(&mut self, field: &Field, text: &str) {
        let name = field.name();
        if self.is_log && name.starts_with("log.") {
            if name == "log.target" {
                let start = self.fields.values.len();
                self.fields.values.extend_from_slice(text.as_bytes());
                self.fields.target = Some(start..self.fields.values.len());
            }
            return;
        }
        match Known::find(name) {
            Some(known) if self.fields.known[known as usize].is_none() => {
                self.set(known, name, text);
            }
            Some(_) => {}
            None => {
                if is_reserved(name) || self.allows(name, 0) {
                    self.begin(name, |out, this| this.string(out, name, text));
                }
            }
        }
    }

    /// Takes a field whose value is no text.
    fn other(&mut self, field: &Field, write: impl FnOnce(&mut Vec<u8>, Format)) {
        let name = field.name();
        let is_bookkeeping = self.is_log && name.starts_with("log.");
        if is_bookkeeping || Known::find(name).is_some() {
            let mut text = Vec::new();
            write(&mut text, Format::Pretty);
            return self.text(field, std::str::from_utf8(&text).unwrap_or_default());
        }
        if is_reserved(name) || self.allows(name, 0) {
            self.begin(name, |out, this| this.number(out, name, write));
        }
    }

    /// Takes a field whose value must be formatted to become text.
    fn formatted(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let mut text = std::mem::take(&mut self.fields.text);
        text.clear();
        // A `Display` that fails half-way leaves what it had written.
        let _ = text.write_fmt(value);
        self.text(field, &text);
        self.fields.text = text;
    }
}

fn integer(out: &mut Vec<u8>, value: i64) {
    json::integer(out, value.unsigned_abs(), value < 0);
}

fn boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

impl Visit for Collector<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.other(field, |out, format| format.float(out, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.other(field, |out, _| integer(out, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.other(field, |out, _| json::integer(out, value, false));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.formatted(field, format_args!("{value}"));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.formatted(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.other(field, |out, _| boolean(out, value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.formatted(field, format_args!("{}", Chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.formatted(field, format_args!("{value:?}"));
    }
}

/// An error with its causes.
pub(super) struct Chain<'a>(pub(super) &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
