//! One beginning, one end.

use std::time::{Duration, Instant};

use opentelemetry::{Context, KeyValue};

use crate::{AccessLog, End, Handle, Head, Outcome, Phase, Route, Sizes, Started};

/// An exchange under way.
///
/// It moves from the response future into the response body. Whoever sees the end says how it
/// was; a drop before that is reported as a panic while the thread unwinds, else as
/// [`Outcome::ClientGone`].
#[derive(Debug)]
pub struct Exchange {
    recorder: Handle,
    started: Started,
    clock: Instant,
    route: &'static Route,
    status: Option<u16>,
    sizes: Sizes,
    failure: Option<&'static str>,
    attributes: Vec<KeyValue>,
    access_log: AccessLog,
    ended: bool,
}

impl Exchange {
    /// Begins an exchange.
    pub fn begin(recorder: &Handle, head: Head<'_>) -> Self {
        let clock = Instant::now();
        let route = head.route;
        Self {
            recorder: recorder.clone(),
            started: recorder.start(head),
            clock,
            route,
            status: None,
            sizes: Sizes::default(),
            failure: None,
            attributes: Vec::new(),
            access_log: AccessLog::Off,
            ended: false,
        }
    }

    /// The context to run the request in.
    pub fn context(&self) -> &Context {
        &self.started.context
    }

    /// Adds a value to the context that the request runs in.
    pub fn add_to_context<T: Send + Sync + 'static>(&mut self, value: T) {
        self.started.context = self.started.context.with_value(value);
    }

    /// The pipeline it reports to.
    pub fn recorder(&self) -> &Handle {
        &self.recorder
    }

    /// The kind of request.
    pub fn route(&self) -> &'static Route {
        self.route
    }

    /// The response's status code, once the head has passed.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// How long it has been under way.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Names the route better than was possible at the start.
    pub fn set_route(&mut self, route: &'static Route) {
        self.route = route;
    }

    /// Notes that the response head has passed.
    pub fn head(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// Notes that the exchange failed although it may complete: the value of `error.type`.
    pub fn fail(&mut self, class: &'static str) {
        self.failure = Some(class);
    }

    /// The body sizes to report; counted by whoever sees the bytes.
    pub fn sizes_mut(&mut self) -> &mut Sizes {
        &mut self.sizes
    }

    /// Attributes for the end of the span.
    pub fn attributes_mut(&mut self) -> &mut Vec<KeyValue> {
        &mut self.attributes
    }

    /// Says whether its end is told in the log. Default: it is not.
    pub fn set_access_log(&mut self, access_log: AccessLog) {
        self.access_log = access_log;
    }

    /// Whether the end has been reported.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Ends the exchange. Later calls, and the drop, do nothing.
    pub fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let end = End {
            status: self.status,
            outcome,
            phase: if self.status.is_some() {
                Phase::Body
            } else {
                Phase::Head
            },
            elapsed: self.clock.elapsed(),
            route: self.route,
            sizes: self.sizes,
            failure: self.failure,
            attributes: std::mem::take(&mut self.attributes),
        };
        self.access_log.tell(&self.started.context, &end);
        self.recorder.end(&self.started, end);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        self.end(if panicking {
            Outcome::Panic
        } else {
            Outcome::ClientGone
        });
    }
}
