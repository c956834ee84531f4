//! The fields of an event: those with a place of their own, and the rest.

use std::fmt;

use campanile_recorder::{RequestId, Route};
use opentelemetry::Context;
use tracing::field::{Field, Visit};

use crate::json;

/// Fields with a place of their own in every line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    Domain,
    RequestId,
    Event,
    Outcome,
    Message,
}

impl Known {
    const ALL: [Self; 5] = [
        Self::Domain,
        Self::RequestId,
        Self::Event,
        Self::Outcome,
        Self::Message,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::RequestId => "request_id",
            Self::Event => "event",
            Self::Outcome => "outcome",
            Self::Message => "message",
        }
    }

    fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// Names that the line itself uses; an event's field of such a name gets a trailing underscore.
const RESERVED: [&str; 7] = [
    "timestamp",
    "level",
    "service",
    "trace_id",
    "span_id",
    "trace_sampled",
    "target",
];

/// What spans pass on to the lines inside them, already as JSON.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    domain: Option<Vec<u8>>,
    request_id: Option<Vec<u8>>,
}

impl Inherited {
    /// Reads what `record` visits; none when nothing of it is passed on.
    pub(super) fn of(record: impl FnOnce(&mut dyn Visit)) -> Option<Self> {
        let mut fields = Fields::default();
        record(&mut Filtered(&mut fields));
        let [domain, request_id, ..] = fields.known;
        let found = Self {
            domain: domain.map(|range| fields.values[range].to_vec()),
            request_id: request_id.map(|range| fields.values[range].to_vec()),
        };
        (found.domain.is_some() || found.request_id.is_some()).then_some(found)
    }

    /// Takes over what `newer` has.
    pub(super) fn update(&mut self, newer: Self) {
        self.domain = newer.domain.or(self.domain.take());
        self.request_id = newer.request_id.or(self.request_id.take());
    }

    /// Takes what is missing from the exchange that is under way on this thread.
    pub(super) fn fill_from_exchange(&mut self) {
        let text = |text: &str| {
            let mut out = Vec::new();
            json::string(&mut out, text);
            out
        };
        if self.domain.is_none() {
            self.domain = Route::current().and_then(Route::domain).map(text);
        }
        if self.request_id.is_none() {
            self.request_id =
                Context::map_current(|context| RequestId::of(context).map(|id| text(id.as_str())));
        }
    }

    /// Takes from `outer` what is missing.
    pub(super) fn fill(&mut self, outer: &Self) {
        if self.domain.is_none() {
            self.domain.clone_from(&outer.domain);
        }
        if self.request_id.is_none() {
            self.request_id.clone_from(&outer.request_id);
        }
    }
}

/// Collects an event's fields as JSON.
#[derive(Default)]
pub(super) struct Fields {
    /// Values of the known fields, one after the other.
    values: Vec<u8>,
    known: [Option<std::ops::Range<usize>>; 5],
    /// `,"name":value` for each of the event's own.
    own: Vec<u8>,
    /// Names already in `own`.
    seen: Vec<&'static str>,
}

impl Fields {
    /// The event's own fields.
    pub(super) fn own(&self) -> &[u8] {
        &self.own
    }

    /// Whether no field of the line has this name.
    pub(super) fn is_free(&self, name: &str) -> bool {
        let own = self.seen.contains(&name);
        !own && !RESERVED.contains(&name) && Known::find(name).is_none()
    }

    /// Appends one known field, `null` when it is unknown.
    pub(super) fn known(&self, out: &mut Vec<u8>, which: Known, inherited: &Inherited) {
        json::plain(out, format_args!(",\"{}\":", which.name()));
        let inherited = match which {
            Known::Domain => inherited.domain.as_deref(),
            Known::RequestId => inherited.request_id.as_deref(),
            _ => None,
        };
        let given = self.known[which as usize].clone();
        let value = given.map(|range| &self.values[range]).or(inherited);
        out.extend_from_slice(value.unwrap_or(b"null"));
    }

    /// Appends one known field, `otherwise` when the event does not have it.
    pub(super) fn known_or(&self, out: &mut Vec<u8>, which: Known, otherwise: Option<&str>) {
        match (&self.known[which as usize], otherwise) {
            (None, Some(text)) => {
                json::plain(out, format_args!(",\"{}\":", which.name()));
                json::string(out, text);
            }
            _ => self.known(out, which, &Inherited::default()),
        }
    }

    fn put(&mut self, field: &Field, write: impl FnOnce(&mut Vec<u8>)) {
        // The `log` bridge's own bookkeeping.
        if field.name().starts_with("log.") {
            return;
        }
        if let Some(known) = Known::find(field.name()) {
            if self.known[known as usize].is_none() {
                let start = self.values.len();
                write(&mut self.values);
                self.known[known as usize] = Some(start..self.values.len());
            }
            return;
        }
        // `tracing` allows one name twice; a strict JSON reader does not. The first one stays.
        if self.seen.contains(&field.name()) {
            return;
        }
        self.seen.push(field.name());
        self.own.push(b',');
        if RESERVED.contains(&field.name()) {
            json::display(&mut self.own, format_args!("{}_", field.name()));
        } else {
            json::string(&mut self.own, field.name());
        }
        self.own.push(b':');
        write(&mut self.own);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |out| json::float(out, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |out| json::plain(out, format_args!("{value}")));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |out| json::plain(out, format_args!("{value}")));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, |out| json::display(out, format_args!("{value}")));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, |out| json::display(out, format_args!("{value}")));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |out| json::plain(out, format_args!("{value}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |out| json::string(out, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, |out| {
            json::display(out, format_args!("{}", Chain(value)));
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, |out| json::display(out, format_args!("{value:?}")));
    }
}

/// Passes only what spans pass on, so that a span's other fields are never formatted.
struct Filtered<'a>(&'a mut Fields);

impl Filtered<'_> {
    fn wants(field: &Field) -> bool {
        matches!(
            Known::find(field.name()),
            Some(Known::Domain | Known::RequestId)
        )
    }
}

impl Visit for Filtered<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if Self::wants(field) {
            self.0.record_str(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if Self::wants(field) {
            self.0.record_debug(field, value);
        }
    }
}

/// An error with its causes.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

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
