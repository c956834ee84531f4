//! The span of a request.
//!
//! It lies in a box that is used again and again, behind a handle of one pointer: nothing of it is
//! allocated, zeroed or moved for the next request. The handle gives the box back when the last
//! context that holds it is gone, emptied of everything that belonged to the request.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use campanile_propagation::{Carried, LazyCarried, Unread, bearer};
use campanile_recorder::{Outcome, Phase, Route};
use campanile_semconv::attribute;
use http::HeaderValue;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, Span, SpanContext, Status};

use super::ask::{self, Ending};
use super::extras::{self, Extras};
use super::templates::Template;
use super::{Common, domain};
use crate::lean::proto::{self, Fixed, tag};

/// How many boxes a thread keeps.
const SPARE: usize = 64;

/// How much room for attributes a box keeps; more than that was an exception.
const ROOM: usize = 2 << 10;

thread_local! {
    #[expect(clippy::vec_box, reason = "it is the boxes that are wanted")]
    static BOXES: RefCell<Vec<Box<ServerSpan>>> = const { RefCell::new(Vec::new()) };
    /// Where a span is put together that has more than most.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a span is begun with.
pub(super) struct Beginning {
    pub(super) context: SpanContext,
    /// All zero: there is none.
    pub(super) parent: [u8; 8],
    pub(super) is_parent_remote: bool,
    /// Whether anything that is told is kept: it is sampled, or may be kept late.
    pub(super) is_recording: bool,
    pub(super) start_ns: u64,
    pub(super) route: &'static Route,
    /// Why it is kept, where that is to be told.
    pub(super) reason: Option<&'static str>,
}

/// The span, in its box.
struct ServerSpan {
    common: Arc<Common>,
    begun: Beginning,
    carried: LazyCarried,
    /// Attributes as protobuf, and how many.
    own: Vec<u8>,
    attributes: usize,
    extras: Option<Box<Extras>>,
    /// Changed through a shared reference, under the lock that the API puts around every span.
    ended: AtomicBool,
}

/// What a context holds.
///
/// The API boxes it. In glibc's cache of free memory seven blocks of up to 24 bytes have room, and a
/// request's headers fill them; one more would have all that is free be put in order, for 400
/// instructions. So it is a little larger than it would have to be.
pub(super) struct Handle {
    span: Option<Box<ServerSpan>>,
    _room: [usize; 3],
}

impl Handle {
    /// Begins a span; `write` writes its first attributes and says how many.
    #[inline]
    pub(super) fn begin(
        common: &Arc<Common>,
        begun: Beginning,
        carried: Unread<'_>,
        write: impl FnOnce(&mut Vec<u8>) -> usize,
    ) -> Self {
        let spare = BOXES.try_with(|boxes| boxes.try_borrow_mut().ok()?.pop());
        let mut span = match spare.ok().flatten() {
            Some(mut span) => {
                // it still counts a reference, which is the right one nearly always
                if !Arc::ptr_eq(&span.common, common) {
                    span.common = Arc::clone(common);
                }
                span.begun = begun;
                span.ended = AtomicBool::new(false);
                span
            }
            None => Box::new(ServerSpan {
                common: Arc::clone(common),
                begun,
                carried: LazyCarried::default(),
                own: Vec::with_capacity(ROOM / 4),
                attributes: 0,
                extras: None,
                ended: AtomicBool::new(false),
            }),
        };
        span.carried.keep(carried);
        if span.begun.is_recording {
            span.attributes = write(&mut span.own);
        }
        Self {
            span: Some(span),
            _room: [0; 3],
        }
    }
}

impl ServerSpan {
    #[inline]
    fn is_recording(&self) -> bool {
        self.begun.is_recording && !self.ended.load(Ordering::Relaxed)
    }

    /// What travels with it, read when somebody first asks.
    fn carried(&self) -> &Carried {
        self.carried
            .get(|members| self.common.metrics.drop_baggage(members))
    }

    fn extras(&mut self) -> Option<&mut Extras> {
        self.is_recording()
            .then(|| &mut **self.extras.get_or_insert_default())
    }

    /// Ends it, once.
    fn finish(&self, ending: &Ending) {
        if self.ended.swap(true, Ordering::Relaxed) || !self.begun.is_recording {
            return;
        }
        let mut reason = self.begun.reason;
        if !self.begun.context.is_sampled() {
            let is_error = ending.error_type().is_some() || self.is_error();
            reason = self
                .common
                .shared()
                .sampler
                .late(is_error, Duration::from_nanos(ending.took_ns));
            if reason.is_none() {
                return;
            }
        }
        let common = &*self.common;
        common
            .templates
            .with(ending, &common.shared().values, |template| {
                self.write(ending, template, reason);
            });
    }

    fn is_error(&self) -> bool {
        let status = self.extras.as_ref().map(|extras| &extras.status);
        matches!(status, Some(Status::Error { .. }))
    }

    /// Appends it to the buffer of this thread.
    fn write(&self, ending: &Ending, template: &Template, reason: Option<&'static str>) {
        if self.extras.is_some() || reason.is_some() || self.common.limits_domain(ending.route) {
            return self.write_all(ending, template, reason);
        }
        self.push(ending, [&template.bytes, &self.own]);
    }

    /// The same with everything that most spans have not.
    #[cold]
    fn write_all(&self, ending: &Ending, template: &Template, reason: Option<&'static str>) {
        let used = SCRATCH.try_with(|scratch| {
            let mut scratch = scratch.try_borrow_mut().ok()?;
            scratch.clear();
            self.write_with(ending, template, reason, &mut scratch);
            if scratch.capacity() > ROOM {
                *scratch = Vec::new();
            }
            Some(())
        });
        if !matches!(used, Ok(Some(()))) {
            self.write_with(ending, template, reason, &mut Vec::new());
        }
    }

    fn write_with(
        &self,
        ending: &Ending,
        template: &Template,
        reason: Option<&'static str>,
        scratch: &mut Vec<u8>,
    ) {
        let common = &*self.common;
        let allowed = domain::Allowed::of(&common.shared().values.redactor, ending.route);
        let is_allowed = |key: &str| allowed.has(key);
        let extras = self.extras.as_deref();
        let (name, rest) = template.bytes.split_at(template.name_end);
        let (closed, status) = rest.split_at(template.status_start - template.name_end);
        if let Some(name) = extras.and_then(|extras| extras.name.as_ref()) {
            let name = common.shared().values.text(name);
            proto::bytes(scratch, tag::SPAN_NAME, name.as_bytes());
        }
        let name_end = scratch.len();
        if allowed.is_limited() {
            allowed.copy(scratch, closed);
            allowed.copy(scratch, &self.own);
        }
        if let Some(reason) = reason {
            let key = attribute::CAMPANILE_SAMPLING_REASON.as_bytes();
            let value = reason.as_bytes();
            proto::string_attribute(scratch, tag::SPAN_ATTRIBUTE, key, value);
        }
        if let Some(extras) = extras {
            extras.write(scratch, &common.shared().values, &is_allowed);
        }
        let (new_name, more) = scratch.split_at(name_end);
        let name = if new_name.is_empty() { name } else { new_name };
        let is_unset = extras.is_none_or(|extras| extras.status == Status::Unset);
        let status = if is_unset { status } else { &[] };
        if allowed.is_limited() {
            self.push(ending, [name, more, status]);
        } else {
            self.push(ending, [name, closed, &self.own, more, status]);
        }
    }

    #[inline]
    fn push<const N: usize>(&self, ending: &Ending, parts: [&[u8]; N]) {
        let begun = &self.begun;
        let context = &begun.context;
        let fixed = Fixed {
            trace_id: context.trace_id().to_bytes(),
            span_id: context.span_id().to_bytes(),
            parent_id: begun.parent,
            kind: 2,
            start_ns: begun.start_ns,
            end_ns: begun.start_ns + ending.took_ns,
            flags: proto::flags(context.trace_flags(), begun.is_parent_remote),
        };
        let state = self.carried.tracestate();
        let state = state.map_or(&[][..], HeaderValue::as_bytes);
        let mut length = fixed.len() + parts.iter().map(|part| part.len()).sum::<usize>();
        if !state.is_empty() {
            length += proto::field_len(state.len());
        }
        let Some(lane) = &self.common.shared().lane else {
            return;
        };
        lane.push_written(&self.common.tracer.scope, |out| {
            out.reserve(proto::field_len(length));
            out.push(tag::INNER);
            proto::varint(out, length as u64);
            fixed.write(out);
            if !state.is_empty() {
                proto::bytes(out, tag::SPAN_TRACE_STATE, state);
            }
            for part in parts {
                out.extend_from_slice(part);
            }
        });
    }

    /// How it ends when nobody said how.
    #[cold]
    fn finish_unasked(&self, at: SystemTime) {
        self.finish(&Ending {
            route: self.begun.route,
            status: None,
            outcome: Outcome::ClientGone,
            phase: Phase::Head,
            failure: None,
            took_ns: extras::nanos(at).saturating_sub(self.begun.start_ns),
        });
    }

    /// Nothing of this request stays behind.
    #[inline]
    fn clear(&mut self) {
        self.carried.clear();
        self.extras = None;
        self.own.clear();
        self.attributes = 0;
    }
}

impl Span for Handle {
    fn add_event_with_timestamp<T>(&mut self, name: T, at: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        let Some(span) = &mut self.span else { return };
        let common = Arc::clone(&span.common);
        if let Some(extras) = span.extras() {
            extras.event(Event::new(name, at, attributes, 0), &common.shared().limits);
        }
    }

    fn span_context(&self) -> &SpanContext {
        match &self.span {
            Some(span) => &span.begun.context,
            None => &SpanContext::NONE,
        }
    }

    fn is_recording(&self) -> bool {
        let Some(span) = &self.span else { return false };
        if bearer::asked() {
            bearer::answer(span.carried());
        }
        if let Some(ending) = ask::asked() {
            span.finish(&ending);
        }
        span.is_recording()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        let Some(span) = &mut self.span else { return };
        let others = span.attributes + super::AT_END;
        let common = Arc::clone(&span.common);
        if let Some(extras) = span.extras() {
            extras.attribute(attribute, others, &common.shared().limits);
        }
    }

    fn set_status(&mut self, status: Status) {
        if let Some(extras) = self.span.as_mut().and_then(|span| span.extras()) {
            extras.set_status(status);
        }
    }

    fn update_name<T: Into<Cow<'static, str>>>(&mut self, name: T) {
        if let Some(extras) = self.span.as_mut().and_then(|span| span.extras()) {
            extras.name = Some(name.into());
        }
    }

    fn add_link(&mut self, context: SpanContext, attributes: Vec<KeyValue>) {
        let Some(span) = &mut self.span else { return };
        let common = Arc::clone(&span.common);
        if let Some(extras) = span.extras() {
            extras.link(context, attributes, &common.shared().limits);
        }
    }

    fn end_with_timestamp(&mut self, at: SystemTime) {
        if let Some(span) = &self.span {
            span.finish_unasked(at);
        }
    }
}

impl Drop for Handle {
    #[inline]
    fn drop(&mut self) {
        let Some(mut span) = self.span.take() else {
            return;
        };
        if !*span.ended.get_mut() {
            span.finish_unasked(SystemTime::now());
        }
        span.clear();
        if span.own.capacity() > ROOM {
            return;
        }
        let _ = BOXES.try_with(|boxes| {
            if let Ok(mut boxes) = boxes.try_borrow_mut()
                && boxes.len() < SPARE
            {
                boxes.push(span);
            }
        });
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerSpan")
            .field(self.span_context())
            .finish()
    }
}
