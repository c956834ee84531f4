//! What a context holds of the span of a request.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use campanile_propagation::bearer;
use campanile_recorder::{End, Outcome, Phase, Sizes};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, Span, SpanContext, Status};

use super::extras;
use super::span::ServerSpan;

/// What a context holds.
pub(super) struct Handle {
    span: Option<Arc<ServerSpan>>,
    /// The API boxes a handle. In glibc's cache of free memory seven blocks of up to 24 bytes have
    /// room, and a request's headers fill them; one more would have all that is free be put in
    /// order, for 400 instructions. So it takes more than it needs.
    _room: [usize; 3],
}

impl Handle {
    #[inline]
    pub(super) fn new(span: Arc<ServerSpan>) -> Self {
        Self {
            span: Some(span),
            _room: [0; 3],
        }
    }
}

impl ServerSpan {
    /// How it ends when nobody said how.
    #[cold]
    fn finish_unasked(&self, at: SystemTime) {
        let began = self.began();
        self.finish(&End {
            route: began.route,
            status: None,
            outcome: Outcome::ClientGone,
            phase: Phase::Head,
            failure: None,
            sizes: Sizes::default(),
            attributes: &[],
            elapsed_ns: extras::nanos(at).saturating_sub(began.start_ns),
        });
    }
}

impl Span for Handle {
    fn add_event_with_timestamp<T>(&mut self, name: T, at: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Some(span) = &self.span {
            let event = || Event::new(name, at, attributes, 0);
            span.tell(|extras, limits| extras.event(event(), limits));
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
        span.is_recording()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        if let Some(span) = &self.span {
            span.tell(|extras, limits| extras.attribute(attribute, limits));
        }
    }

    fn set_status(&mut self, status: Status) {
        if let Some(span) = &self.span {
            span.tell(|extras, _| extras.set_status(status));
        }
    }

    fn update_name<T: Into<Cow<'static, str>>>(&mut self, name: T) {
        if let Some(span) = &self.span {
            span.tell(|extras, _| extras.name = Some(name.into()));
        }
    }

    fn add_link(&mut self, context: SpanContext, attributes: Vec<KeyValue>) {
        if let Some(span) = &self.span {
            span.tell(|extras, limits| extras.link(context, attributes, limits));
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
        let Some(span) = self.span.take() else { return };
        if !span.has_ended() {
            span.finish_unasked(SystemTime::now());
        }
        ServerSpan::give_back(span);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerSpan")
            .field(self.span_context())
            .finish()
    }
}
