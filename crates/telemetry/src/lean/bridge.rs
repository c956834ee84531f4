//! From `tracing` to OTLP without a detour: spans below a request, and log records.
//!
//! `tracing-opentelemetry` builds a list of attributes, a builder and a lock for each span, and does
//! all of it below a parent that is not kept. [`Bridge`] writes fields as protobuf when they are
//! seen, keeps one context for each span, and makes nothing below an unsampled parent.
//! [`Records`] does the same for events, in place of the stock appender.

mod allowed;
mod child;
mod fields;
mod records;
mod sites;
mod table;
mod text;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::trace::{SpanBuilder, Status, TraceContextExt, Tracer as _};
use opentelemetry::{Context, ContextGuard};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer};

use self::child::Child;
use self::fields::{Said, Site, Writer};
pub(crate) use self::records::Records;
use self::sites::Sites;
use self::table::{Held, Made, Table};
use super::Tracer;

/// Which targets are exported.
pub(crate) type IsWanted = fn(&str) -> bool;

/// Tells layers apart that a thread works for.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What all spans of a bridge share.
struct Home {
    number: u64,
    tracer: Tracer,
    is_wanted: IsWanted,
}

/// Makes OpenTelemetry spans of `tracing` spans, and makes them current while they are entered.
pub(crate) struct Bridge {
    home: Arc<Home>,
    has_events: bool,
    spans: Table,
}

thread_local! {
    static SITES: RefCell<Sites<Site>> = const { RefCell::new(Sites::new()) };
    static ENTERED: RefCell<Vec<(u64, u64, ContextGuard)>> = const { RefCell::new(Vec::new()) };
}

impl Bridge {
    pub(crate) fn new(tracer: Tracer, is_wanted: IsWanted) -> Self {
        Self {
            home: Arc::new(Home {
                number: next_number(),
                tracer,
                is_wanted,
            }),
            has_events: false,
            spans: Table::default(),
        }
    }

    /// Whether events are events of their spans, too, and failed ones the spans' errors.
    pub(crate) fn with_events(mut self, yes: bool) -> Self {
        self.has_events = yes;
        self
    }

    /// The OpenTelemetry context of a `tracing` span, if a bridge is there and knows it.
    pub(crate) fn context(id: &Id, subscriber: &Dispatch) -> Option<Context> {
        subscriber.downcast_ref::<Self>()?.spans.context(id)
    }

    /// What a span becomes that belongs into this context.
    fn begin(&self, parent: Context, site: &Site, attributes: &Attributes<'_>) -> Held {
        let is_child = {
            let span = parent.span();
            let above = span.span_context();
            if parent.is_telemetry_suppressed() {
                None
            } else if !is_local(above) {
                Some(None)
            } else if above.is_sampled() {
                Some(Some(Child::start(&self.home, &parent, above)))
            } else {
                None
            }
        };
        let shared = &self.home.tracer.shared;
        match is_child {
            None => Held {
                context: parent,
                made: Made::Nothing,
            },
            Some(Some(mut child)) => {
                if let Some(live) = child.live() {
                    live.name.extend_from_slice(&site.name);
                    attributes.record(&mut Writer {
                        live,
                        site,
                        values: &shared.values,
                        most: shared.limits.max_attributes_per_span,
                    });
                }
                Held {
                    context: parent.with_span(child),
                    made: Made::Child,
                }
            }
            Some(None) => {
                let mut said = Said::default();
                attributes.record(&mut said);
                let name = attributes.metadata().name();
                let (builder, status) = said.begin(SpanBuilder::from_name(name));
                let tracer = &self.home.tracer;
                let context = parent.with_span(tracer.build_with_context(builder, &parent));
                context.span().set_status(status);
                Held {
                    context,
                    made: Made::Entry,
                }
            }
        }
    }

    /// The context of an event, where it belongs to a span.
    fn context_of_event(&self, event: &Event<'_>) -> Option<Context> {
        match event.parent() {
            Some(id) => self.spans.context(id),
            None => event.is_contextual().then(Context::current),
        }
    }
}

/// Whether a span is one of this process.
fn is_local(span: &opentelemetry::trace::SpanContext) -> bool {
    span.is_valid() && !span.is_remote()
}

impl<S: Subscriber> Layer<S> for Bridge {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: layer::Context<'_, S>) {
        let metadata = attributes.metadata();
        let site = SITES
            .try_with(|sites| {
                let work_out = || Site::new(&self.home, metadata);
                let mut sites = sites.try_borrow_mut().ok()?;
                Some(sites.find(self.home.number, metadata, work_out))
            })
            .ok()
            .flatten()
            .unwrap_or_else(|| Site::new(&self.home, metadata).into());
        if !site.is_wanted {
            return;
        }
        let parent = match attributes.parent() {
            Some(parent) => self.spans.context(parent).unwrap_or_default(),
            None if attributes.is_contextual() => Context::current(),
            None => Context::new(),
        };
        self.spans.insert(id, self.begin(parent, &site, attributes));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: layer::Context<'_, S>) {
        let Some(held) = self.spans.get(id) else {
            return;
        };
        if held.made != Made::Nothing {
            let mut said = Said::default();
            values.record(&mut said);
            said.add_to(&held.context.span(), held.made == Made::Child);
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, _: layer::Context<'_, S>) {
        let (Some(held), Some(followed)) = (self.spans.get(id), self.spans.get(follows)) else {
            return;
        };
        if held.made != Made::Nothing && followed.made != Made::Nothing {
            let link = followed.context.span().span_context().clone();
            held.context.span().add_link(link, Vec::new());
        }
    }

    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        let metadata = event.metadata();
        if !self.has_events || !(self.home.is_wanted)(metadata.target()) {
            return;
        }
        let Some(context) = self.context_of_event(event) else {
            return;
        };
        let span = context.span();
        if !span.is_recording() {
            return;
        }
        let said = fields::EventFields::of(event);
        if *metadata.level() == Level::ERROR {
            span.set_status(Status::error(said.error.unwrap_or_default()));
        }
        span.add_event(said.name, said.attributes);
    }

    fn on_enter(&self, id: &Id, _: layer::Context<'_, S>) {
        if let Some(context) = self.spans.context(id) {
            let guard = context.attach();
            let entered = (self.home.number, id.into_u64(), guard);
            let _ = ENTERED.try_with(|all| all.borrow_mut().push(entered));
        }
    }

    fn on_exit(&self, id: &Id, _: layer::Context<'_, S>) {
        let guard = ENTERED.try_with(|all| {
            let mut all = all.borrow_mut();
            let is_it = |(number, entered, _): &mut (u64, u64, _)| {
                (*number, *entered) == (self.home.number, id.into_u64())
            };
            // nearly always the one that was entered last
            if let Some(last) = all.pop_if(is_it) {
                return Some(last);
            }
            let found = all.iter_mut().rposition(is_it)?;
            Some(all.remove(found))
        });
        // outside the borrow: what is dropped may be the last hold on a span
        drop(guard);
    }

    fn on_close(&self, id: Id, _: layer::Context<'_, S>) {
        let Some(held) = self.spans.remove(&id) else {
            return;
        };
        if held.made != Made::Nothing {
            held.context.span().end();
        }
    }
}
