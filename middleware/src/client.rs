//! The paved path for clients: one span and one duration for each attempt on the wire.
//!
//! [`ClientLayer`] wraps whatever sends a request: the clients of hyper-util, a tonic channel and,
//! with the feature `reqwest`, a `reqwest::Client`. It opens a client span below the span that is
//! current, writes the trace context into the request, and ends the span when the head of the
//! response is there; the body is not watched. A response future that is dropped was cancelled on
//! purpose: that is no error.

mod attempts;
mod classify;
mod future;
mod message;
#[cfg(feature = "reqwest")]
mod reqwest;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use campanile_propagation::{Carried, Formats};
use campanile_recorder::{Call, CallHead, Handle, Method, Source, Stock, Target};
use campanile_redaction::redact_url;
use http::{HeaderMap, Uri};
use opentelemetry::trace::TraceContextExt;
use tower_layer::Layer;
use tower_service::Service;

pub use self::attempts::{Attempts, AttemptsLayer, CountAttempts};
pub use self::classify::{ByChain, ByRule, Classify};
pub use self::future::ResponseFuture;
pub use self::message::{Destination, OutgoingRequest, ReceivedResponse};

/// Applies [`Client`] to a service.
///
/// ```
/// use campanile_http::ClientLayer;
///
/// // `from_global()` uses whatever OpenTelemetry provider is installed; a telemetry bootstrap is
/// // handed over by `ClientLayer::new(&telemetry)`.
/// let layer = ClientLayer::from_global().allow_query("page").active_requests();
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct ClientLayer<C = ByChain> {
    recorder: Handle,
    settings: Arc<Settings>,
    classify: C,
}

#[derive(Clone, Default)]
struct Settings {
    allowed_query: Vec<&'static str>,
    origin: Option<Uri>,
    active_requests: bool,
    body_sizes: bool,
}

impl ClientLayer {
    /// Creates a layer that reports to `source`.
    pub fn new(source: &impl Source) -> Self {
        Self::of(source.recorder())
    }

    /// Creates a layer that reports to the global OpenTelemetry providers, as they are now.
    pub fn from_global() -> Self {
        Self::of(Handle::new(Stock::from_global()))
    }

    fn of(recorder: Handle) -> Self {
        Self {
            recorder,
            settings: Arc::default(),
            classify: ByChain,
        }
    }
}

impl<C> ClientLayer<C> {
    /// Lets the values of this query key leave in `url.full`. Default: keys leave, values are
    /// `REDACTED`.
    pub fn allow_query(self, key: &'static str) -> Self {
        self.set(|settings| settings.allowed_query.push(key))
    }

    /// Says where requests go that do not tell themselves, such as those on their way to a tonic
    /// channel. What a request says has precedence.
    pub fn origin(self, origin: Uri) -> Self {
        self.set(|settings| settings.origin = Some(origin))
    }

    /// Counts requests under way in `http.client.active_requests`. Default: not counted.
    pub fn active_requests(self) -> Self {
        self.set(|settings| settings.active_requests = true)
    }

    /// Records `http.client.request.body.size` and `http.client.response.body.size`. Default: not
    /// recorded.
    ///
    /// A size is known when the body says it before its first byte, as those with a
    /// `content-length` do; a streamed body gives no sample.
    pub fn body_sizes(self) -> Self {
        self.set(|settings| settings.body_sizes = true)
    }

    /// Names the fault behind an error by a rule of one's own.
    ///
    /// Default: whatever implements [`Error`](std::error::Error) is judged by its chain of causes.
    /// A boxed error does not implement it, and has to be looked into:
    ///
    /// ```
    /// use campanile_http::ClientLayer;
    /// use campanile_recorder::Fault;
    ///
    /// type BoxError = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// // what tower's own timeout, buffer and load-shed services need
    /// let layer = ClientLayer::from_global().classify(|error: &BoxError| Fault::of(&**error));
    /// # let _ = layer;
    /// ```
    pub fn classify<F>(self, rule: F) -> ClientLayer<ByRule<F>> {
        ClientLayer {
            recorder: self.recorder,
            settings: self.settings,
            classify: ByRule(rule),
        }
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Begins the call, and writes its context into `request`.
    fn begin<Q: OutgoingRequest>(&self, request: &mut Q) -> Call {
        let settings = &*self.settings;
        let method = Method::new(request.method().as_str());
        let destination = request.destination(settings.origin.as_ref());
        let (address, port) = (destination.address(), destination.port());
        let url = destination
            .url()
            .map(|url| redact_url(url, &settings.allowed_query));
        let head = CallHead {
            context: opentelemetry::Context::current(),
            method,
            method_original: method.is_other().then(|| request.method().as_str()),
            url: url.as_deref(),
            server_address: address,
            server_port: port,
            target: address.map_or_else(Target::other, |address| Target::find(address, port)),
            resend_count: request.attempts().map_or(0, Attempts::next),
            counts_active: settings.active_requests,
        };
        let mut call = Call::begin(&self.recorder, head);
        if settings.body_sizes {
            call.sizes_mut().request = request.body_size();
        }
        write(
            call.context(),
            request.headers_mut(),
            self.recorder.formats(),
        );
        call
    }
}

/// Writes the context into the headers. Where telemetry is off and there is nothing to say,
/// whatever the application wrote itself stays.
fn write(context: &opentelemetry::Context, headers: &mut HeaderMap, formats: Formats) {
    if context.span().span_context().is_valid() || Carried::of(context).is_some() {
        formats.inject(context, headers);
    }
}

impl<C> fmt::Debug for ClientLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings {
            allowed_query,
            origin,
            active_requests,
            body_sizes,
        } = &*self.settings;
        f.debug_struct("ClientLayer")
            .field("recorder", &self.recorder)
            .field("allowed_query", allowed_query)
            .field("origin", origin)
            .field("active_requests", active_requests)
            .field("body_sizes", body_sizes)
            .finish_non_exhaustive()
    }
}

impl<S, C: Clone> Layer<S> for ClientLayer<C> {
    type Service = Client<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = self.clone();
        Client { inner, layer }
    }
}

/// Observes every request that a service sends. See [`ClientLayer`].
#[derive(Clone, Debug)]
pub struct Client<S, C = ByChain> {
    inner: S,
    layer: ClientLayer<C>,
}

impl<S, C, Q> Service<Q> for Client<S, C>
where
    S: Service<Q, Response: ReceivedResponse>,
    C: Classify<S::Error> + Clone,
    Q: OutgoingRequest,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Q) -> Self::Future {
        let mut call = self.layer.begin(&mut request);
        let inner = future::within(&mut call, || self.inner.call(request));
        let classify = self.layer.classify.clone();
        ResponseFuture::new(inner, call, classify, self.layer.settings.body_sizes)
    }
}
