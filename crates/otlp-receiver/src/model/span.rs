//! Spans, with their events and links.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Attributes, Resource, Scope, SpanId, TraceId, Value, allocated, system_time};

/// One finished operation.
#[derive(Clone, Debug)]
pub struct Span {
    /// Position in the order of arrival, over all signals; never repeats in one receiver.
    pub seq: u64,
    /// When it arrived here.
    pub received: SystemTime,
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// The span it is part of; none for a root.
    pub parent_span_id: Option<SpanId>,
    /// W3C `tracestate`, as sent.
    pub trace_state: String,
    /// W3C trace flags in the low 8 bits, "parent is remote" in bits 8 and 9.
    pub flags: u32,
    /// Its name.
    pub name: String,
    /// Which side of a call it describes.
    pub kind: SpanKind,
    /// Its beginning, in nanoseconds since 1970.
    pub start_unix_nano: u64,
    /// Its end, in nanoseconds since 1970.
    pub end_unix_nano: u64,
    /// Its attributes.
    pub attributes: Attributes,
    /// Attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// What happened during it, in the order sent.
    pub events: Vec<Event>,
    /// Events the sender left out.
    pub dropped_events_count: u32,
    /// Spans it is related to without being part of them.
    pub links: Vec<Link>,
    /// Links the sender left out.
    pub dropped_links_count: u32,
    /// How it ended.
    pub status: Status,
    /// The process it comes from.
    pub resource: Arc<Resource>,
    /// The library that made it.
    pub scope: Arc<Scope>,
}

impl Span {
    /// Returns how long it took; zero when it claims to end before it began.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.end_unix_nano.saturating_sub(self.start_unix_nano))
    }

    /// Returns its beginning as a clock time.
    pub fn start(&self) -> SystemTime {
        system_time(self.start_unix_nano)
    }

    /// Returns its end as a clock time.
    pub fn end(&self) -> SystemTime {
        system_time(self.end_unix_nano)
    }

    /// Returns the value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.get(key)
    }

    /// Returns the first event of that name.
    pub fn event(&self, name: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.name == name)
    }

    /// Says whether it has no parent.
    pub fn is_root(&self) -> bool {
        self.parent_span_id.is_none()
    }

    /// Says whether its parent is in another process; none when the sender did not say.
    pub fn has_remote_parent(&self) -> Option<bool> {
        (self.flags & 0x100 != 0).then_some(self.flags & 0x200 != 0)
    }

    /// Says whether it ended with status Error.
    pub fn is_error(&self) -> bool {
        self.status.code == StatusCode::Error
    }

    /// Estimates what it occupies, without the shared resource and scope.
    pub(crate) fn bytes(&self) -> usize {
        let events: usize = self.events.iter().map(Event::bytes).sum();
        let links: usize = self.links.iter().map(Link::bytes).sum();
        size_of::<Self>()
            + allocated(self.trace_state.capacity())
            + allocated(self.name.capacity())
            + self.attributes.heap_bytes()
            + allocated(self.status.message.capacity())
            + events
            + links
    }
}

/// Which side of a call a span describes.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SpanKind {
    /// Not said, or a number that the protocol does not know.
    #[default]
    Unspecified,
    /// Within one process.
    Internal,
    /// Answers a call from outside.
    Server,
    /// Makes a call to outside.
    Client,
    /// Hands over a message.
    Producer,
    /// Receives or processes a message.
    Consumer,
}

impl SpanKind {
    /// Names it in lower case, as `server`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

impl fmt::Display for SpanKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a span ended.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Status {
    /// The code.
    pub code: StatusCode,
    /// What the sender says about an error; empty if nothing.
    pub message: String,
}

/// The code of a [`Status`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum StatusCode {
    /// Nobody judged it.
    #[default]
    Unset,
    /// Explicitly a success.
    Ok,
    /// A failure.
    Error,
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        })
    }
}

/// Something that happened during a span.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// When, in nanoseconds since 1970.
    pub time_unix_nano: u64,
    /// Its attributes.
    pub attributes: Attributes,
    /// Attributes the sender left out.
    pub dropped_attributes_count: u32,
}

impl Event {
    fn bytes(&self) -> usize {
        size_of::<Self>() + allocated(self.name.capacity()) + self.attributes.heap_bytes()
    }
}

/// A relation to another span.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Link {
    /// The other span's trace.
    pub trace_id: TraceId,
    /// The other span.
    pub span_id: SpanId,
    /// W3C `tracestate` of the other span, as sent.
    pub trace_state: String,
    /// As [`Span::flags`].
    pub flags: u32,
    /// What the relation is.
    pub attributes: Attributes,
    /// Attributes the sender left out.
    pub dropped_attributes_count: u32,
}

impl Link {
    fn bytes(&self) -> usize {
        size_of::<Self>() + allocated(self.trace_state.capacity()) + self.attributes.heap_bytes()
    }
}
