//! One beginning, one end.

use std::fmt;
use std::time::Duration;

use opentelemetry::{Context, KeyValue};

use crate::{AccessLog, End, Handle, Head, Outcome, Phase, Route, Sizes, Started, Tick};

/// Whom an exchange belongs to: a [`Handle`], or whatever shares one, so that an exchange counts
/// one reference and not several.
pub trait Owner: fmt::Debug {
    /// The pipeline to report to.
    fn recorder(&self) -> &Handle;

    /// Whether an end is told in the log. Default: it is not.
    fn access_log(&self) -> AccessLog {
        AccessLog::Off
    }
}

impl Owner for Handle {
    fn recorder(&self) -> &Handle {
        self
    }
}

/// An exchange under way.
///
/// It moves from the response future into the response body. Whoever sees the end says how it
/// was; a drop before that is reported as a panic while the thread unwinds, else as
/// [`Outcome::ClientGone`].
#[derive(Debug)]
pub struct Exchange<O: Owner = Handle> {
    owner: O,
    started: Started,
    clock: Tick,
    route: &'static Route,
    status: Option<u16>,
    ended: bool,
    more: Option<Box<More>>,
}

/// What most exchanges have nothing of.
#[derive(Debug, Default)]
struct More {
    sizes: Sizes,
    failure: Option<&'static str>,
    attributes: Vec<KeyValue>,
}

impl<O: Owner> Exchange<O> {
    /// Begins an exchange.
    #[inline]
    pub fn begin(owner: &O, head: &Head<'_>) -> Self
    where
        O: Clone,
    {
        let (clock, route) = (head.clock, head.route);
        Self {
            started: owner.recorder().start(head),
            owner: owner.clone(),
            clock,
            route,
            status: None,
            ended: false,
            more: None,
        }
    }

    /// The context to run the request in.
    #[inline]
    pub fn context(&self) -> &Context {
        &self.started.context
    }

    /// Adds a value to the context that the request runs in.
    pub fn add_to_context<T: Send + Sync + 'static>(&mut self, value: T) {
        self.started.context = self.started.context.with_value(value);
    }

    /// Whom it belongs to.
    #[inline]
    pub fn owner(&self) -> &O {
        &self.owner
    }

    /// The kind of request.
    #[inline]
    pub fn route(&self) -> &'static Route {
        self.route
    }

    /// The response's status code, once the head has passed.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// How long it has been under way.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(Tick::now().nanos_since(self.clock))
    }

    /// Names the route better than was possible at the start.
    #[inline]
    pub fn set_route(&mut self, route: &'static Route) {
        self.route = route;
    }

    /// Notes that the response head has passed.
    #[inline]
    pub fn head(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// Notes that the exchange failed although it may complete: the value of `error.type`.
    pub fn fail(&mut self, class: &'static str) {
        self.more.get_or_insert_default().failure = Some(class);
    }

    /// The body sizes to report; counted by whoever sees the bytes.
    pub fn set_sizes(&mut self, sizes: Sizes) {
        self.more.get_or_insert_default().sizes = sizes;
    }

    /// Adds attributes at the end of the span.
    pub fn add_attributes(&mut self, attributes: impl IntoIterator<Item = KeyValue>) {
        let mut attributes = attributes.into_iter().peekable();
        if attributes.peek().is_some() {
            let more = self.more.get_or_insert_default();
            more.attributes.extend(attributes);
        }
    }

    /// Whether the end has been reported.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Ends the exchange. Later calls, and the drop, do nothing.
    #[inline]
    pub fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let more = self.more.as_deref();
        let end = End {
            status: self.status,
            outcome,
            phase: if self.status.is_some() {
                Phase::Body
            } else {
                Phase::Head
            },
            elapsed_ns: Tick::now().nanos_since(self.clock),
            route: self.route,
            sizes: more.map_or_else(Sizes::default, |more| more.sizes),
            failure: more.and_then(|more| more.failure),
            attributes: more.map_or(&[], |more| &more.attributes),
        };
        let access_log = self.owner.access_log();
        access_log.tell(&self.started.context, &end);
        self.owner.recorder().end(&self.started, &end);
    }

    /// Ends it before its time: whoever was to see the end has dropped it.
    #[cold]
    fn cut(&mut self) {
        let panicking = std::thread::panicking();
        self.end(if panicking {
            Outcome::Panic
        } else {
            Outcome::ClientGone
        });
    }
}

impl<O: Owner> Drop for Exchange<O> {
    #[inline]
    fn drop(&mut self) {
        if !self.ended {
            self.cut();
        }
    }
}
