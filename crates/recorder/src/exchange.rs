//! One beginning, one end.

use std::time::Instant;

use opentelemetry::Context;

use crate::{End, Handle, Head, Outcome, Phase, Route, Started};

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
    ended: bool,
}

impl Exchange {
    /// Begins an exchange.
    pub fn begin(recorder: &Handle, head: Head<'_>) -> Self {
        let clock = Instant::now();
        let route = head.route;
        let started = recorder.start(head);
        Self {
            recorder: recorder.clone(),
            started,
            clock,
            route,
            status: None,
            ended: false,
        }
    }

    /// The context to run the request in.
    pub fn context(&self) -> &Context {
        &self.started.context
    }

    /// The pipeline it reports to.
    pub fn recorder(&self) -> &Handle {
        &self.recorder
    }

    /// The kind of request.
    pub fn route(&self) -> &'static Route {
        self.route
    }

    /// Names the route better than was possible at the start.
    pub fn set_route(&mut self, route: &'static Route) {
        self.route = route;
    }

    /// Notes that the response head has passed.
    pub fn head(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// Ends the exchange. Later calls, and the drop, do nothing.
    pub fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let phase = if self.status.is_some() {
            Phase::Body
        } else {
            Phase::Head
        };
        let (status, route, elapsed) = (self.status, self.route, self.clock.elapsed());
        self.recorder.end(
            &self.started,
            End {
                status,
                outcome,
                phase,
                elapsed,
                route,
            },
        );
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
