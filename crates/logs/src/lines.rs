//! The layer: from an event to one line.

mod fields;
mod passing;
mod render;
mod scene;
mod style;
mod template;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use campanile_redaction::Redactor;
use opentelemetry::Context;
use tracing::dispatcher::WeakDispatch;
use tracing::{Dispatch, Event, Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer;
use tracing_subscriber::registry::LookupSpan;

use self::render::{Buffers, Look};
pub use self::scene::SpanContexts;
use self::scene::{OwnDomain, Passed, Scene};
pub use self::style::{Format, UnknownFormat};
use crate::Sink;

/// Writes each event as one line: JSON, unless another [`Format`] was asked for. See the
/// [crate docs](crate) for its fields.
///
/// `domain`, `request_id`, `event` and `outcome` are taken from the event's fields of these names,
/// or from attributes of the same meaning (`campanile.domain`). Without such a field `event` is the
/// name given by `name:`; domain and request id are those of the nearest enclosing `tracing` span
/// that has them, else of the exchange under way.
///
/// Secrets are taken out by [`Redactor::standard`]; in domains that it limits (`auth`,
/// `moderation`) only fields on its list are written.
///
/// ```
/// use campanile_logs::{Lines, Sink};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let (sink, captured) = Sink::captured();
/// let lines = Lines::new("shop", sink).with_span_fields(["room"]);
/// tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
///     let _span = tracing::info_span!("visit", room = 7, email = "a@example.com").entered();
///     tracing::info!(password = "hunter2", "signed in");
/// });
///
/// let line: serde_json::Value = serde_json::from_str(&captured.text()).unwrap();
/// assert_eq!(line["room"], 7);
/// assert_eq!(line["password"], "REDACTED");
/// assert!(line.get("email").is_none());
/// ```
#[derive(Debug)]
pub struct Lines {
    /// Tells layers apart that a thread writes lines for.
    number: u64,
    look: Look,
    sink: Sink,
    redactor: Redactor,
    /// Fields of spans that are written.
    span_fields: Vec<String>,
    span_contexts: Option<SpanContexts>,
    looks_up_always: bool,
    /// Some span passes something on; until then spans need not be visited.
    has_passed: AtomicBool,
    subscriber: OnceLock<WeakDispatch>,
}

impl Lines {
    /// Writes JSON lines of the service of this name to `sink`.
    pub fn new(service: &str, sink: Sink) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let look = Look::new(service);
        look.introduce(&sink);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            look,
            sink,
            redactor: Redactor::standard(),
            span_fields: Vec::new(),
            span_contexts: None,
            looks_up_always: false,
            has_passed: AtomicBool::new(false),
            subscriber: OnceLock::new(),
        }
    }

    /// Says how lines look (default: JSON). Readable ones are coloured when standard error is a
    /// terminal and `NO_COLOR` is not set.
    pub fn with_format(mut self, format: Format) -> Self {
        let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        self.look.format = format;
        self.look.is_coloured =
            is_wanted && self.sink.is_stderr() && std::io::stderr().is_terminal();
        self.look.introduce(&self.sink);
        self
    }

    /// Says whether readable lines are coloured; after [`with_format`](Self::with_format).
    pub fn with_colour(mut self, yes: bool) -> Self {
        self.look.is_coloured = yes;
        self
    }

    /// Says what takes the secrets out (default: [`Redactor::standard`]).
    pub fn with_redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Names the fields of `tracing` spans that are written on each line inside them (default:
    /// none). The innermost span's value stands; an event's own field of that name wins.
    pub fn with_span_fields<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.span_fields = names.into_iter().map(Into::into).collect();
        self
    }

    /// Says how the OpenTelemetry context of a `tracing` span is found, for events that name their
    /// span (`parent: &span`) instead of being inside it.
    ///
    /// The ids of all other lines are those of the current OpenTelemetry context, without any
    /// look-up: a trace bridge keeps that up to date as spans are entered.
    pub fn with_span_contexts(mut self, find: SpanContexts) -> Self {
        self.span_contexts = Some(find);
        self
    }

    /// Asks what [`with_span_contexts`](Self::with_span_contexts) said for every event inside a
    /// span: for a trace bridge that does not make an entered span the current context
    /// (`tracing_opentelemetry` with its context activation switched off).
    pub fn with_look_up_always(mut self) -> Self {
        self.looks_up_always = true;
        self
    }

    fn scene<S>(&self, event: &Event<'_>, cx: &layer::Context<'_, S>) -> Scene
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut scene = Scene::default();
        if self.has_passed.load(Ordering::Relaxed) {
            for span in cx.event_scope(event).into_iter().flatten() {
                if let Some(passed) = span.extensions().get::<Passed>() {
                    scene.take(passed, &self.span_fields);
                }
            }
        }
        // An event that says that it has no parent belongs to no trace and no exchange.
        if event.is_root() {
            return scene;
        }
        match self.context_of_span(event, cx) {
            Some(context) => {
                scene.read(&context);
                let here = Context::map_current(|here| {
                    let mut current = Scene::default();
                    current.read(here);
                    current.span.map(|ids| ids.trace)
                });
                // The thread may be busy with another exchange.
                if here == scene.span.map(|ids| ids.trace) {
                    scene.read_route();
                }
            }
            None => {
                Context::map_current(|context| scene.read(context));
                scene.read_route();
            }
        }
        scene
    }

    /// The context of the event's span, where it is not the current one anyway.
    fn context_of_span<S>(&self, event: &Event<'_>, cx: &layer::Context<'_, S>) -> Option<Context>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if event.is_contextual() && !self.looks_up_always {
            return None;
        }
        let find = self.span_contexts?;
        let subscriber = self.subscriber.get()?.upgrade()?;
        let id = match event.parent() {
            Some(id) => id.clone(),
            None => cx.lookup_current()?.id(),
        };
        find(&id, &subscriber)
    }

    fn write(&self, event: &Event<'_>, scene: &Scene, buffers: &mut Buffers) {
        let metadata = event.metadata();
        let (format, redactor) = (self.look.format, &self.redactor);
        let template = buffers
            .templates
            .find(self.number, format, redactor, metadata);
        let mut own_domain = OwnDomain::default();
        if template.has_domain {
            event.record(&mut own_domain);
        }
        let domain = own_domain
            .0
            .as_deref()
            .or(scene.domain.as_ref().map(scene::Domain::as_str));
        self.look
            .render(buffers, event, &template, scene, domain, redactor);
        self.sink.write_line(&buffers.line);
        if cfg!(debug_assertions) {
            self.tell_dropped();
        }
    }

    /// Says once, in debug builds, which field did not leave which domain.
    fn tell_dropped(&self) {
        for (domain, name) in self.redactor.take_dropped() {
            let text = format!(
                "the field \"{name}\" is not on the list of the domain \"{domain}\" and was left out: name it with Redactor::builder().allow(..)"
            );
            self.sink.write_line(&self.look.own_line(None, &text, &[]));
        }
    }
}

impl<S> Layer<S> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        let _ = self.subscriber.set(subscriber.downgrade());
    }

    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        cx: layer::Context<'_, S>,
    ) {
        let metadata = attributes.metadata();
        if !passing::is_any(self.number, metadata, &self.span_fields) {
            return;
        }
        let Some(passed) = Passed::of(&self.span_fields, |visit| attributes.record(visit)) else {
            return;
        };
        self.pass(id, passed, &cx);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, cx: layer::Context<'_, S>) {
        let Some(passed) = Passed::of(&self.span_fields, |visit| values.record(visit)) else {
            return;
        };
        self.pass(id, passed, &cx);
    }

    fn on_event(&self, event: &Event<'_>, cx: layer::Context<'_, S>) {
        thread_local! {
            static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers::default());
        }
        let scene = self.scene(event, &cx);
        let written = BUFFERS.try_with(|buffers| {
            // A `Debug` or `Display` that logs gets here while the buffers are in use.
            let Ok(mut buffers) = buffers.try_borrow_mut() else {
                return false;
            };
            self.write(event, &scene, &mut buffers);
            buffers.recycle();
            true
        });
        // Neither is there anything to reuse on a thread that ends.
        if !written.unwrap_or(false) {
            self.write(event, &scene, &mut Buffers::default());
        }
    }
}

impl Lines {
    fn pass<S>(&self, id: &span::Id, passed: Passed, cx: &layer::Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(span) = cx.span(id) else {
            return;
        };
        self.has_passed.store(true, Ordering::Relaxed);
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<Passed>() {
            Some(old) => old.update(passed),
            None => extensions.insert(passed),
        }
    }
}
