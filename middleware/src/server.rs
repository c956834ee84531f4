//! The paved path for servers: one layer that does all of it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use campanile_propagation::{Extracted, Trust, extract};
use campanile_recorder::{Exchange, Handle, Head, Route, Seed, Source, Stock};
use campanile_redaction::redact_query;
use http::request::Parts;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::{ResponseBody, ResponseFuture, head};

type TrustRule = dyn Fn(&Parts) -> Trust + Send + Sync;

/// Applies [`Server`] to a service.
///
/// ```
/// use campanile_http::ServerLayer;
///
/// // `from_global()` uses whatever OpenTelemetry provider is installed; a telemetry bootstrap is
/// // handed over by `ServerLayer::new(&telemetry)`.
/// let layer = ServerLayer::from_global().public_edge().allow_query("page");
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct ServerLayer {
    recorder: Handle,
    settings: Arc<Settings>,
}

#[derive(Clone, Default)]
struct Settings {
    trust: Option<Arc<TrustRule>>,
    allowed_query: Vec<&'static str>,
    domain: Option<&'static str>,
    https: bool,
}

impl ServerLayer {
    /// Creates a layer that reports to `source`.
    pub fn new(source: &impl Source) -> Self {
        Self {
            recorder: source.recorder(),
            settings: Arc::default(),
        }
    }

    /// Creates a layer that reports to the global OpenTelemetry providers, as they are now.
    pub fn from_global() -> Self {
        Self {
            recorder: Handle::new(Stock::from_global()),
            settings: Arc::default(),
        }
    }

    /// Treats every caller as a stranger: see [`Trust::PublicEdge`].
    pub fn public_edge(self) -> Self {
        self.trust(|_| Trust::PublicEdge)
    }

    /// Decides for each request how far its sender is believed.
    ///
    /// Default: [`Trust::Continue`], as the W3C specification asks.
    pub fn trust(self, rule: impl Fn(&Parts) -> Trust + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.trust = Some(Arc::new(rule)))
    }

    /// Lets the values of this query key leave. Default: keys leave, values are `REDACTED`.
    pub fn allow_query(self, key: &'static str) -> Self {
        self.set(|settings| settings.allowed_query.push(key))
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

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl fmt::Debug for ServerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings {
            allowed_query,
            domain,
            https,
            ..
        } = &*self.settings;
        let mut out = f.debug_struct("ServerLayer");
        out.field("recorder", &self.recorder)
            .field("allowed_query", allowed_query);
        out.field("domain", domain)
            .field("https", https)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Server {
            inner,
            layer: self.clone(),
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut exchange, mut request) = self.layer.begin(request);
        if head::asks_for_upgrade(&request) {
            request.extensions_mut().insert(Seed {
                context: exchange.context().clone(),
                recorder: exchange.recorder().clone(),
                route: exchange.route(),
            });
        }
        let inner = crate::observe::within(&mut exchange, || self.inner.call(request));
        ResponseFuture::new(inner, exchange)
    }
}

impl ServerLayer {
    /// Reads the head and begins the exchange.
    fn begin<B>(&self, request: Request<B>) -> (Exchange, Request<B>) {
        let settings = &*self.settings;
        let (trust, request) = self.judge(request);
        let caller = match trust {
            Trust::Ignore => Extracted::default(),
            _ => extract(request.headers()),
        };
        let (parent, link, carried) = match trust {
            Trust::Continue => (caller.parent, None, caller.carried),
            _ => (None, caller.parent, Default::default()),
        };
        let route = Route::find(&head::key(&request, settings.https, settings.domain));
        let (uri, headers) = (request.uri(), request.headers());
        let query = uri
            .query()
            .map(|query| redact_query(query, &settings.allowed_query));
        let (server_address, server_port) = head::server(uri, headers);
        let peer = head::peer(request.extensions());
        let exchange = Exchange::begin(
            &self.recorder,
            Head {
                parent,
                link,
                carried,
                route,
                method_original: route.method().is_other().then(|| request.method().as_str()),
                path: uri.path(),
                query: query.as_deref(),
                server_address,
                server_port,
                user_agent: head::user_agent(headers),
                client: peer.map(|peer| peer.ip()),
                peer,
                request_id: None,
            },
        );
        (exchange, request)
    }

    /// Asks the rule. It sees the whole head, so the request is taken apart for it.
    fn judge<B>(&self, request: Request<B>) -> (Trust, Request<B>) {
        match &self.settings.trust {
            None => (Trust::default(), request),
            Some(rule) => {
                let (parts, body) = request.into_parts();
                (rule(&parts), Request::from_parts(parts, body))
            }
        }
    }
}
