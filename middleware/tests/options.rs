//! What an application can ask of the server layer, one option a test.
#![allow(clippy::unwrap_used)]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use campanile_http::{
    ExtractLayer, MetricsLayer, Observe, RequestBodyLayer, RequestIdLayer, RouteLayer, ServerLayer,
    TraceLayer, TraceResponse, TrustedProxies,
};
use campanile_propagation::{Baggage, Trust};
use campanile_recorder::RequestId;
use common::Observed;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use opentelemetry::trace::{Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

type Body = Full<Bytes>;

/// Sends one request through `layer` around a service that answers 200.
async fn send<L>(layer: L, request: Request<Body>) -> Response<Bytes>
where
    L: Layer<tower::util::BoxCloneService<Request<Body>, Response<Body>, Infallible>>,
    L::Service: Service<Request<Body>, Error = Infallible>,
    <L::Service as Service<Request<Body>>>::Response: IntoBytes,
{
    send_to(layer, request, |_| {}).await
}

async fn send_to<L>(
    layer: L,
    request: Request<Body>,
    inside: impl Fn(&Request<Body>) + Send + Sync + 'static,
) -> Response<Bytes>
where
    L: Layer<tower::util::BoxCloneService<Request<Body>, Response<Body>, Infallible>>,
    L::Service: Service<Request<Body>, Error = Infallible>,
    <L::Service as Service<Request<Body>>>::Response: IntoBytes,
{
    let inside = Arc::new(inside);
    let service = service_fn(move |request: Request<Body>| {
        let inside = Arc::clone(&inside);
        async move {
            inside(&request);
            Ok::<_, Infallible>(
                Response::builder()
                    .header("x-answer", "42")
                    .body(Body::from("hello"))
                    .unwrap(),
            )
        }
    });
    let app = layer.layer(tower::util::BoxCloneService::new(service));
    app.oneshot(request).await.unwrap().into_bytes().await
}

/// Reads a response of any body to its end.
trait IntoBytes {
    fn into_bytes(self) -> impl Future<Output = Response<Bytes>>;
}

impl<B: http_body::Body<Error: std::fmt::Debug>> IntoBytes for Response<B> {
    async fn into_bytes(self) -> Response<Bytes> {
        let (parts, body) = self.into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }
}

fn request(lines: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = Request::get("http://example.com/path?page=2&token=s3cr3t");
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(Body::from("question")).unwrap()
}

#[tokio::test]
async fn a_request_id_is_taken_over_returned_and_told() {
    let observed = Observed::new();
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    let layer = ServerLayer::new(&observed.handle).request_id();
    let answer = send_to(
        layer,
        request(&[("x-request-id", "abc-123")]),
        move |request| {
            let in_extensions = request.extensions().get::<RequestId>().cloned();
            let in_context = Context::map_current(|context| RequestId::of(context).cloned());
            assert_eq!(in_extensions, in_context);
            *note.lock().unwrap() = in_context;
        },
    )
    .await;
    assert_eq!(answer.headers()["x-request-id"], "abc-123");
    assert_eq!(seen.lock().unwrap().as_ref().unwrap().as_str(), "abc-123");
    assert_eq!(observed.only_end().text("campanile.request.id"), "abc-123");
}

#[tokio::test]
async fn a_request_id_that_is_not_fit_is_replaced() {
    for bad in ["", "a b", &"x".repeat(65)] {
        let observed = Observed::new();
        let layer = ServerLayer::new(&observed.handle).request_id();
        let answer = send(layer, request(&[("x-request-id", bad)])).await;
        let id = answer.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(id.len(), 32, "{bad:?} became {id:?}");
        assert_eq!(observed.only_end().text("campanile.request.id"), id);
        let alone = send(RequestIdLayer::new(), request(&[("x-request-id", bad)])).await;
        assert_eq!(
            alone.headers()["x-request-id"].len(),
            32,
            "the layer alone does the same"
        );
    }
}

#[tokio::test]
async fn headers_leave_by_name_only_and_secrets_by_asking_twice() {
    let observed = Observed::new();
    let layer = ServerLayer::new(&observed.handle)
        .request_header(HeaderName::from_static("x-tenant"))
        .request_header(http::header::AUTHORIZATION)
        .sensitive_request_header(http::header::COOKIE)
        .response_header(HeaderName::from_static("x-answer"));
    send(
        layer,
        request(&[
            ("x-tenant", "acme"),
            ("authorization", "Bearer s3cr3t"),
            ("cookie", "a=1"),
            ("x-other", "y"),
        ]),
    )
    .await;
    let end = observed.only_end();
    assert_eq!(end.text("http.request.header.x-tenant"), r#"["acme"]"#);
    assert_eq!(end.text("http.request.header.cookie"), r#"["a=1"]"#);
    assert_eq!(end.text("http.response.header.x-answer"), r#"["42"]"#);
    assert_eq!(end.attribute("http.request.header.authorization"), None);
    assert_eq!(end.attribute("http.request.header.x-other"), None);
    assert!(!format!("{:?}", end.0).contains("s3cr3t"));
}

#[tokio::test]
async fn allowed_query_values_leave_and_no_others() {
    let observed = Observed::new();
    send(
        ServerLayer::new(&observed.handle).allow_query("page"),
        request(&[]),
    )
    .await;
    assert_eq!(
        observed.only_end().text("url.query"),
        "page=2&token=REDACTED"
    );
}

#[tokio::test]
async fn hooks_add_attributes_at_start_and_end() {
    let observed = Observed::new();
    let layer = ServerLayer::new(&observed.handle)
        .on_request(|parts| {
            vec![KeyValue::new(
                "app.path_length",
                parts.uri.path().len() as i64,
            )]
        })
        .on_response(|parts| {
            vec![KeyValue::new(
                "app.status",
                i64::from(parts.status.as_u16()),
            )]
        });
    send(layer, request(&[])).await;
    let end = observed.only_end();
    assert_eq!(
        (end.text("app.path_length"), end.text("app.status")),
        ("5".into(), "200".into())
    );
}

#[tokio::test]
async fn a_filtered_request_has_no_span_and_what_is_inside_is_not_sampled() {
    for (observe, samples) in [(Observe::MetricsOnly, 1), (Observe::Nothing, 0)] {
        let observed = Observed::new();
        let tracer = observed.tracer.tracer("user");
        let layer = ServerLayer::new(&observed.handle).filter(move |_| observe);
        let answer = send_to(layer, request(&[("traceparent", CALLER)]), move |_| {
            if observe == Observe::MetricsOnly {
                tracer.in_span("child", |_| {});
            }
        })
        .await;
        assert_eq!(answer.status(), 200);
        assert_eq!(observed.ends().len(), 0, "{observe:?}");
        assert_eq!(observed.durations().0, samples, "{observe:?}");
    }
}

#[tokio::test]
async fn the_caller_is_told_its_trace_only_on_request() {
    let observed = Observed::new();
    let plain = send(ServerLayer::new(&observed.handle), request(&[])).await;
    assert!(plain.headers().get("server-timing").is_none());
    for (how, name) in [
        (TraceResponse::ServerTiming, "server-timing"),
        (
            TraceResponse::Header(HeaderName::from_static("traceresponse")),
            "traceresponse",
        ),
    ] {
        let observed = Observed::new();
        let answer = send(
            ServerLayer::new(&observed.handle).trace_response(how),
            request(&[]),
        )
        .await;
        let id = observed.only_end().0.span_context.trace_id().to_string();
        assert!(
            answer.headers()[name].to_str().unwrap().contains(&id),
            "{name}"
        );
    }
}

#[tokio::test]
async fn bodies_are_measured_as_counted_not_as_declared() {
    let observed = Observed::new();
    let service = service_fn(
        async |request: Request<campanile_http::RequestBody<Body>>| {
            request.into_body().collect().await.unwrap();
            Ok::<_, Infallible>(Response::new(Body::from("hello")))
        },
    );
    let layers = ServiceBuilder::new()
        .layer(ServerLayer::new(&observed.handle).body_sizes())
        .layer(RequestBodyLayer::new());
    let mut sent = request(&[]);
    sent.headers_mut()
        .insert("content-length", "1".parse().unwrap());
    layers
        .service(service)
        .oneshot(sent)
        .await
        .unwrap()
        .into_bytes()
        .await;
    observed.only_end();
    assert_eq!(observed.total("http.server.request.body.size"), 8.0);
    assert_eq!(observed.total("http.server.response.body.size"), 5.0);
}

#[tokio::test]
async fn a_trusted_proxy_names_client_scheme_and_host_and_a_stranger_does_not() {
    let lines = [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
    ];
    for (peer, client, scheme, host) in [
        ("10.0.0.1:80", "203.0.113.7", "https", "shop.example"),
        ("192.0.2.1:80", "192.0.2.1", "http", "example.com"),
    ] {
        let observed = Observed::new();
        let proxies = TrustedProxies::x_forwarded(["10.0.0.0/8"]).unwrap();
        let mut sent = request(&lines);
        sent.extensions_mut()
            .insert(peer.parse::<SocketAddr>().unwrap());
        send(
            ServerLayer::new(&observed.handle).trusted_proxies(proxies),
            sent,
        )
        .await;
        let end = observed.only_end();
        let found = (
            end.text("client.address"),
            end.text("url.scheme"),
            end.text("server.address"),
        );
        assert_eq!(found, (client.into(), scheme.into(), host.into()), "{peer}");
        assert_eq!(
            end.text("network.peer.address"),
            peer.split(':').next().unwrap()
        );
    }
}

#[tokio::test]
async fn baggage_is_copied_by_name_and_dropped_at_a_public_edge_unless_kept() {
    for (trust, kept) in [(Trust::Continue, Some("pro")), (Trust::PublicEdge, None)] {
        let observed = Observed::new();
        let layer = ServerLayer::new(&observed.handle)
            .trust(move |_| trust)
            .keep_baggage(["tenant"])
            .baggage_attributes(["plan", "tenant"]);
        let seen = Arc::new(Mutex::new(Baggage::default()));
        let note = Arc::clone(&seen);
        send_to(
            layer,
            request(&[
                ("traceparent", CALLER),
                ("baggage", "plan=pro,tenant=a%20b,user=secret"),
            ]),
            move |_| {
                *note.lock().unwrap() = Baggage::of(&Context::current());
            },
        )
        .await;
        let end = observed.only_end();
        assert_eq!(end.attribute("plan").as_deref(), kept, "{trust:?}");
        assert_eq!(end.text("tenant"), "a b");
        assert_eq!(end.attribute("user"), None);
        assert_eq!(
            seen.lock().unwrap().get("user").is_some(),
            trust == Trust::Continue
        );
    }
}

#[tokio::test]
async fn a_grpc_status_in_the_trailers_decides() {
    for (status, error) in [
        ("0", None),
        ("5", None),
        ("13", Some("INTERNAL")),
        ("99", Some("UNKNOWN")),
    ] {
        let observed = Observed::new();
        let service = service_fn(move |_: Request<Body>| async move {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", status.parse().unwrap());
            let frames = [
                Ok::<_, Infallible>(Frame::data(Bytes::from("m"))),
                Ok(Frame::trailers(trailers)),
            ];
            Ok::<_, Infallible>(Response::new(StreamBody::new(common::iter(frames))))
        });
        let app = ServerLayer::new(&observed.handle)
            .rpc_attributes()
            .layer(service);
        let call = Request::post("http://h/shop.Cart/Add")
            .header("content-type", "application/grpc+proto");
        app.oneshot(call.body(Body::default()).unwrap())
            .await
            .unwrap()
            .into_bytes()
            .await;
        let end = observed.only_end();
        assert_eq!(end.attribute("error.type").as_deref(), error, "{status}");
        assert_eq!(
            end.status() == Status::error(""),
            error.is_some(),
            "{status}"
        );
        assert_eq!(
            (end.text("rpc.system.name"), end.text("rpc.method")),
            ("grpc".into(), "shop.Cart/Add".into())
        );
        assert!(end.attribute("rpc.status_code").is_some());
    }
}

#[tokio::test]
async fn a_function_names_the_route_of_a_plain_service() {
    let observed = Observed::new();
    let layer = ServerLayer::new(&observed.handle).route(|_| Some("/path".into()));
    send(layer, request(&[])).await;
    assert_eq!(observed.only_end().0.name, "GET /path");
    let observed = Observed::new();
    let layers = (
        ServerLayer::new(&observed.handle),
        RouteLayer::new().template("/inner").domain("shop"),
    );
    send(layers, request(&[])).await;
    let end = observed.only_end();
    assert_eq!(
        (end.0.name.as_ref(), end.text("campanile.domain")),
        ("GET /inner", "shop".into())
    );
}

#[tokio::test]
async fn each_part_works_alone() {
    let observed = Observed::new();
    let seen = Arc::new(Mutex::new(String::new()));
    let note = Arc::clone(&seen);
    send_to(
        ExtractLayer::new(&observed.handle),
        request(&[("traceparent", CALLER)]),
        move |_| {
            let context = Context::current();
            *note.lock().unwrap() = context.span().span_context().trace_id().to_string();
        },
    )
    .await;
    assert_eq!(
        *seen.lock().unwrap(),
        CALLER[3..35],
        "the caller's context is current"
    );
    assert_eq!(
        (observed.ends().len(), observed.durations().0),
        (0, 0),
        "extract records nothing"
    );

    send(MetricsLayer::new(&observed.handle), request(&[])).await;
    assert_eq!(
        (observed.ends().len(), observed.durations().0),
        (0, 1),
        "metrics only"
    );

    let both = (
        ExtractLayer::new(&observed.handle),
        TraceLayer::new(&observed.handle),
    );
    send(both, request(&[("traceparent", CALLER)])).await;
    let ends = observed.ends();
    assert_eq!(
        (ends.len(), observed.durations().0),
        (1, 1),
        "a span, no further sample"
    );
    assert_eq!(ends[0].0.span_context.trace_id().to_string(), CALLER[3..35]);
    assert_eq!(ends[0].0.parent_span_id.to_string(), CALLER[36..52]);
}

#[tokio::test]
async fn an_exception_is_a_log_event_in_the_context_of_the_request() {
    let observed = Observed::new();
    let events = common::Events::default();
    let _installed = tracing::subscriber::set_default(events.clone());
    let app = ServerLayer::new(&observed.handle).layer(service_fn(async |_: Request<Body>| {
        Err::<Response<Body>, _>(std::fmt::Error)
    }));
    app.oneshot(request(&[])).await.unwrap_err();
    let span = observed.only_end().0.span_context.span_id();
    let seen = events.seen();
    assert_eq!(seen.len(), 2, "that, and the access event: {seen:?}");
    assert_eq!(
        seen[0],
        (
            "http.server.request.exception".to_owned(),
            "core::fmt::Error".to_owned(),
            span
        )
    );
}

#[tokio::test]
async fn the_weaker_rule_for_queries_is_there_for_those_who_ask() {
    let observed = Observed::new();
    let layer = ServerLayer::new(&observed.handle).redact_query_only(["token"]);
    send(layer, request(&[])).await;
    assert_eq!(
        observed.only_end().text("url.query"),
        "page=2&token=REDACTED"
    );
}

#[tokio::test]
async fn an_answer_that_stands_in_for_one_too_late_is_a_timeout() {
    let observed = Observed::new();
    let service = service_fn(async |_: Request<Body>| {
        let answer = Response::builder()
            .status(503)
            .extension(campanile_http::TimedOut);
        Ok::<_, Infallible>(answer.body(Body::from("too late")).unwrap())
    });
    let app = ServerLayer::new(&observed.handle).layer(service);
    app.oneshot(request(&[])).await.unwrap().into_bytes().await;
    let end = observed.only_end();
    assert_eq!(
        (end.text("campanile.outcome"), end.text("error.type")),
        ("timeout".into(), "timeout".into())
    );
    assert_eq!(end.text("http.response.status_code"), "503");
}

#[tokio::test]
async fn a_timeout_error_of_tokio_is_a_timeout() {
    let observed = Observed::new();
    let service = service_fn(async |_: Request<Body>| {
        let never = std::future::pending::<Response<Body>>();
        tokio::time::timeout(std::time::Duration::ZERO, never).await
    });
    let app = ServerLayer::new(&observed.handle).layer(service);
    app.oneshot(request(&[])).await.unwrap_err();
    assert_eq!(observed.only_end().text("campanile.outcome"), "timeout");
}

#[tokio::test]
async fn formats_that_are_not_in_use_are_not_read() {
    use campanile_propagation::Formats;
    let observed = Observed::with_formats(Formats {
        trace_context: false,
        baggage: true,
    });
    let seen = Arc::new(Mutex::new(Baggage::default()));
    let note = Arc::clone(&seen);
    let lines = [("traceparent", CALLER), ("baggage", "plan=pro")];
    send_to(
        ServerLayer::new(&observed.handle),
        request(&lines),
        move |_| {
            *note.lock().unwrap() = Baggage::of(&Context::current());
        },
    )
    .await;
    let trace = observed.only_end().0.span_context.trace_id().to_string();
    assert_ne!(trace, CALLER[3..35]);
    assert_eq!(seen.lock().unwrap().get("plan").as_deref(), Some("pro"));
}

#[tokio::test]
async fn without_a_layer_that_counts_there_is_no_size_of_the_request() {
    let observed = Observed::new();
    let service = service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::from("hello")))
    });
    ServiceBuilder::new()
        .layer(ServerLayer::new(&observed.handle).body_sizes())
        .service(service)
        .oneshot(request(&[]))
        .await
        .unwrap()
        .into_bytes()
        .await;
    observed.only_end();
    assert_eq!(observed.total("http.server.response.body.size"), 5.0);
    assert_eq!(observed.count("http.server.request.body.size"), None);
}
