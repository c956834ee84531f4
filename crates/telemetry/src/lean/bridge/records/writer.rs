//! The fields of an event as body and attributes of its record.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use campanile_semconv::attribute;
use tracing::Event;
use tracing::field::{Field, Visit};

use super::site::{Meaning, Plan, Site, is_domain};
use crate::lean::bridge::text;
use crate::lean::proto::{self, tag};
use crate::lean::values::{Name, Values};

/// A thread keeps this much room for its next record.
const KEPT: usize = 8 << 10;

/// Whole fields of a record.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) body: Vec<u8>,
    pub(super) attributes: Vec<u8>,
}

impl Buffers {
    pub(super) const fn new() -> Self {
        Self {
            body: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Empties them; false when they are too large to keep.
    pub(super) fn recycle(&mut self) -> bool {
        self.body.clear();
        self.attributes.clear();
        self.body.capacity() + self.attributes.capacity() <= KEPT
    }
}

/// Writes one event.
pub(super) struct Writer<'a> {
    buffers: &'a mut Buffers,
    site: &'a Site,
    values: &'a Values,
    most: usize,
    /// The event's domain, when only named fields may leave it.
    limited: Option<&'a str>,
    count: usize,
    dropped: u64,
    /// Which fields are there, one bit for each of the first 64.
    present: u64,
    has_exception: bool,
    /// Of a record of the `log` crate.
    target: Option<String>,
    file: Option<String>,
    line: Option<i64>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        buffers: &'a mut Buffers,
        site: &'a Site,
        values: &'a Values,
        most: usize,
        limited: Option<&'a str>,
    ) -> Self {
        Self {
            buffers,
            site,
            values,
            most,
            limited,
            count: 0,
            dropped: 0,
            present: 0,
            has_exception: false,
            target: None,
            file: None,
            line: None,
        }
    }

    /// Adds what the event did not bring along itself.
    pub(super) fn add(&mut self, key: &'static str, value: &str) {
        if !self.site.names.contains(&key) && self.is_allowed(key) && self.admits() {
            let out = &mut self.buffers.attributes;
            self.values.string(out, tag::LOG_ATTRIBUTE, key, value);
        }
    }

    /// Writes where it happened, and what was left out; gives back the target of a `log` record.
    pub(super) fn finish(mut self) -> Option<String> {
        // it gives way to what the event says
        if self.count + self.site.code_count <= self.most {
            self.count += self.site.code_count;
            let out = &mut self.buffers.attributes;
            out.extend_from_slice(&self.site.code);
        }
        if let Some(file) = self.file.take() {
            self.add(attribute::CODE_FILE_PATH, &file);
        }
        if let Some(line) = self.line
            && self.admits()
        {
            let (out, key) = (&mut self.buffers.attributes, attribute::CODE_LINE_NUMBER);
            proto::int_attribute(out, tag::LOG_ATTRIBUTE, key.as_bytes(), line);
        }
        let out = &mut self.buffers.attributes;
        proto::number(out, tag::LOG_DROPPED_ATTRIBUTES, self.dropped);
        self.target
    }

    fn is_allowed(&self, key: &str) -> bool {
        self.limited
            .is_none_or(|domain| self.values.redactor.allows(Some(domain), key))
    }

    fn admits(&mut self) -> bool {
        if self.count < self.most {
            self.count += 1;
            return true;
        }
        self.dropped += 1;
        false
    }

    fn plan(&self, field: &Field) -> Plan {
        let plan = self.site.plans.get(field.index()).copied();
        plan.unwrap_or(Plan {
            meaning: Meaning::Nothing,
            is_secret: true,
            first: usize::MAX,
        })
    }

    /// Begins an attribute, unless it is there already, may not leave, or there are too many.
    fn begin(&mut self, field: &Field, plan: Plan) -> bool {
        let bit = 1u64.checked_shl(plan.first as u32).unwrap_or(0);
        if plan.meaning != Meaning::Attribute
            || self.present & bit != 0
            || !self.is_allowed(field.name())
        {
            return false;
        }
        self.present |= bit;
        self.admits()
    }

    fn text(&mut self, field: &Field, text: &str) {
        let plan = self.plan(field);
        match plan.meaning {
            Meaning::Attribute => {}
            Meaning::Message => return self.body(text),
            Meaning::Target => {
                self.target = Some(text.to_owned());
                return;
            }
            Meaning::File => {
                self.file = Some(text.to_owned());
                return;
            }
            Meaning::Line | Meaning::Nothing => return,
        }
        if self.begin(field, plan) {
            let name = Name {
                text: field.name(),
                is_secret: plan.is_secret,
            };
            let out = &mut self.buffers.attributes;
            self.values
                .known_string(out, tag::LOG_ATTRIBUTE, name, text);
        }
    }

    fn body(&mut self, text: &str) {
        let body = &mut self.buffers.body;
        if !body.is_empty() {
            return;
        }
        let mut last = self.site.body.borrow_mut();
        if let Some(field) = last.find(text) {
            return body.extend_from_slice(field);
        }
        let clean = self.values.text(text);
        proto::message(body, tag::LOG_BODY, |out| {
            proto::string_value(out, clean.as_bytes());
        });
        if matches!(clean, Cow::Borrowed(_)) {
            last.keep(text, body);
        }
    }
}

impl Visit for Writer<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        let plan = self.plan(field);
        match plan.meaning {
            Meaning::Message => return self.body(&value.to_string()),
            Meaning::Line => {
                self.line = Some(value);
                return;
            }
            _ => {}
        }
        if self.begin(field, plan) {
            let name = Name {
                text: field.name(),
                is_secret: plan.is_secret,
            };
            let out = &mut self.buffers.attributes;
            self.values.known_int(out, tag::LOG_ATTRIBUTE, name, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            Err(_) => self.text(field, &value.to_string()),
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            Err(_) => self.text(field, &value.to_string()),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            Err(_) => self.text(field, &value.to_string()),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let plan = self.plan(field);
        if plan.meaning == Meaning::Message {
            return self.body(&value.to_string());
        }
        if self.begin(field, plan) {
            let name = Name {
                text: field.name(),
                is_secret: plan.is_secret,
            };
            let out = &mut self.buffers.attributes;
            self.values
                .known_double(out, tag::LOG_ATTRIBUTE, name, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        let plan = self.plan(field);
        if plan.meaning == Meaning::Message {
            return self.body(if value { "true" } else { "false" });
        }
        if self.begin(field, plan) {
            let name = Name {
                text: field.name(),
                is_secret: plan.is_secret,
            };
            let out = &mut self.buffers.attributes;
            self.values.known_bool(out, tag::LOG_ATTRIBUTE, name, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        let plan = self.plan(field);
        if plan.meaning == Meaning::Message {
            return self.body(&String::from_utf8_lossy(value));
        }
        if self.begin(field, plan) {
            let out = &mut self.buffers.attributes;
            self.values
                .bytes(out, tag::LOG_ATTRIBUTE, field.name(), value);
        }
    }

    /// By the conventions' name, and with its causes by the field's, as on the line.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let key = attribute::EXCEPTION_MESSAGE;
        let is_there = self.has_exception || self.site.names.contains(&key);
        if !is_there && self.is_allowed(key) && self.admits() {
            self.has_exception = true;
            let out = &mut self.buffers.attributes;
            let message = value.to_string();
            self.values.string(out, tag::LOG_ATTRIBUTE, key, &message);
        }
        self.text(field, &chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        text::with(format_args!("{value:?}"), |text| self.text(field, text));
    }
}

/// An error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The domain that an event says itself.
pub(super) fn domain_of(event: &Event<'_>) -> Option<String> {
    #[derive(Default)]
    struct Own(Option<String>);

    impl Visit for Own {
        fn record_str(&mut self, field: &Field, value: &str) {
            if self.0.is_none() && is_domain(field.name()) {
                self.0 = Some(value.to_owned());
            }
        }

        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if self.0.is_none() && is_domain(field.name()) {
                self.0 = Some(format!("{value:?}"));
            }
        }
    }

    let mut own = Own::default();
    event.record(&mut own);
    own.0
}
