//! The paved path for servers: one layer that does all of it.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use campanile_propagation::{Formats, Trust};
use campanile_recorder::{AccessLog, Handle, Owner, Route, RouteKey, Source, Stock};
use http::{HeaderName, Request, Response, request, response};
use opentelemetry::KeyValue;
use tower_layer::Layer;
use tower_service::Service;

use crate::settings::{Observe, Role, Settings, TraceResponse};
use crate::{ResponseBody, ResponseFuture, TrustedProxies, observe};

/// Applies [`Server`] to a service.
///
/// ```
/// use campanile_http::ServerLayer;
///
/// // `from_global()` uses whatever OpenTelemetry provider is installed; a telemetry bootstrap is
/// // handed over by `ServerLayer::new(&telemetry)`.
/// let layer = ServerLayer::from_global().public_edge().request_id().allow_query("page");
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct ServerLayer(pub(crate) Shared);

/// What the layer, its services and their exchanges share: each counts one reference.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Common>);

#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) recorder: Handle,
    pub(crate) formats: Formats,
    pub(crate) settings: Settings,
    /// The route of the first request. A router makes a service for each of its routes, so that it
    /// is that of nearly all.
    usual: OnceLock<&'static Route>,
}

impl Common {
    /// The route of `key`.
    #[inline]
    pub(crate) fn route(&self, key: &RouteKey<'_>) -> &'static Route {
        match self.usual.get() {
            Some(route) if route.is(key) => route,
            usual => self.other_route(usual, key),
        }
    }

    #[cold]
    fn other_route(&self, usual: Option<&&'static Route>, key: &RouteKey<'_>) -> &'static Route {
        let route = Route::find(key);
        if usual.is_none() {
            let _ = self.usual.set(route);
        }
        route
    }
}

impl std::ops::Deref for Shared {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.0
    }
}

impl Owner for Shared {
    fn recorder(&self) -> &Handle {
        &self.recorder
    }

    fn access_log(&self) -> AccessLog {
        self.settings.access_log
    }
}

impl ServerLayer {
    /// Creates a layer that reports to `source`.
    pub fn new(source: &impl Source) -> Self {
        Self::with_role(
            source.recorder(),
            Role {
                extracts: true,
                traces: true,
                counts: true,
            },
        )
    }

    /// Creates a layer that reports to the global OpenTelemetry providers, as they are now.
    pub fn from_global() -> Self {
        Self::new(&Handle::new(Stock::from_global()))
    }

    pub(crate) fn with_role(recorder: Handle, role: Role) -> Self {
        Self(Shared(Arc::new(Common {
            formats: recorder.formats(),
            recorder,
            settings: Settings::new(role),
            usual: OnceLock::new(),
        })))
    }

    /// Treats every caller as a stranger: see [`Trust::PublicEdge`].
    pub fn public_edge(self) -> Self {
        self.trust(|_| Trust::PublicEdge)
    }

    /// Decides for each request how far its sender is believed, by the peer's address, a verified
    /// header, the path.
    ///
    /// Default: [`Trust::Continue`], as the W3C specification asks.
    pub fn trust(self, rule: impl Fn(&request::Parts) -> Trust + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.trust = Some(Arc::new(rule)))
    }

    /// Keeps these baggage members at a public edge. Default: none.
    pub fn keep_baggage(self, keys: impl IntoIterator<Item = &'static str>) -> Self {
        self.set(|settings| settings.public_baggage.extend(keys))
    }

    /// Copies these baggage members to the span, as attributes of the same name. Default: none.
    /// They are never on a metric.
    pub fn baggage_attributes(self, keys: impl IntoIterator<Item = &'static str>) -> Self {
        self.set(|settings| settings.baggage.extend(keys))
    }

    /// Believes these proxies about client, scheme and host. Default: none, so that forwarded
    /// headers are text that anyone may have sent.
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.set(|settings| settings.proxies = Some(proxies))
    }

    /// Decides for each request how much of it is observed. Default: [`Observe::All`].
    pub fn filter(self, rule: impl Fn(&request::Parts) -> Observe + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.filter = Some(Arc::new(rule)))
    }

    /// Names the route of a request where no framework does.
    ///
    /// Return a template from a closed set, never the path: each one is a series of its own.
    pub fn route(
        self,
        rule: impl Fn(&request::Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.route = Some(Arc::new(rule)))
    }

    /// Adds attributes of one's own to the start of the span, where samplers see them.
    pub fn on_request(
        self,
        hook: impl Fn(&request::Parts) -> Vec<KeyValue> + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.on_request = Some(Arc::new(hook)))
    }

    /// Adds attributes of one's own to the span when the response head passes.
    pub fn on_response(
        self,
        hook: impl Fn(&response::Parts) -> Vec<KeyValue> + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.on_response = Some(Arc::new(hook)))
    }

    /// Lets the values of this query key leave. Default: keys leave, values are `REDACTED`.
    pub fn allow_query(self, key: &'static str) -> Self {
        self.set(|settings| settings.allowed_query.push(key))
    }

    /// Redacts the values of these keys only, instead of all: for queries that hold no secrets but
    /// known ones, such as [`CONVENTIONAL_QUERY_KEYS`](crate::CONVENTIONAL_QUERY_KEYS).
    pub fn redact_query_only(self, keys: impl IntoIterator<Item = &'static str>) -> Self {
        self.set(|settings| settings.denied_query = Some(keys.into_iter().collect()))
    }

    /// Captures a request header as `http.request.header.<name>`. Default: none.
    ///
    /// A header that carries secrets is refused, with a warning.
    pub fn request_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.request_headers.add(name, false))
    }

    /// Captures a request header even if it carries secrets.
    pub fn sensitive_request_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.request_headers.add(name, true))
    }

    /// Captures a response header as `http.response.header.<name>`. Default: none.
    ///
    /// A header that carries secrets is refused, with a warning.
    pub fn response_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.response_headers.add(name, false))
    }

    /// Captures a response header even if it carries secrets.
    pub fn sensitive_response_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.response_headers.add(name, true))
    }

    /// Declares the domain that all routes inside belong to, unless a
    /// [`RouteLayer`](crate::RouteLayer) says otherwise.
    pub fn domain(self, name: &'static str) -> Self {
        self.set(|settings| settings.domain = Some(name))
    }

    /// Says that requests come over TLS, where the request itself does not tell (HTTP/1.1).
    pub fn https(self) -> Self {
        self.set(|settings| settings.https = true)
    }

    /// Gives each request an id: the caller's `x-request-id` when it is at most 64 visible ASCII
    /// characters, else a new one. It is on the span and the logs, and returns with the response.
    pub fn request_id(self) -> Self {
        self.set(|settings| settings.request_id = true)
    }

    /// Adds `rpc.*` attributes to the spans of gRPC requests.
    pub fn rpc_attributes(self) -> Self {
        self.set(|settings| settings.rpc = true)
    }

    /// Records `http.server.response.body.size`, counted as the frames pass; with a
    /// [`RequestBodyLayer`](crate::RequestBodyLayer) inside also `http.server.request.body.size`.
    pub fn body_sizes(self) -> Self {
        self.set(|settings| settings.sizes = true)
    }

    /// Tells the caller which trace its request became. Default: nothing is told.
    pub fn trace_response(self, how: TraceResponse) -> Self {
        self.set(|settings| settings.trace_response = Some(how))
    }

    /// Says which requests are told in the log when they end, each by one event
    /// (`campanile.access`, at INFO): those that failed or took a second
    /// ([`AccessLog::PROBLEMS`], the default), all, or none.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use campanile_http::{AccessLog, ServerLayer};
    ///
    /// let slow = AccessLog::slower_than(Duration::from_millis(250));
    /// let layer = ServerLayer::from_global().access_log(slow);
    /// # let _ = layer;
    /// ```
    pub fn access_log(self, which: AccessLog) -> Self {
        self.set(|settings| settings.access_log = which)
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let settings = &mut Arc::make_mut(&mut self.0.0).settings;
        change(settings);
        settings.is_asked = settings.asks();
        self
    }
}

impl fmt::Debug for ServerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ServerLayer");
        out.field("recorder", &self.recorder)
            .field("role", &self.settings.role)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let common = Common {
            usual: OnceLock::new(),
            ..Common::clone(&self.0)
        };
        Server {
            inner,
            layer: Self(Shared(Arc::new(common))),
        }
    }
}

/// Observes every exchange of a service. See [`ServerLayer`].
#[derive(Clone, Debug)]
pub struct Server<S> {
    inner: S,
    layer: ServerLayer,
}

impl<S, B, R> Service<Request<B>> for Server<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: http_body::Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut kept = self.layer.0.begin(&mut request);
        if observe::is_lazy::<S>() {
            // nothing runs yet that might panic; not to have to see to that saves moving a future
            let kept = ManuallyDrop::new(kept);
            let inner = self.inner.call(request);
            return ResponseFuture::new(inner, ManuallyDrop::into_inner(kept));
        }
        let inner = match kept.get_mut() {
            Some(watched) => observe::within(&mut watched.exchange, || self.inner.call(request)),
            None => self.inner.call(request),
        };
        ResponseFuture::new(inner, kept)
    }
}
