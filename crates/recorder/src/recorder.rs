//! What a layer tells a pipeline.

use std::any::Any;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use campanile_propagation::{Formats, Parent, Unread};
use opentelemetry::trace::SpanContext;
use opentelemetry::{Context, KeyValue};

use crate::{
    CallEnd, CallHead, End, Meter, Moment, RequestId, Route, StartedCall, Tick, authority,
};

/// Where the root span hangs.
#[derive(Clone, Debug, Default)]
pub enum Caller {
    /// Nowhere: a new trace.
    #[default]
    Unknown,
    /// Below the caller's span.
    Parent(Parent),
    /// In a new trace that links to the caller's span (public edge).
    Link(Parent),
    /// Below whatever span is current already.
    Context(Context),
}

/// What an exchange does for traces.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tracing {
    /// It has a root span.
    #[default]
    Span,
    /// It has none, and what is started inside it is not sampled: a health check.
    Suppressed,
    /// It has none, and the caller's context is passed on as it is.
    PassOn,
}

/// The beginning of an exchange: everything a sampler may see.
#[derive(Debug)]
pub struct Head<'a> {
    /// When it began.
    pub clock: Tick,
    /// Where the root span hangs.
    pub caller: Caller,
    /// What the caller sends along; not of interest when the caller is a context.
    pub carried: Unread<'a>,
    /// Whether there is a root span.
    pub tracing: Tracing,
    /// Whether there are metrics.
    pub metrics: bool,
    /// The kind of request, as far as it is known now.
    pub route: &'static Route,
    /// The raw path.
    pub path: &'a str,
    /// What the client asked for, `host[:port]`, as it was sent: see [`server`](Self::server).
    pub authority: Option<&'a [u8]>,
    /// The user-agent header, as it was sent: see [`user_agent_text`](Self::user_agent_text).
    pub user_agent: Option<&'a [u8]>,
    /// The original client.
    pub client: Option<IpAddr>,
    /// The socket peer.
    pub peer: Option<SocketAddr>,
    /// What most requests have nothing of.
    pub more: Option<&'a HeadMore<'a>>,
}

/// What most requests have nothing of.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadMore<'a> {
    /// The method as sent, when it is none of the known ones.
    pub method_original: Option<&'a str>,
    /// The query, already redacted.
    pub query: Option<&'a str>,
    /// The request's id.
    pub request_id: Option<&'a RequestId>,
    /// What the application adds to the span.
    pub attributes: &'a [KeyValue],
    /// How many baggage members were found unfit to be carried before it got here.
    pub baggage_drops: u32,
}

impl Head<'_> {
    /// The host the client asked for, without brackets and user information, and its port; neither
    /// is guessed.
    pub fn server(&self) -> (Option<&str>, Option<u16>) {
        self.authority.map_or((None, None), authority::split)
    }

    /// The user agent, when it is text.
    pub fn user_agent_text(&self) -> Option<&str> {
        std::str::from_utf8(self.user_agent?).ok()
    }

    /// What most requests have nothing of.
    pub fn more(&self) -> HeadMore<'_> {
        self.more.copied().unwrap_or_default()
    }
}

/// An exchange that began.
#[derive(Clone, Debug)]
pub struct Started {
    /// What only its pipeline understands. It goes before the context does.
    pub own: Option<Arc<dyn Any + Send + Sync>>,
    /// The context to run the request in: its root span is current.
    pub context: Context,
    /// When it began, in nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// The kind of request, as far as it was known then.
    pub route: &'static Route,
    /// Whether a span is to be ended.
    pub has_span: bool,
    /// Whether there are metrics.
    pub has_metrics: bool,
}

/// A pipeline, as the layers see it.
///
/// Implementations neither block nor panic, and never report an error to the caller.
pub trait Recorder: fmt::Debug + Send + Sync + 'static {
    /// Begins an exchange: its root span, and one more active request.
    fn start(&self, head: &Head<'_>) -> Started;

    /// Ends an exchange: its span, one duration, one active request less. Called exactly once.
    fn end(&self, started: &Started, end: &End<'_>);

    /// Begins an outgoing request: its client span, and one more active request if asked for.
    ///
    /// Default: nothing is recorded, and the context it is made in goes out.
    fn start_call(&self, head: CallHead<'_>) -> StartedCall {
        StartedCall::now(&head, head.context.clone())
    }

    /// Ends an outgoing request: its span and one duration. Called exactly once.
    ///
    /// Default: nothing is recorded.
    fn end_call(&self, started: &StartedCall, end: CallEnd) {
        let _ = (started, end);
    }

    /// Records a short span for something that has already happened.
    fn moment(&self, moment: Moment<'_>) -> SpanContext;

    /// The instruments of the pipeline.
    fn meter(&self) -> &dyn Meter;

    /// The formats in which context is read from requests and written to them.
    fn formats(&self) -> Formats {
        Formats::default()
    }
}

/// A shared [`Recorder`].
#[derive(Clone)]
pub struct Handle(Arc<dyn Recorder>);

impl Handle {
    /// Shares `recorder`.
    pub fn new(recorder: impl Recorder) -> Self {
        Self(Arc::new(recorder))
    }

    /// Whether both share one recorder.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::ops::Deref for Handle {
    type Target = dyn Recorder;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that has a [`Recorder`] to hand over: a telemetry bootstrap, or a handle itself.
pub trait Source {
    /// The recorder to report to.
    fn recorder(&self) -> Handle;
}

impl Source for Handle {
    fn recorder(&self) -> Handle {
        self.clone()
    }
}
