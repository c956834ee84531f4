//! The way back from a context to the text that its span carries.
//!
//! A span in a [`Context`] is a boxed trait object that nobody can look behind, and a value beside
//! it costs three allocations a request. So a span of ours carries the text itself and is asked
//! for it through `is_recording`, the one method that changes nothing in spans of others: the
//! question is put into a thread-local first, and a span that knows of it answers.

use std::cell::{Cell, RefCell};

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

use crate::Carried;

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
    static ANSWER: RefCell<Option<Carried>> = const { RefCell::new(None) };
}

/// Whether a span is being asked on this thread, for its `is_recording` to look at.
#[inline]
pub fn asked() -> bool {
    ASKED.get()
}

/// The answer of a span that carries something.
#[cold]
pub fn answer(carried: &Carried) {
    ANSWER.set(Some(carried.clone()));
}

/// Asks the current span of `context`.
pub(crate) fn ask(context: &Context) -> Option<Carried> {
    if !context.has_active_span() {
        return None;
    }
    ASKED.set(true);
    let _ = context.span().is_recording();
    ASKED.set(false);
    ANSWER.take()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::borrow::Cow;
    use std::time::SystemTime;

    use opentelemetry::KeyValue;
    use opentelemetry::trace::{Span, SpanContext, Status};

    use super::*;
    use crate::Baggage;

    /// A span that carries baggage, and nothing else.
    struct Bearer(Carried);

    impl Span for Bearer {
        fn add_event_with_timestamp<T>(&mut self, _: T, _: SystemTime, _: Vec<KeyValue>)
        where
            T: Into<Cow<'static, str>>,
        {
        }

        fn span_context(&self) -> &SpanContext {
            &SpanContext::NONE
        }

        fn is_recording(&self) -> bool {
            if asked() {
                answer(&self.0);
            }
            true
        }

        fn set_attribute(&mut self, _: KeyValue) {}

        fn set_status(&mut self, _: Status) {}

        fn update_name<T: Into<Cow<'static, str>>>(&mut self, _: T) {}

        fn add_link(&mut self, _: SpanContext, _: Vec<KeyValue>) {}

        fn end_with_timestamp(&mut self, _: SystemTime) {}
    }

    fn carrying(plan: &str) -> Carried {
        Carried {
            baggage: Baggage::default().with("plan", plan).unwrap(),
            ..Carried::default()
        }
    }

    #[test]
    fn a_span_answers_for_what_it_carries_until_a_value_stands_beside_it() {
        let context = Context::new().with_span(Bearer(carrying("pro")));
        assert_eq!(Carried::of(&context), Some(carrying("pro")));
        assert_eq!(Baggage::of(&context).get("plan").as_deref(), Some("pro"));
        let changed = Baggage::default().with("plan", "free").unwrap();
        let context = changed.into_context(&context);
        assert_eq!(Baggage::of(&context).get("plan").as_deref(), Some("free"));
    }

    #[test]
    fn who_carries_nothing_or_knows_no_question_answers_nothing() {
        let empty = Context::new().with_span(Bearer(Carried::default()));
        assert_eq!(Carried::of(&empty), None);
        let remote = Context::new().with_remote_span_context(SpanContext::NONE);
        assert_eq!(Carried::of(&remote), None);
        assert!(!asked());
    }
}
