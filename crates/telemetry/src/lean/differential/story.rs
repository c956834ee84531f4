//! What a story can be about.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use campanile_redaction::Redactor;
use campanile_semconv::attribute;
use opentelemetry::trace::{
    Event, Link, Span, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceState, Tracer, TracerProvider,
};
use opentelemetry::{
    Array, Context, InstrumentationScope, KeyValue, SpanId, StringValue, TraceId, Value,
};
use opentelemetry_sdk::trace::SpanLimits;

use crate::config::ValueLimits;
use crate::sampling::Sampling;

/// Reads a story from bytes; after their end everything is zero.
pub(super) struct Story<'a>(&'a [u8]);

/// What both pipelines are set to.
pub(super) struct Setting {
    pub(super) sampling: Sampling,
    pub(super) spans: SpanLimits,
    pub(super) values: ValueLimits,
    pub(super) redactor: Redactor,
}

impl Setting {
    pub(super) fn read(story: &mut Story<'_>) -> Self {
        // ratios between would fall differently, as trace ids are random
        let ratio = if story.one_in(4) { 0.0 } else { 1.0 };
        let mut sampling = Sampling::ratio(ratio).slower_than(Duration::from_millis(100));
        if story.one_in(3) {
            sampling = sampling.route("/never", 0.0).domain("auth", 1.0);
        }
        if story.one_in(5) {
            sampling = sampling.without_late_spans();
        }
        let mut spans = SpanLimits::default();
        if story.one_in(2) {
            spans.max_attributes_per_span = story.up_to(6).into();
            spans.max_events_per_span = story.up_to(3).into();
            spans.max_links_per_span = story.up_to(3).into();
            spans.max_attributes_per_event = story.up_to(3).into();
            spans.max_attributes_per_link = story.up_to(3).into();
        }
        let length = story.one_in(2).then(|| usize::from(story.up_to(20)));
        Self {
            sampling,
            spans,
            values: ValueLimits {
                span_value_length: length,
                ..ValueLimits::default()
            },
            redactor: if story.one_in(4) {
                Redactor::off()
            } else {
                Redactor::standard()
            },
        }
    }
}

/// Texts that something may be done to.
const TEXTS: [&str; 16] = [
    "",
    "a",
    "GET /rooms/{id}",
    "grün 🦀 mit Zähnen",
    "Bearer mF_9.B5f-4.1JqM",
    "password=hunter2",
    "4111 1111 1111 1111",
    "postgres://app:hunter2@db/chat",
    "/never",
    "auth",
    "moderation",
    "\u{0}\n\r\t",
    "/health",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "it took a while",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
];

const KEYS: [&str; 12] = [
    "",
    "n",
    "note",
    "user.password",
    "api_key",
    attribute::HTTP_ROUTE,
    attribute::URL_PATH,
    attribute::CAMPANILE_DOMAIN,
    attribute::ERROR_TYPE,
    "email",
    "otp",
    "reason",
];

impl<'a> Story<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// From zero to `most`.
    fn up_to(&mut self, most: u8) -> u8 {
        self.byte() % (most + 1)
    }

    /// Never once the bytes have ended.
    fn one_in(&mut self, n: u8) -> bool {
        self.byte() % n == n - 1
    }

    fn text(&mut self) -> Cow<'static, str> {
        match self.byte() {
            byte if byte < 192 => Cow::Borrowed(TEXTS[usize::from(byte) % TEXTS.len()]),
            byte => {
                let length = usize::from(byte - 192).min(self.0.len());
                let (text, rest) = self.0.split_at(length);
                self.0 = rest;
                Cow::Owned(String::from_utf8_lossy(text).into_owned())
            }
        }
    }

    fn key(&mut self) -> Cow<'static, str> {
        match self.byte() {
            byte if byte < 230 => Cow::Borrowed(KEYS[usize::from(byte) % KEYS.len()]),
            _ => self.text(),
        }
    }

    fn int(&mut self) -> i64 {
        let number = self.number() as i64;
        number >> (self.byte() % 64)
    }

    fn double(&mut self) -> f64 {
        // what is not a number is not equal to itself, however it was written
        let number = f64::from_bits(self.number());
        if number.is_nan() { 0.5 } else { number }
    }

    fn value(&mut self) -> Value {
        match self.up_to(9) {
            0 => Value::Bool(self.one_in(2)),
            1 | 2 => Value::I64(self.int()),
            3 => Value::F64(self.double()),
            4 => Value::Array(match self.up_to(3) {
                0 => Array::Bool(self.some(|story| story.one_in(2))),
                1 => Array::I64(self.some(Self::int)),
                2 => Array::F64(self.some(Self::double)),
                _ => Array::String(self.some(|story| StringValue::from(story.text()))),
            }),
            _ => Value::String(self.text().into()),
        }
    }

    fn some<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.up_to(5)).map(|_| one(self)).collect()
    }

    fn attribute(&mut self) -> KeyValue {
        KeyValue::new(self.key(), self.value())
    }

    fn attributes(&mut self) -> Vec<KeyValue> {
        self.some(Self::attribute)
    }

    fn time(&mut self) -> SystemTime {
        let nanos = 1_700_000_000_000_000_000 + (self.number() >> 32);
        match self.byte() {
            255 => UNIX_EPOCH,
            254 => UNIX_EPOCH - Duration::from_secs(1),
            _ => UNIX_EPOCH + Duration::from_nanos(nanos),
        }
    }

    /// A context as it comes from anywhere: valid or not.
    fn foreign(&mut self) -> SpanContext {
        let state = match self.up_to(2) {
            0 => TraceState::NONE,
            1 => TraceState::from_key_value([("a", "1"), ("b@c", "x y")]).unwrap_or_default(),
            _ => TraceState::from_key_value([("rojo", "00f067aa0ba902b7")]).unwrap_or_default(),
        };
        SpanContext::new(
            TraceId::from(u128::from(self.up_to(3)) << 64 | 7),
            SpanId::from(u64::from(self.up_to(200))),
            TraceFlags::new(self.up_to(3)),
            self.one_in(2),
            state,
        )
    }

    fn status(&mut self) -> Status {
        match self.up_to(3) {
            0 => Status::Unset,
            1 => Status::Ok,
            _ => Status::error(self.text()),
        }
    }

    fn kind(&mut self) -> Option<SpanKind> {
        Some(match self.up_to(7) {
            0 => SpanKind::Internal,
            1 => SpanKind::Client,
            2 => SpanKind::Producer,
            3 => SpanKind::Consumer,
            4 => return None,
            _ => SpanKind::Server,
        })
    }

    fn scope(&mut self) -> InstrumentationScope {
        match self.up_to(2) {
            0 => InstrumentationScope::builder("plain").build(),
            1 => InstrumentationScope::builder("versioned")
                .with_version("1.2.3")
                .with_schema_url("https://example.com/schema")
                .build(),
            _ => InstrumentationScope::builder("versioned")
                .with_version("1.2.3")
                .with_attributes([KeyValue::new("a", 1), KeyValue::new("b", "text")])
                .build(),
        }
    }

    /// Makes spans until the bytes end, and gives the contexts of all that were made.
    pub(super) fn tell<P>(mut self, provider: &P) -> Vec<SpanContext>
    where
        P: TracerProvider,
        <P::Tracer as Tracer>::Span: Send + Sync + 'static,
    {
        let mut made = Vec::new();
        let mut open: Vec<Context> = Vec::new();
        while !self.0.is_empty() && made.len() < 100 {
            match self.up_to(7) {
                0 => {
                    let index = usize::from(self.byte());
                    if !open.is_empty() {
                        let context = open.remove(index % open.len());
                        context.span().end_with_timestamp(self.time());
                        // after its end nothing counts
                        context.span().set_attribute(KeyValue::new("late", true));
                        context.span().end();
                    }
                }
                1 | 2 => {
                    let index = usize::from(self.byte());
                    if !open.is_empty() {
                        let context = open[index % open.len()].clone();
                        self.change(&context, &made);
                    }
                }
                _ => {
                    let tracer = provider.tracer_with_scope(self.scope());
                    let parent = self.parent(&open);
                    let builder = self.builder(&made);
                    let span = tracer.build_with_context(builder, &parent);
                    made.push(span.span_context().clone());
                    open.push(parent.with_span(span));
                }
            }
        }
        for context in open {
            context.span().end_with_timestamp(self.time());
        }
        made
    }

    fn parent(&mut self, open: &[Context]) -> Context {
        let suppressed = self.one_in(32);
        let index = usize::from(self.byte());
        let parent = match self.up_to(3) {
            0 => Context::new(),
            1 => Context::new().with_remote_span_context(self.foreign()),
            _ if open.is_empty() => Context::new(),
            _ => open[index % open.len()].clone(),
        };
        if suppressed {
            parent.with_telemetry_suppressed()
        } else {
            parent
        }
    }

    /// What a link leads to: a span of this story, or one of others.
    fn target(&mut self, made: &[SpanContext]) -> SpanContext {
        let index = usize::from(self.byte());
        if self.one_in(2) && !made.is_empty() {
            made[index % made.len()].clone()
        } else {
            self.foreign()
        }
    }

    fn builder(&mut self, made: &[SpanContext]) -> SpanBuilder {
        let mut builder = SpanBuilder::from_name(self.text());
        builder.span_kind = self.kind();
        builder.start_time = Some(self.time());
        if self.one_in(2) {
            builder.attributes = Some(self.attributes());
        }
        if self.one_in(3) {
            let links = self.some(|story| {
                Link::new(story.target(made), story.attributes(), story.byte().into())
            });
            builder.links = Some(links);
        }
        if self.one_in(4) {
            let events = self.some(|story| {
                let (name, time) = (story.text(), story.time());
                Event::new(name, time, story.attributes(), story.byte().into())
            });
            builder.events = Some(events);
        }
        builder
    }

    fn change(&mut self, context: &Context, made: &[SpanContext]) {
        let span = context.span();
        for _ in 0..self.up_to(4) {
            match self.up_to(7) {
                0 => span.update_name(self.text()),
                1 => span.set_status(self.status()),
                2 => {
                    let (name, time) = (self.text(), self.time());
                    span.add_event_with_timestamp(name, time, self.attributes());
                }
                3 => span.add_link(self.target(made), self.attributes()),
                _ => span.set_attribute(self.attribute()),
            }
        }
    }
}
