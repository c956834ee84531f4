//! What is the same for all records of one place in the source.

use std::cell::RefCell;

use campanile_redaction::Repeated;
use campanile_semconv::attribute;
use tracing::{Level, Metadata};

use super::Records;
use crate::lean::proto::{self, tag};
use crate::pipeline::Scope;

/// What a field says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Meaning {
    Attribute,
    Message,
    /// Of a record of the `log` crate.
    Target,
    File,
    Line,
    /// Its own bookkeeping.
    Nothing,
}

impl Meaning {
    fn of(name: &str, is_log: bool) -> Self {
        match name {
            "message" => Self::Message,
            "log.target" if is_log => Self::Target,
            "log.file" if is_log => Self::File,
            "log.line" if is_log => Self::Line,
            _ if is_log && name.starts_with("log.") => Self::Nothing,
            _ => Self::Attribute,
        }
    }
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) meaning: Meaning,
    pub(super) is_secret: bool,
    /// The first field of this name: `tracing` allows one name twice, OTLP does not.
    pub(super) first: usize,
}

/// What is the same.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) is_wanted: bool,
    pub(super) target: &'static str,
    /// None where each record has its own.
    pub(super) scope: Option<Scope>,
    /// Severity and name, whole fields.
    pub(super) head: Vec<u8>,
    /// Where it is, whole attributes, and how many.
    pub(super) code: Vec<u8>,
    pub(super) code_count: usize,
    pub(super) plans: Vec<Plan>,
    pub(super) names: Vec<&'static str>,
    /// The event may say its domain itself.
    pub(super) has_domain: bool,
    /// The last clean message, as a whole field.
    pub(super) body: RefCell<Repeated>,
}

impl Site {
    pub(super) fn new(records: &Records, metadata: &'static Metadata<'static>) -> Self {
        let target = metadata.target();
        let is_log = target == "log";
        let is_wanted = is_log || (records.is_wanted)(target);
        let names: Vec<_> = metadata.fields().iter().map(|field| field.name()).collect();
        let plan = |(index, name): (usize, &&'static str)| Plan {
            meaning: Meaning::of(name, is_log),
            is_secret: records.values.redactor.is_secret(name),
            first: names
                .iter()
                .position(|other| other == name)
                .unwrap_or(index),
        };
        let mut site = Self {
            is_wanted,
            target,
            scope: (is_wanted && !is_log).then(|| records.scope(target)),
            head: head(metadata),
            code: Vec::new(),
            code_count: 0,
            plans: names.iter().enumerate().map(plan).collect(),
            has_domain: names.iter().any(|name| is_domain(name)),
            names: names.clone(),
            body: RefCell::default(),
        };
        if !is_log {
            site.locate(metadata);
        }
        site
    }

    fn locate(&mut self, metadata: &Metadata<'_>) {
        let tag = tag::LOG_ATTRIBUTE;
        if let Some(file) = metadata.file() {
            let key = attribute::CODE_FILE_PATH.as_bytes();
            proto::string_attribute(&mut self.code, tag, key, file.as_bytes());
            self.code_count += 1;
        }
        if let Some(line) = metadata.line() {
            let key = attribute::CODE_LINE_NUMBER.as_bytes();
            proto::int_attribute(&mut self.code, tag, key, line.into());
            self.code_count += 1;
        }
    }
}

/// The names by which an event says its domain.
pub(super) fn is_domain(name: &str) -> bool {
    matches!(name, attribute::CAMPANILE_DOMAIN | "domain")
}

/// Severity and name. A name that only stands in for one (`event src/x.rs:7`) is none.
fn head(metadata: &Metadata<'_>) -> Vec<u8> {
    let (level, name) = (metadata.level(), metadata.name());
    let number = match *level {
        Level::TRACE => 1,
        Level::DEBUG => 5,
        Level::INFO => 9,
        Level::WARN => 13,
        Level::ERROR => 17,
    };
    let mut head = Vec::new();
    proto::number(&mut head, tag::LOG_SEVERITY_NUMBER, number);
    proto::bytes(&mut head, tag::LOG_SEVERITY_TEXT, level.as_str().as_bytes());
    if !name.starts_with("event ") && name != "log event" {
        proto::bytes(&mut head, tag::LOG_EVENT_NAME, name.as_bytes());
    }
    head
}
