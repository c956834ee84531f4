//! What differs from request to request, as its span keeps it.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use campanile_propagation::Unread;
use campanile_recorder::{Caller, Head, Route, Tick, Tracing};

use super::{Common, attributes};

/// Attributes as protobuf, written when the request begins; of requests whose spans hardly ever
/// leave, only what they are written from.
pub(super) struct Own {
    bytes: Vec<u8>,
    form: Form,
}

/// What the bytes are.
enum Form {
    /// So many attributes.
    Written(usize),
    /// Texts of the head, as they were sent.
    Noted(Noted),
}

/// Where the texts end, and what is none.
#[derive(Clone, Copy)]
struct Noted {
    path: usize,
    authority: Option<usize>,
    user_agent: Option<usize>,
    client: Option<IpAddr>,
    peer: Option<SocketAddr>,
}

impl Own {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            form: Form::Written(0),
        }
    }

    /// Writes the attributes of a request.
    #[inline]
    pub(super) fn write(&mut self, head: &Head<'_>, common: &Common) {
        let attributes = attributes::write(&mut self.bytes, head, common);
        self.form = Form::Written(attributes);
    }

    /// Notes what the attributes are written from.
    #[inline]
    pub(super) fn note(&mut self, head: &Head<'_>, common: &Common) {
        if head.more.is_some() {
            return self.write(head, common);
        }
        let mut note = |text: &[u8]| {
            self.bytes.extend_from_slice(text);
            self.bytes.len()
        };
        self.form = Form::Noted(Noted {
            path: note(head.path.as_bytes()),
            authority: head.authority.map(&mut note),
            user_agent: head.user_agent.map(note),
            client: head.client,
            peer: head.peer,
        });
    }

    /// The attributes that were [written](Self::write).
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The attributes, written if they are not yet.
    pub(super) fn written(&self, route: &'static Route, common: &Common) -> Cow<'_, [u8]> {
        match &self.form {
            Form::Written(_) => Cow::Borrowed(&self.bytes),
            Form::Noted(noted) => Cow::Owned(noted.write(&self.bytes, route, common).0),
        }
    }

    /// How many attributes there are.
    pub(super) fn attributes(&self, route: &'static Route, common: &Common) -> usize {
        match &self.form {
            Form::Written(attributes) => *attributes,
            Form::Noted(noted) => noted.write(&self.bytes, route, common).1,
        }
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.form = Form::Written(0);
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

impl Noted {
    /// The attributes, and how many.
    #[cold]
    fn write(&self, texts: &[u8], route: &'static Route, common: &Common) -> (Vec<u8>, usize) {
        let mut bytes = Vec::with_capacity(512);
        let attributes = attributes::write(&mut bytes, &self.head(texts, route), common);
        (bytes, attributes)
    }

    /// The head again, as far as attributes are about it.
    fn head<'a>(&self, texts: &'a [u8], route: &'static Route) -> Head<'a> {
        let mut start = 0;
        let mut text = |end| &texts[std::mem::replace(&mut start, end)..end];
        Head {
            clock: Tick::now(),
            caller: Caller::Unknown,
            carried: Unread::default(),
            tracing: Tracing::Span,
            metrics: false,
            route,
            path: std::str::from_utf8(text(self.path)).unwrap_or_default(),
            authority: self.authority.map(&mut text),
            user_agent: self.user_agent.map(text),
            client: self.client,
            peer: self.peer,
            more: None,
        }
    }
}
