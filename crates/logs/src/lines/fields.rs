//! The fields of an event: those with a place of their own, and the rest.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::ops::Range;

use campanile_redaction::Redactor;
use tracing::field::{Field, Visit};

use super::scene::Value;
use super::style::{Format, readable};
use super::template::{Known, Own, Place, Template, is_reserved};
use crate::json;

/// A number with fewer digits than this has no shape of a secret.
const SHORT_NUMBER: usize = 8;

/// The buffers that fields are collected into; they are kept from line to line.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// Values of the known fields, and the target of a `log` record, one after the other.
    values: Vec<u8>,
    known: [Option<Range<usize>>; 5],
    target: Option<Range<usize>>,
    /// Name and value of each of the event's own.
    pub(super) own: Vec<u8>,
    /// Which of the event's own are there, one bit for each; those beyond are in `late`.
    present: u64,
    late: Vec<usize>,
    /// Names of what was added to the event's own.
    added: Vec<&'static str>,
    /// A value on its way through redaction.
    text: String,
}

impl Fields {
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.known = Default::default();
        self.target = None;
        self.own.clear();
        self.present = 0;
        self.late.clear();
        self.added.clear();
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

    /// The target of a `log` record, as it is to be written.
    pub(super) fn target(&self) -> Option<&[u8]> {
        self.values.get(self.target.clone()?)
    }

    fn is_present(&self, index: usize) -> bool {
        if index < 64 {
            return self.present & (1 << index) != 0;
        }
        self.late.contains(&index)
    }

    fn set_present(&mut self, index: usize) {
        if index < 64 {
            self.present |= 1 << index;
        } else {
            self.late.push(index);
        }
    }
}

/// Writes the fields of one event into [`Fields`].
pub(super) struct Collector<'a> {
    fields: &'a mut Fields,
    template: &'a Template,
    format: Format,
    redactor: &'a Redactor,
    /// The event's domain, when only named fields may leave it.
    limited: Option<&'a str>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        fields: &'a mut Fields,
        template: &'a Template,
        format: Format,
        redactor: &'a Redactor,
        domain: Option<&'a str>,
    ) -> Self {
        Self {
            fields,
            template,
            format,
            redactor,
            limited: domain.filter(|domain| redactor.limits(domain)),
        }
    }

    /// Adds what the event did not bring along itself: of a span, or of the baggage.
    pub(super) fn add(&mut self, name: &'static str, value: &Value) {
        match value {
            Value::Text(text) => self.add_text(name, text),
            Value::Int(value) => self.add_other(name, |out, _| integer(out, *value)),
            Value::Uint(value) => {
                self.add_other(name, |out, _| json::integer(out, *value, false));
            }
            Value::Float(value) => self.add_other(name, |out, format| format.float(out, *value)),
            Value::Bool(value) => self.add_other(name, |out, _| boolean(out, *value)),
        }
    }

    /// Adds a text like [`add`](Self::add).
    pub(super) fn add_text(&mut self, name: &'static str, text: &str) {
        if self.may_add(name) {
            let text = self.redactor.field(name, text);
            self.format.string(&mut self.fields.own, &text);
        }
    }

    fn add_other(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>, Format)) {
        if self.may_add(name) {
            self.write_other(self.redactor.is_secret(name), write);
        }
    }

    /// Begins an added field, unless the line has one of this name.
    fn may_add(&mut self, name: &'static str) -> bool {
        let template = self.template;
        let is_there = |own: &Own| own.name == name && self.fields.is_present(own.first);
        let is_own = template
            .plans
            .iter()
            .any(|plan| matches!(&plan.place, Place::Own(own) if is_there(own)));
        let is_taken = is_own
            || is_reserved(name)
            || Known::find(name).is_some()
            || self.fields.added.contains(&name);
        if is_taken || !self.allows(name) {
            return false;
        }
        self.fields.added.push(name);
        self.format.name(&mut self.fields.own, name);
        true
    }

    /// Sets a known field that the event does not have.
    pub(super) fn fill(&mut self, known: Known, text: &str) {
        self.set(known, text);
    }

    fn set(&mut self, known: Known, text: &str) {
        if self.fields.known[known as usize].is_some() {
            return;
        }
        let start = self.fields.values.len();
        match known {
            Known::Message => self.set_message(text),
            _ => {
                let text = self.redactor.text(text);
                self.format.string(&mut self.fields.values, &text);
            }
        }
        self.fields.known[known as usize] = Some(start..self.fields.values.len());
    }

    fn set_message(&mut self, text: &str) {
        let values = &mut self.fields.values;
        let mut last = self.template.message.borrow_mut();
        if let Some(value) = last.find(text) {
            return values.extend_from_slice(value);
        }
        let start = values.len();
        let clean = self.redactor.text(text);
        match self.format {
            Format::Json => json::string(values, &clean),
            Format::Pretty => readable(values, &clean),
        }
        if matches!(clean, Cow::Borrowed(_)) {
            last.keep(text, &values[start..]);
        }
    }

    fn set_target(&mut self, text: &str) {
        let start = self.fields.values.len();
        match self.format {
            Format::Json => json::string(&mut self.fields.values, text),
            Format::Pretty => readable(&mut self.fields.values, text),
        }
        self.fields.target = Some(start..self.fields.values.len());
    }

    fn allows(&self, name: &str) -> bool {
        self.limited
            .is_none_or(|domain| self.redactor.allows(Some(domain), name))
    }

    /// Begins one of the event's own fields, unless it is there already or may not leave.
    fn begin(&mut self, own: &Own) -> bool {
        if self.fields.is_present(own.first) || !self.allows(&own.name) {
            return false;
        }
        self.fields.set_present(own.first);
        self.fields.own.extend_from_slice(&own.begin);
        true
    }

    /// Takes a field whose value is text.
    fn text(&mut self, field: &Field, text: &str) {
        let Some(plan) = self.template.plans.get(field.index()) else {
            return;
        };
        match &plan.place {
            Place::Nowhere => {}
            Place::Target => self.set_target(text),
            Place::Known(known) => self.set(*known, text),
            Place::Own(own) => {
                if self.begin(own) {
                    let text = if plan.is_secret {
                        self.redactor.field(&own.name, text)
                    } else {
                        self.redactor.text(text)
                    };
                    self.format.string(&mut self.fields.own, &text);
                }
            }
        }
    }

    /// Takes a field whose value is no text.
    fn other(&mut self, field: &Field, write: impl FnOnce(&mut Vec<u8>, Format)) {
        let Some(plan) = self.template.plans.get(field.index()) else {
            return;
        };
        if let Place::Own(own) = &plan.place {
            if self.begin(own) {
                self.write_other(plan.is_secret, write);
            }
            return;
        }
        let mut text = Vec::new();
        write(&mut text, Format::Pretty);
        self.text(field, std::str::from_utf8(&text).unwrap_or_default());
    }

    /// Writes something that is no text, unless it is a secret all the same.
    fn write_other(&mut self, is_secret: bool, write: impl FnOnce(&mut Vec<u8>, Format)) {
        let own = &mut self.fields.own;
        let start = own.len();
        write(own, self.format);
        if !is_secret && own.len() - start < SHORT_NUMBER {
            return;
        }
        let text = std::str::from_utf8(&own[start..]).unwrap_or_default();
        let redacted = if is_secret {
            self.redactor.field("secret", text)
        } else {
            self.redactor.text(text)
        };
        if let Cow::Owned(redacted) = redacted {
            own.truncate(start);
            self.format.string(own, &redacted);
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
