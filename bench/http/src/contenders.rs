//! Who is measured: the bare work, a layer that does nothing, and our layers over the plain API.

use std::convert::Infallible;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use campanile_http::{AccessLog, ClientLayer, ServerLayer, TraceResponse, TrustedProxies};
use campanile_recorder::Handle;
use http::Request;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tower::{Layer, Service};

use crate::lean;
use crate::nobody::Nobody;
use crate::pipeline::Pipeline;
use crate::work::{self, CALLER_SPAN, TRACE_PREFIX, drive};

/// One thing to measure.
pub struct Contender {
    pub name: &'static str,
    /// What it is measured against.
    pub base: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Bare,
    Noop,
    Layer,
    Server {
        is_sampled: bool,
    },
    Lean {
        is_sampled: bool,
        change: fn(ServerLayer) -> ServerLayer,
    },
    BareClient,
    Client {
        is_sampled: bool,
    },
}

const fn contender(name: &'static str, base: &'static str, kind: Kind) -> Contender {
    Contender { name, base, kind }
}

/// Our own pipeline, sampled, with one option of the layer switched on.
const fn lean(
    name: &'static str,
    base: &'static str,
    change: fn(ServerLayer) -> ServerLayer,
) -> Contender {
    let is_sampled = true;
    contender(name, base, Kind::Lean { is_sampled, change })
}

/// All of them; a base stands before what is measured against it.
pub const ALL: &[Contender] = &[
    contender("bare", "bare", Kind::Bare),
    contender("noop-layer", "bare", Kind::Noop),
    contender("layer-alone", "bare", Kind::Layer),
    contender("server-sampled", "bare", Kind::Server { is_sampled: true }),
    contender(
        "server-unsampled",
        "bare",
        Kind::Server { is_sampled: false },
    ),
    lean("lean-sampled", "bare", |layer| layer),
    contender(
        "lean-unsampled",
        "bare",
        Kind::Lean {
            is_sampled: false,
            change: |layer| layer,
        },
    ),
    lean("with-request-id", "lean-sampled", ServerLayer::request_id),
    lean("with-body-sizes", "lean-sampled", ServerLayer::body_sizes),
    lean("with-public-edge", "lean-sampled", ServerLayer::public_edge),
    lean("with-trusted-proxies", "lean-sampled", |layer| {
        let proxies = TrustedProxies::x_forwarded(["192.0.2.0/24"]);
        layer.trusted_proxies(proxies.expect("a network"))
    }),
    lean("with-baggage-attribute", "lean-sampled", |layer| {
        layer.baggage_attributes(["userId"])
    }),
    lean("with-trace-response", "lean-sampled", |layer| {
        layer.trace_response(TraceResponse::ServerTiming)
    }),
    lean("with-access-log", "lean-sampled", |layer| {
        layer.access_log(AccessLog::All)
    }),
    contender("bare-client", "bare-client", Kind::BareClient),
    contender(
        "client-sampled",
        "bare-client",
        Kind::Client { is_sampled: true },
    ),
    contender(
        "client-unsampled",
        "bare-client",
        Kind::Client { is_sampled: false },
    ),
];

impl Contender {
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|contender| contender.name == name)
    }

    /// Sends `count` requests, then makes sure that everything was recorded that should be: who
    /// does less is not cheaper.
    pub fn run(&self, count: usize) {
        match self.kind {
            Kind::Bare => drive(&work::router().with_state(()), &work::requests(true), count),
            Kind::Noop => {
                let app = work::router().layer(Noop).with_state(());
                drive(&app, &work::requests(true), count);
            }
            Kind::Layer => {
                let nobody = Handle::new(Nobody);
                let app = work::router()
                    .layer(ServerLayer::new(&nobody))
                    .with_state(());
                drive(&app, &work::requests(true), count);
            }
            Kind::Lean { is_sampled, change } => {
                let telemetry = lean::telemetry();
                let app = work::router()
                    .layer(change(ServerLayer::new(&telemetry)))
                    .with_state(());
                drive(&app, &work::requests(is_sampled), count);
                lean::check(&telemetry, if is_sampled { count } else { 0 });
            }
            Kind::BareClient => drive(&Remote, &work::outgoing(), count),
            Kind::Server { is_sampled } => {
                let pipeline = Pipeline::new();
                let app = work::router()
                    .layer(ServerLayer::new(&pipeline.recorder()))
                    .with_state(());
                drive(&app, &work::requests(is_sampled), count);
                check(&pipeline, count, is_sampled, 14);
            }
            Kind::Client { is_sampled } => {
                let pipeline = Pipeline::new();
                let client = ClientLayer::new(&pipeline.recorder()).layer(Remote);
                let _caller = caller(is_sampled).attach();
                drive(&client, &work::outgoing(), count);
                check(&pipeline, count, is_sampled, 6);
            }
        }
    }
}

fn check(pipeline: &Pipeline, count: usize, is_sampled: bool, attributes: u64) {
    pipeline.flush();
    let seen = &pipeline.seen;
    let count = count as u64;
    assert_eq!(seen.spans.load(Relaxed), if is_sampled { count } else { 0 });
    assert_eq!(seen.strays.load(Relaxed), 0);
    assert_eq!(seen.durations.load(Relaxed), count);
    if is_sampled {
        assert_eq!(seen.attributes.load(Relaxed), attributes);
    }
}

/// The context a client's request is made in.
fn caller(is_sampled: bool) -> opentelemetry::Context {
    let caller = SpanContext::new(
        TraceId::from(u128::from(TRACE_PREFIX) << 64 | 1),
        SpanId::from(CALLER_SPAN),
        TraceFlags::NOT_SAMPLED.with_sampled(is_sampled),
        true,
        TraceState::from_key_value([("congo", "t61rcWkgMzE")]).expect("a legal list"),
    );
    opentelemetry::Context::new().with_remote_span_context(caller)
}

/// A layer that does nothing: what axum charges for any.
#[derive(Clone)]
struct Noop;

impl<S> Layer<S> for Noop {
    type Service = NoopService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        NoopService(inner)
    }
}

#[derive(Clone)]
struct NoopService<S>(S);

impl<S, B> Service<Request<B>> for NoopService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.call(request)
    }
}

/// A server without a network: it answers at once.
#[derive(Clone)]
struct Remote;

impl Service<Request<Body>> for Remote {
    type Response = Response;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        drop(request);
        std::future::ready(Ok("ok".into_response()))
    }
}
