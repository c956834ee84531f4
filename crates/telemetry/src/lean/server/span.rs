//! The span of a request.
//!
//! It lies in a box that is used again and again, behind a [handle](super::handle): nothing of it is
//! allocated, zeroed or moved for the next request.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use campanile_propagation::{Carried, LazyCarried, Unread};
use campanile_recorder::{End, Head, Route};
use campanile_semconv::attribute;
use opentelemetry::trace::{SpanContext, Status, TraceState};
use opentelemetry::{TraceFlags, TraceId};
use opentelemetry_sdk::trace::SpanLimits;

use super::extras::Extras;
use super::own::Own;
use super::templates::Template;
use super::{Common, domain};
use crate::lean::ids;
use crate::lean::proto::{self, Fixed, tag};
use crate::sampling::Verdict;

/// How many boxes a thread keeps.
const SPARE: usize = 64;

/// How much room for attributes a box keeps; more than that was an exception.
const ROOM: usize = 2 << 10;

thread_local! {
    /// Nobody else has a reference to them.
    static BOXES: RefCell<Vec<Arc<ServerSpan>>> = const { RefCell::new(Vec::new()) };
    /// Where a span is put together that has more than most.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The span, in its box: its context has it for the handler, and its exchange to end it.
pub(super) struct ServerSpan {
    common: Arc<Common>,
    context: SpanContext,
    began: Began,
    is_parent_remote: bool,
    /// Whether anything that is told is kept: it is sampled, or may be kept late.
    is_recording: bool,
    /// Why it is kept, where that is to be told.
    reason: Option<&'static str>,
    carried: LazyCarried,
    own: Own,
    extras: Mutex<Option<Box<Extras>>>,
    /// Whether there are any, so that hardly a span is locked for them.
    has_extras: AtomicBool,
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

/// What a span is begun with, besides the head of its request.
pub(super) struct Beginning {
    pub(super) trace_id: TraceId,
    pub(super) flags: TraceFlags,
    pub(super) began: Began,
    pub(super) is_parent_remote: bool,
    pub(super) verdict: Verdict,
}

impl ServerSpan {
    /// Begins the span of the request with this head.
    #[inline]
    pub(super) fn begin(
        common: &Arc<Common>,
        beginning: Beginning,
        carried: Unread<'_>,
        head: &Head<'_>,
    ) -> Arc<Self> {
        let spare = BOXES.try_with(|boxes| boxes.try_borrow_mut().ok()?.pop());
        let mut begun = match spare {
            Ok(Some(span)) => span,
            _ => Self::new(common, beginning.began),
        };
        // nobody else has it, as it lay among the spare ones or is new
        if let Some(span) = Arc::get_mut(&mut begun) {
            // it still counts a reference, which is the right one nearly always
            if !Arc::ptr_eq(&span.common, common) {
                span.common = Arc::clone(common);
            }
            let (trace_id, span_id) = (beginning.trace_id, ids::span_id());
            let (flags, state) = (beginning.flags, TraceState::NONE);
            span.context = SpanContext::new(trace_id, span_id, flags, false, state);
            span.began = beginning.began;
            span.is_parent_remote = beginning.is_parent_remote;
            span.carried.keep(carried);
            span.ended = AtomicBool::new(false);
            (span.is_recording, span.reason) = match beginning.verdict {
                Verdict::Keep(reason) => {
                    span.own.write(head, common);
                    (true, reason)
                }
                // it may yet fail or take long
                Verdict::Watch => {
                    span.own.note(head, common);
                    (true, None)
                }
                Verdict::Drop => (false, None),
            };
        }
        begun
    }

    #[cold]
    fn new(common: &Arc<Common>, began: Began) -> Arc<Self> {
        Arc::new(Self {
            common: Arc::clone(common),
            context: SpanContext::NONE,
            began,
            is_parent_remote: false,
            is_recording: false,
            reason: None,
            carried: LazyCarried::default(),
            own: Own::with_capacity(ROOM / 4),
            extras: Mutex::default(),
            has_extras: AtomicBool::new(false),
            ended: AtomicBool::new(true),
        })
    }

    #[inline]
    pub(super) fn context(&self) -> &SpanContext {
        &self.context
    }

    pub(super) fn began(&self) -> &Began {
        &self.began
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

    /// Adds what most spans have nothing of, while anything is kept.
    pub(super) fn tell(&self, add: impl FnOnce(&mut Extras, &SpanLimits)) {
        if !self.is_recording() {
            return;
        }
        let mut extras = self.extras.lock().unwrap_or_else(PoisonError::into_inner);
        let extras = extras.get_or_insert_with(|| {
            let others = self.own.attributes(self.began.route, &self.common);
            Box::new(Extras::beside(others + super::AT_END))
        });
        // whatever becomes of `add`, these do not stay for the next request
        self.has_extras.store(true, Ordering::Release);
        add(extras, &self.common.shared().limits);
    }

    /// Ends it, once.
    #[inline]
    pub(super) fn finish(&self, end: &End<'_>) {
        if self.ended.swap(true, Ordering::Relaxed) || !self.is_recording {
            return;
        }
        if self.has_extras.load(Ordering::Acquire) {
            return self.finish_with_extras(end);
        }
        self.leave(end, None);
    }

    #[cold]
    fn finish_with_extras(&self, end: &End<'_>) {
        let extras = self.extras.lock().unwrap_or_else(PoisonError::into_inner);
        self.leave(end, extras.as_deref());
    }

    /// Appends it to the buffer of this thread, if it is kept after all.
    #[inline]
    fn leave(&self, end: &End<'_>, extras: Option<&Extras>) {
        let common = &*self.common;
        let mut reason = self.reason;
        if !self.context.is_sampled() {
            let has_error =
                extras.is_some_and(|extras| matches!(extras.status, Status::Error { .. }));
            let is_error = end.error_type().is_some() || has_error;
            let took = Duration::from_nanos(end.elapsed_ns);
            reason = common.shared().sampler.late(is_error, took);
            if reason.is_none() {
                return;
            }
        }
        match common.templates.usual(end) {
            // what is kept late has a reason, so here the attributes are written
            Some(template)
                if extras.is_none() && reason.is_none() && !common.limits_domain(end.route) =>
            {
                self.push(end, [&template.bytes, self.own.bytes()]);
            }
            template => self.leave_unusual(end, template, extras, reason),
        }
    }

    /// The same with what most spans have not.
    #[cold]
    fn leave_unusual(
        &self,
        end: &End<'_>,
        template: Option<&Template>,
        extras: Option<&Extras>,
        reason: Option<&'static str>,
    ) {
        let made;
        let template = match template {
            Some(template) => template,
            None => {
                let common = &*self.common;
                made = common.templates.make(end, &common.shared().values);
                &made
            }
        };
        let used = SCRATCH.try_with(|scratch| {
            let mut scratch = scratch.try_borrow_mut().ok()?;
            scratch.clear();
            self.write_with(end, template, extras, reason, &mut scratch);
            if scratch.capacity() > ROOM {
                *scratch = Vec::new();
            }
            Some(())
        });
        if !matches!(used, Ok(Some(()))) {
            self.write_with(end, template, extras, reason, &mut Vec::new());
        }
    }

    fn write_with(
        &self,
        end: &End<'_>,
        template: &Template,
        extras: Option<&Extras>,
        reason: Option<&'static str>,
        scratch: &mut Vec<u8>,
    ) {
        let common = &*self.common;
        let allowed = domain::Allowed::of(&common.shared().values.redactor, end.route);
        let is_allowed = |key: &str| allowed.has(key);
        let own = &*self.own.written(self.began.route, common);
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
            self.push(end, [name, more, status]);
        } else {
            self.push(end, [name, closed, own, more, status]);
        }
    }

    #[inline]
    fn push<const N: usize>(&self, end: &End<'_>, parts: [&[u8]; N]) {
        let state = self.carried.tracestate();
        let Some(lane) = &self.common.shared().lane else {
            return;
        };
        lane.push_written(&self.common.tracer.scope, |out| {
            let (context, began) = (&self.context, &self.began);
            let fixed = Fixed {
                trace_id: context.trace_id().to_bytes(),
                span_id: context.span_id().to_bytes(),
                parent_id: began.parent,
                kind: 2,
                start_ns: began.start_ns,
                end_ns: began.start_ns + end.elapsed_ns,
                flags: proto::flags(context.trace_flags(), self.is_parent_remote),
            };
            proto::span(out, &fixed, state, parts);
        });
    }

    /// Leaves the box to the next request of this thread, if nobody else has it; nothing of this
    /// one stays behind.
    #[inline]
    pub(super) fn give_back(mut this: Arc<Self>) {
        let Some(span) = Arc::get_mut(&mut this) else {
            return;
        };
        span.carried.clear();
        span.own.clear();
        if *span.has_extras.get_mut() {
            span.forget_extras();
        }
        if span.own.capacity() > ROOM {
            return;
        }
        let _ = BOXES.try_with(|boxes| {
            if let Ok(mut boxes) = boxes.try_borrow_mut()
                && boxes.len() < SPARE
            {
                boxes.push(this);
            }
        });
    }

    #[cold]
    fn forget_extras(&mut self) {
        self.extras = Mutex::default();
        self.has_extras = AtomicBool::new(false);
    }
}
