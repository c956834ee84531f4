//! The span of a request.
//!
//! It lies in a box that is used again and again, behind a [handle](super::handle): nothing of it is
//! allocated, zeroed or moved for the next request.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use campanile_propagation::{Carried, LazyCarried, Unread};
use campanile_recorder::{Head, Route};
use campanile_semconv::attribute;
use opentelemetry::trace::{SpanContext, Status};

use super::ask::Ending;
use super::extras::Extras;
use super::own::Own;
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

/// The span, in its box.
pub(super) struct ServerSpan {
    common: Arc<Common>,
    context: SpanContext,
    is_parent_remote: bool,
    /// Whether anything that is told is kept: it is sampled, or may be kept late.
    is_recording: bool,
    /// Why it is kept, where that is to be told.
    reason: Option<&'static str>,
    carried: LazyCarried,
    own: Own,
    extras: Option<Box<Extras>>,
    /// Changed through a shared reference, under the lock that the API puts around every span.
    ended: AtomicBool,
}

/// What is known of a request from its beginning on.
#[derive(Clone, Copy)]
pub(super) struct Began {
    pub(super) route: &'static Route,
    pub(super) start_ns: u64,
    /// All zero: there is none.
    pub(super) parent: [u8; 8],
}

impl ServerSpan {
    /// One that nobody uses.
    #[inline]
    pub(super) fn spare(common: &Arc<Common>) -> Box<Self> {
        let spare = BOXES.try_with(|boxes| boxes.try_borrow_mut().ok()?.pop());
        match spare {
            Ok(Some(mut span)) => {
                // it still counts a reference, which is the right one nearly always
                if !Arc::ptr_eq(&span.common, common) {
                    span.common = Arc::clone(common);
                }
                span
            }
            _ => Self::new(common),
        }
    }

    #[cold]
    fn new(common: &Arc<Common>) -> Box<Self> {
        Box::new(Self {
            common: Arc::clone(common),
            context: SpanContext::NONE,
            is_parent_remote: false,
            is_recording: false,
            reason: None,
            carried: LazyCarried::default(),
            own: Own::with_capacity(ROOM / 4),
            extras: None,
            ended: AtomicBool::new(true),
        })
    }

    /// Begins it: nothing is kept of it yet.
    #[inline]
    pub(super) fn begin(
        &mut self,
        context: SpanContext,
        is_parent_remote: bool,
        carried: Unread<'_>,
    ) {
        self.context = context;
        self.is_parent_remote = is_parent_remote;
        self.carried.keep(carried);
        self.is_recording = false;
        self.reason = None;
        self.ended = AtomicBool::new(false);
    }

    /// Keeps it.
    #[inline]
    pub(super) fn keep(&mut self, head: &Head<'_>, reason: Option<&'static str>) {
        self.is_recording = true;
        self.reason = reason;
        self.own.write(head, &self.common);
    }

    /// Keeps it for now, as it may yet fail or take long.
    #[inline]
    pub(super) fn watch(&mut self, head: &Head<'_>) {
        self.is_recording = true;
        self.own.note(head, &self.common);
    }

    pub(super) fn context(&self) -> &SpanContext {
        &self.context
    }

    /// What travels with it, read when somebody first asks.
    pub(super) fn carried(&self) -> &Carried {
        self.carried
            .get(|members| self.common.metrics.drop_baggage(members))
    }

    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn is_recording(&self) -> bool {
        self.is_recording && !self.has_ended()
    }

    /// Where to put what is told, how many attributes there are beside, and by which rules; none
    /// when nothing is kept.
    pub(super) fn extras(
        &mut self,
        route: &'static Route,
    ) -> Option<(&mut Extras, usize, &Common)> {
        if !self.is_recording() {
            return None;
        }
        let others = self.own.attributes(route, &self.common) + super::AT_END;
        let extras = &mut **self.extras.get_or_insert_default();
        Some((extras, others, &self.common))
    }

    /// Ends it, once.
    pub(super) fn finish(&self, began: &Began, ending: &Ending) {
        // only ever under the lock: no exchange is needed
        let was_recording = self.is_recording();
        self.ended.store(true, Ordering::Relaxed);
        if !was_recording {
            return;
        }
        let common = &*self.common;
        let mut reason = self.reason;
        if !self.context.is_sampled() {
            let is_error = ending.error_type().is_some() || self.is_error();
            let took = Duration::from_nanos(ending.took_ns);
            reason = common.shared().sampler.late(is_error, took);
            if reason.is_none() {
                return;
            }
        }
        match common.templates.usual(ending) {
            Some(template) => self.write(began, ending, template, reason),
            None => self.write_unusual(began, ending, reason),
        }
    }

    #[inline(never)]
    fn write_unusual(&self, began: &Began, ending: &Ending, reason: Option<&'static str>) {
        let values = &self.common.shared().values;
        let template = self.common.templates.make(ending, values);
        self.write(began, ending, &template, reason);
    }

    fn is_error(&self) -> bool {
        let status = self.extras.as_ref().map(|extras| &extras.status);
        matches!(status, Some(Status::Error { .. }))
    }

    /// Appends it to the buffer of this thread.
    #[inline]
    fn write(
        &self,
        began: &Began,
        ending: &Ending,
        template: &Template,
        reason: Option<&'static str>,
    ) {
        if self.extras.is_some() || reason.is_some() || self.common.limits_domain(ending.route) {
            return self.write_all(began, ending, template, reason);
        }
        // what is kept late has a reason, so here all is written
        self.push(began, ending, [&template.bytes, self.own.bytes()]);
    }

    /// The same with everything that most spans have not.
    #[cold]
    fn write_all(
        &self,
        began: &Began,
        ending: &Ending,
        template: &Template,
        reason: Option<&'static str>,
    ) {
        let used = SCRATCH.try_with(|scratch| {
            let mut scratch = scratch.try_borrow_mut().ok()?;
            scratch.clear();
            self.write_with(began, ending, template, reason, &mut scratch);
            if scratch.capacity() > ROOM {
                *scratch = Vec::new();
            }
            Some(())
        });
        if !matches!(used, Ok(Some(()))) {
            self.write_with(began, ending, template, reason, &mut Vec::new());
        }
    }

    fn write_with(
        &self,
        began: &Began,
        ending: &Ending,
        template: &Template,
        reason: Option<&'static str>,
        scratch: &mut Vec<u8>,
    ) {
        let common = &*self.common;
        let allowed = domain::Allowed::of(&common.shared().values.redactor, ending.route);
        let is_allowed = |key: &str| allowed.has(key);
        let extras = self.extras.as_deref();
        let own = &*self.own.written(began.route, common);
        let (name, rest) = template.bytes.split_at(template.name_end);
        let (closed, status) = rest.split_at(template.status_start - template.name_end);
        if let Some(name) = extras.and_then(|extras| extras.name.as_ref()) {
            let name = common.shared().values.text(name);
            proto::bytes(scratch, tag::SPAN_NAME, name.as_bytes());
        }
        let name_end = scratch.len();
        if allowed.is_limited() {
            allowed.copy(scratch, closed);
            allowed.copy(scratch, own);
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
            self.push(began, ending, [name, more, status]);
        } else {
            self.push(began, ending, [name, closed, own, more, status]);
        }
    }

    #[inline]
    fn push<const N: usize>(&self, began: &Began, ending: &Ending, parts: [&[u8]; N]) {
        let state = self.carried.tracestate();
        let Some(lane) = &self.common.shared().lane else {
            return;
        };
        lane.push_written(&self.common.tracer.scope, |out| {
            let context = &self.context;
            let fixed = Fixed {
                trace_id: context.trace_id().to_bytes(),
                span_id: context.span_id().to_bytes(),
                parent_id: began.parent,
                kind: 2,
                start_ns: began.start_ns,
                end_ns: began.start_ns + ending.took_ns,
                flags: proto::flags(context.trace_flags(), self.is_parent_remote),
            };
            proto::span(out, &fixed, state, parts);
        });
    }

    /// Leaves the box to the next request of this thread; nothing of this one stays behind.
    #[inline]
    pub(super) fn give_back(mut self: Box<Self>) {
        self.carried.clear();
        self.extras = None;
        self.own.clear();
        if self.own.capacity() > ROOM {
            return;
        }
        let _ = BOXES.try_with(|boxes| {
            if let Ok(mut boxes) = boxes.try_borrow_mut()
                && boxes.len() < SPARE
            {
                boxes.push(self);
            }
        });
    }
}
