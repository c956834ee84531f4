//! What is the same on every line of one place in the source: worked out once for each thread.

use std::cell::RefCell;
use std::rc::Rc;

use campanile_redaction::{Redactor, Repeated};
use campanile_semconv::attribute as a;
use tracing::Metadata;

use super::style::Format;
use crate::json;

/// Templates that a thread keeps. A place in the source whose slot another one took is worked out
/// again.
const SLOTS: usize = 128;

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
pub(super) fn is_reserved(name: &str) -> bool {
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

/// Where a field goes.
#[derive(Debug)]
pub(super) enum Place {
    /// The `log` bridge's own bookkeeping.
    Nowhere,
    /// The target of a `log` record.
    Target,
    Known(Known),
    Own(Own),
}

/// A field that the event brings along.
#[derive(Debug)]
pub(super) struct Own {
    /// The name as it is written: it may have got underscores.
    pub(super) name: String,
    /// Comma, name and colon.
    pub(super) begin: Vec<u8>,
    /// The first field of the event with this name; it stays, as `tracing` allows one name twice and
    /// a strict JSON reader does not.
    pub(super) first: usize,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) place: Place,
    /// The value is a secret, whatever it looks like.
    pub(super) is_secret: bool,
}

#[derive(Debug)]
pub(super) struct Template {
    layer: u64,
    metadata: &'static Metadata<'static>,
    pub(super) plans: Vec<Plan>,
    /// The event may say its domain itself.
    pub(super) has_domain: bool,
    /// The name that the event was given, as a value.
    pub(super) event: Option<Vec<u8>>,
    /// The target, as a value.
    pub(super) target: Vec<u8>,
    /// The last clean message, as a value.
    pub(super) message: RefCell<Repeated>,
}

impl Template {
    fn new(
        layer: u64,
        format: Format,
        redactor: &Redactor,
        metadata: &'static Metadata<'static>,
    ) -> Self {
        let mut plans: Vec<Plan> = Vec::new();
        let names = || metadata.fields().iter().map(|field| field.name());
        let is_log = metadata.target() == "log";
        for (index, name) in names().enumerate() {
            let place = match Known::find(name) {
                _ if is_log && name == "log.target" => Place::Target,
                _ if is_log && name.starts_with("log.") => Place::Nowhere,
                Some(known) => Place::Known(known),
                None => {
                    let first = names().position(|other| other == name).unwrap_or(index);
                    let written = match plans.get(first).map(|plan| &plan.place) {
                        Some(Place::Own(twin)) => twin.name.clone(),
                        _ => free_name(name, &plans),
                    };
                    let mut begin = Vec::new();
                    format.name(&mut begin, &written);
                    Place::Own(Own {
                        name: written,
                        begin,
                        first,
                    })
                }
            };
            plans.push(Plan {
                place,
                is_secret: redactor.is_secret(name),
            });
        }
        let value = |text: &str| {
            let mut out = Vec::new();
            match format {
                Format::Json => json::string(&mut out, text),
                Format::Pretty => super::style::readable(&mut out, text),
            }
            out
        };
        Self {
            layer,
            metadata,
            plans,
            has_domain: names().any(|name| Known::find(name) == Some(Known::Domain)),
            event: given_name(metadata).map(value),
            target: value(metadata.target()),
            message: RefCell::default(),
        }
    }
}

fn free_name(name: &str, plans: &[Plan]) -> String {
    let mut free = name.to_owned();
    if is_reserved(name) {
        free.push('_');
    }
    let is_taken = |name: &str| {
        let same = |plan: &Plan| matches!(&plan.place, Place::Own(own) if own.name == name);
        plans.iter().any(same)
    };
    while is_taken(&free) {
        free.push('_');
    }
    free
}

/// The name that the event was given; `None` for the place in the source that stands in for it.
fn given_name(metadata: &Metadata<'static>) -> Option<&'static str> {
    let name = metadata.name();
    let is_none = name.starts_with("event ") || name == "log event";
    (!is_none).then_some(name)
}

/// The templates that a thread has worked out.
#[derive(Debug, Default)]
pub(super) struct Templates(Vec<Option<Rc<Template>>>);

impl Templates {
    pub(super) fn find(
        &mut self,
        layer: u64,
        format: Format,
        redactor: &Redactor,
        metadata: &'static Metadata<'static>,
    ) -> Rc<Template> {
        if self.0.is_empty() {
            self.0.resize(SLOTS, None);
        }
        let address = std::ptr::from_ref(metadata).addr();
        // What the lowest bits say is the same for all.
        let slot = ((address >> 4) ^ (address >> 11) ^ layer as usize) % SLOTS;
        let Some(place) = self.0.get_mut(slot) else {
            return Rc::new(Template::new(layer, format, redactor, metadata));
        };
        match place {
            Some(known) if known.layer == layer && std::ptr::eq(known.metadata, metadata) => {
                known.clone()
            }
            _ => {
                let new = Rc::new(Template::new(layer, format, redactor, metadata));
                *place = Some(new.clone());
                new
            }
        }
    }
}
