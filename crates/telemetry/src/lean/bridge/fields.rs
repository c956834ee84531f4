//! Fields of `tracing` spans: what each means, written straight to protobuf or kept for the API.

use std::error::Error;
use std::fmt;

use campanile_redaction::Redactor;
use campanile_semconv::attribute;
use opentelemetry::trace::{SpanBuilder, SpanKind, SpanRef, Status};
use opentelemetry::{KeyValue, StringValue, Value};
use tracing::Metadata;
use tracing::field::{Field, Visit};

use super::Home;
use super::child::Live;
use crate::lean::proto::{self, tag};
use crate::lean::values::{Name, Values};

const OTEL_NAME: &str = "otel.name";
pub(super) const OTEL_KIND: &str = "otel.kind";
const OTEL_STATUS_CODE: &str = "otel.status_code";
const OTEL_STATUS_DESCRIPTION: &str = "otel.status_description";

/// What a field says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Meaning {
    Attribute,
    Domain,
    Name,
    Kind,
    StatusCode,
    StatusDescription,
}

impl Meaning {
    fn of(name: &str) -> Self {
        match name {
            OTEL_NAME => Self::Name,
            OTEL_KIND => Self::Kind,
            OTEL_STATUS_CODE => Self::StatusCode,
            OTEL_STATUS_DESCRIPTION => Self::StatusDescription,
            attribute::CAMPANILE_DOMAIN => Self::Domain,
            _ => Self::Attribute,
        }
    }
}

/// What is the same for all spans of one place in the source.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) is_wanted: bool,
    /// The name, a whole field.
    pub(super) name: Vec<u8>,
    /// Of each field what it means, and whether its value is a secret.
    fields: Vec<(Meaning, bool)>,
}

impl Site {
    pub(super) fn new(home: &Home, metadata: &Metadata<'_>) -> Self {
        let values = &home.tracer.shared.values;
        let mut name = Vec::new();
        let text = values.text(metadata.name());
        proto::bytes(&mut name, tag::SPAN_NAME, text.as_bytes());
        Self {
            is_wanted: (home.is_wanted)(metadata.target()),
            name,
            fields: meanings(metadata.fields(), &values.redactor),
        }
    }
}

fn meanings(fields: &tracing::field::FieldSet, redactor: &Redactor) -> Vec<(Meaning, bool)> {
    let plan = |field: Field| (Meaning::of(field.name()), redactor.is_secret(field.name()));
    fields.iter().map(plan).collect()
}

/// A kind by its word, as on the wire; internal when it is none.
pub(super) fn kind_of(word: &str) -> u8 {
    proto::kind(&span_kind(word).unwrap_or(SpanKind::Internal))
}

fn span_kind(word: &str) -> Option<SpanKind> {
    let kinds = [
        ("internal", SpanKind::Internal),
        ("server", SpanKind::Server),
        ("client", SpanKind::Client),
        ("producer", SpanKind::Producer),
        ("consumer", SpanKind::Consumer),
    ];
    let found = kinds
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word));
    found.map(|(_, kind)| kind)
}

fn status_of(word: &str) -> Status {
    if word.eq_ignore_ascii_case("ok") {
        Status::Ok
    } else if word.eq_ignore_ascii_case("error") {
        Status::error("")
    } else {
        Status::Unset
    }
}

/// Writes the fields of a new child.
pub(super) struct Writer<'a> {
    pub(super) live: &'a mut Live,
    pub(super) site: &'a Site,
    pub(super) values: &'a Values,
    pub(super) most: u32,
}

impl Writer<'_> {
    #[inline]
    fn plan(&self, field: &Field) -> (Meaning, bool) {
        let plan = self.site.fields.get(field.index());
        plan.copied().unwrap_or((Meaning::Attribute, true))
    }

    fn text(&mut self, field: &Field, text: &str) {
        let (meaning, is_secret) = self.plan(field);
        match meaning {
            Meaning::Attribute => {}
            Meaning::Domain => self.live.domain = Some(text.to_owned()),
            Meaning::Name => return self.live.set_name(text, self.values),
            Meaning::Kind => {
                self.live.kind = kind_of(text);
                return;
            }
            Meaning::StatusCode => return self.live.set_status(status_of(text)),
            Meaning::StatusDescription => {
                return self.live.set_status(Status::error(text.to_owned()));
            }
        }
        let name = Name {
            text: field.name(),
            is_secret,
        };
        if self.live.admits(self.most) {
            let out = &mut self.live.attributes;
            self.values
                .known_string(out, tag::SPAN_ATTRIBUTE, name, text);
        }
    }

    /// An attribute that is made for the API, as few are.
    fn other(&mut self, attribute: &KeyValue) {
        if self.live.admits(self.most) {
            let out = &mut self.live.attributes;
            self.values.attribute(out, tag::SPAN_ATTRIBUTE, attribute);
        }
    }
}

impl Visit for Writer<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        let (_, is_secret) = self.plan(field);
        let name = Name {
            text: field.name(),
            is_secret,
        };
        if self.live.admits(self.most) {
            let out = &mut self.live.attributes;
            self.values.known_int(out, tag::SPAN_ATTRIBUTE, name, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            Err(_) => self.text(field, &value.to_string()),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let (_, is_secret) = self.plan(field);
        let name = Name {
            text: field.name(),
            is_secret,
        };
        if self.live.admits(self.most) {
            let out = &mut self.live.attributes;
            self.values
                .known_double(out, tag::SPAN_ATTRIBUTE, name, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        let (_, is_secret) = self.plan(field);
        let name = Name {
            text: field.name(),
            is_secret,
        };
        if self.live.admits(self.most) {
            let out = &mut self.live.attributes;
            self.values
                .known_bool(out, tag::SPAN_ATTRIBUTE, name, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        for attribute in of_error(field, value) {
            self.other(&attribute);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        super::text::with(format_args!("{value:?}"), |text| self.text(field, text));
    }
}

/// What an error says: itself by the conventions' name and by the field's, and its causes.
pub(super) fn of_error(field: &Field, error: &(dyn Error + 'static)) -> [KeyValue; 3] {
    let message = error.to_string();
    let mut causes: Vec<StringValue> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string().into());
        cause = error.source();
    }
    [
        KeyValue::new(attribute::EXCEPTION_MESSAGE, message.clone()),
        KeyValue::new(field.name(), message),
        KeyValue::new(
            format!("{}.chain", field.name()),
            Value::Array(causes.into()),
        ),
    ]
}

/// What fields say, for the API: of spans that begin a trace, and of fields that come late.
#[derive(Debug, Default)]
pub(super) struct Said {
    name: Option<String>,
    kind: Option<SpanKind>,
    status: Status,
    attributes: Vec<KeyValue>,
}

impl Said {
    /// Sets it in a span that is about to begin, but for its status.
    pub(super) fn begin(self, mut builder: SpanBuilder) -> (SpanBuilder, Status) {
        if let Some(name) = self.name {
            builder.name = name.into();
        }
        builder.span_kind = self.kind;
        builder.attributes = Some(self.attributes);
        (builder, self.status)
    }

    /// Sets it in a span that began; its kind only where that is possible.
    pub(super) fn add_to(self, span: &SpanRef<'_>, takes_kind: bool) {
        if let Some(name) = self.name {
            span.update_name(name);
        }
        if let Some(kind) = self.kind.filter(|_| takes_kind) {
            span.set_attribute(KeyValue::new(OTEL_KIND, format!("{kind:?}")));
        }
        if self.status != Status::Unset {
            span.set_status(self.status);
        }
        span.set_attributes(self.attributes);
    }

    fn text(&mut self, field: &Field, text: String) {
        match Meaning::of(field.name()) {
            Meaning::Attribute | Meaning::Domain => self.put(field, text),
            Meaning::Name => self.name = Some(text),
            Meaning::Kind => self.kind = span_kind(&text),
            Meaning::StatusCode => self.raise(status_of(&text)),
            Meaning::StatusDescription => self.raise(Status::error(text)),
        }
    }

    fn raise(&mut self, status: Status) {
        if status > self.status {
            self.status = status;
        }
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(field.name(), value));
    }
}

impl Visit for Said {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, value),
            Err(_) => self.put(field, value.to_string()),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.attributes.extend(of_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }
}

/// An event as a span's event.
#[derive(Debug, Default)]
pub(super) struct EventFields {
    pub(super) name: String,
    pub(super) attributes: Vec<KeyValue>,
    /// What `#[instrument(err)]` says: a field of this name, and no message.
    pub(super) error: Option<String>,
}

impl EventFields {
    pub(super) fn of(event: &tracing::Event<'_>) -> Self {
        let mut said = Self::default();
        event.record(&mut said);
        if said.name.is_empty() {
            said.name = match said.error {
                Some(_) => "exception".to_owned(),
                None => event.metadata().name().to_owned(),
            };
        } else {
            said.error = None;
        }
        said
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(field.name(), value));
    }

    fn text(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.name = text,
            "error" if self.name.is_empty() => {
                let message = KeyValue::new(attribute::EXCEPTION_MESSAGE, text.clone());
                self.attributes.push(message);
                self.error = Some(text);
            }
            _ => self.put(field, text),
        }
    }
}

impl Visit for EventFields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, value),
            Err(_) => self.put(field, value.to_string()),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.attributes.extend(of_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }
}
