//! What a context holds of the span of a request.
//!
//! The handle gives the box of its span back when the last context that holds it is gone, emptied of
//! everything that belonged to the request.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use campanile_propagation::{Unread, bearer};
use campanile_recorder::{Head, Outcome, Phase};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, Span, SpanContext, Status};

use super::Common;
use super::ask::{self, Ending};
use super::extras::{self, Extras};
use super::span::{Began, ServerSpan};
use crate::sampling::Verdict;

/// What a span is begun with, besides the head of its request.
pub(super) struct Beginning {
    pub(super) context: SpanContext,
    /// All zero: there is none.
    pub(super) parent: [u8; 8],
    pub(super) is_parent_remote: bool,
    pub(super) verdict: Verdict,
    pub(super) start_ns: u64,
}

/// What a context holds.
///
/// The API boxes it. In glibc's cache of free memory seven blocks of up to 24 bytes have room, and a
/// request's headers fill them; one more would have all that is free be put in order, for 400
/// instructions. So it holds more than it would have to.
pub(super) struct Handle {
    span: Option<Box<ServerSpan>>,
    began: Began,
}

impl Handle {
    /// Begins the span of the request with this head.
    #[inline]
    pub(super) fn begin(
        common: &Arc<Common>,
        begun: Beginning,
        carried: Unread<'_>,
        head: &Head<'_>,
    ) -> Self {
        let mut span = ServerSpan::spare(common);
        span.begin(begun.context, begun.is_parent_remote, carried);
        match begun.verdict {
            Verdict::Keep(reason) => span.keep(head, reason),
            Verdict::Watch => span.watch(head),
            Verdict::Drop => {}
        }
        let began = Began {
            route: head.route,
            start_ns: begun.start_ns,
            parent: begun.parent,
        };
        Self {
            span: Some(span),
            began,
        }
    }

    /// Where to put what is told, while anything is kept.
    #[inline]
    fn extras(&mut self) -> Option<(&mut Extras, usize, &Common)> {
        self.span.as_deref_mut()?.extras(self.began.route)
    }

    /// How it ends when nobody said how.
    #[cold]
    fn finish_unasked(&self, at: SystemTime) {
        let Some(span) = &self.span else { return };
        let ending = Ending {
            route: self.began.route,
            status: None,
            outcome: Outcome::ClientGone,
            phase: Phase::Head,
            failure: None,
            took_ns: extras::nanos(at).saturating_sub(self.began.start_ns),
        };
        span.finish(&self.began, &ending);
    }
}

impl Span for Handle {
    fn add_event_with_timestamp<T>(&mut self, name: T, at: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Some((extras, _, common)) = self.extras() {
            extras.event(Event::new(name, at, attributes, 0), &common.shared().limits);
        }
    }

    fn span_context(&self) -> &SpanContext {
        match &self.span {
            Some(span) => span.context(),
            None => &SpanContext::NONE,
        }
    }

    fn is_recording(&self) -> bool {
        let Some(span) = &self.span else { return false };
        if bearer::asked() {
            bearer::answer(span.carried());
        }
        if let Some(ending) = ask::asked() {
            span.finish(&self.began, &ending);
        }
        span.is_recording()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        if let Some((extras, others, common)) = self.extras() {
            extras.attribute(attribute, others, &common.shared().limits);
        }
    }

    fn set_status(&mut self, status: Status) {
        if let Some((extras, ..)) = self.extras() {
            extras.set_status(status);
        }
    }

    fn update_name<T: Into<Cow<'static, str>>>(&mut self, name: T) {
        if let Some((extras, ..)) = self.extras() {
            extras.name = Some(name.into());
        }
    }

    fn add_link(&mut self, context: SpanContext, attributes: Vec<KeyValue>) {
        if let Some((extras, _, common)) = self.extras() {
            extras.link(context, attributes, &common.shared().limits);
        }
    }

    fn end_with_timestamp(&mut self, at: SystemTime) {
        self.finish_unasked(at);
    }
}

impl Drop for Handle {
    #[inline]
    fn drop(&mut self) {
        if let Some(span) = &self.span
            && !span.has_ended()
        {
            self.finish_unasked(SystemTime::now());
        }
        if let Some(span) = self.span.take() {
            span.give_back();
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerSpan")
            .field(self.span_context())
            .finish()
    }
}
