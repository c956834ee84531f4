//! Outgoing requests over mock services: attributes, context, and every way one can end.
#![allow(clippy::unwrap_used)]

mod common;

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use campanile_http::ClientLayer;
use campanile_http::client::AttemptsLayer;
use campanile_propagation::{Baggage, Parent};
use campanile_recorder::Fault;
use common::{Ended, Observed};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Empty, Full, channel::Channel};
use opentelemetry::Context;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::Sampler;
use tower::retry::{Policy, RetryLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Body = Full<Bytes>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

const DURATION: &str = "http.client.request.duration";
const ACTIVE: &str = "http.client.active_requests";

fn layer(observed: &Observed) -> ClientLayer {
    ClientLayer::new(&observed.handle)
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::default()).unwrap()
}

fn answer(status: u16) -> Response<Body> {
    let response = Response::builder().status(status);
    response.body(Body::from("hello")).unwrap()
}

/// The only span, after checking that span and metric are of one length.
fn only_end(observed: &Observed) -> Ended {
    let mut ends = observed.ends();
    assert_eq!(ends.len(), 1, "spans");
    let end = ends.remove(0);
    assert_eq!(end.0.span_kind, SpanKind::Client);
    let points = observed.histogram(DURATION);
    let [(_, 1, sum)] = points[..] else {
        panic!("one sample of {DURATION}: {points:?}");
    };
    let length = end.0.end_time.duration_since(end.0.start_time).unwrap();
    assert!((length.as_secs_f64() - sum).abs() < 1e-9);
    end
}

/// Sends one request, and gives its span and what the inner service got.
async fn send(
    request: Request<Body>,
    change: fn(ClientLayer) -> ClientLayer,
) -> (Ended, HeaderMap) {
    let observed = Observed::new();
    let got = Arc::new(Mutex::new(HeaderMap::new()));
    let seen = Arc::clone(&got);
    let client = change(layer(&observed)).layer(service_fn(move |request: Request<Body>| {
        *seen.lock().unwrap() = request.headers().clone();
        async { Ok::<_, Infallible>(answer(200)) }
    }));
    client.oneshot(request).await.unwrap();
    let headers = got.lock().unwrap().clone();
    (only_end(&observed), headers)
}

#[tokio::test]
async fn a_request_has_the_attributes_of_the_conventions() {
    let observed = Observed::new();
    let client = layer(&observed)
        .allow_query("page")
        .layer(service_fn(async |_| {
            let mut response = answer(201);
            *response.version_mut() = Version::HTTP_2;
            Ok::<_, Infallible>(response)
        }));
    let request = Request::post("https://me:s3cr3t@api.example.com/rooms?page=2&token=s3cr3t");
    let request = request.body(Body::from("body")).unwrap();
    client.oneshot(request).await.unwrap();
    let end = only_end(&observed);
    assert_eq!((end.0.name.as_ref(), end.status()), ("POST", Status::Unset));
    let mut all: Vec<_> = end
        .0
        .attributes
        .iter()
        .map(|a| format!("{}={}", a.key, a.value))
        .collect();
    all.sort();
    assert_eq!(
        all,
        [
            "http.request.method=POST",
            "http.response.status_code=201",
            "network.protocol.version=2",
            "server.address=api.example.com",
            "server.port=443",
            "url.full=https://REDACTED:REDACTED@api.example.com/rooms?page=2&token=REDACTED",
        ]
    );
    let (attributes, ..) = observed.histogram(DURATION).remove(0);
    assert_eq!(
        attributes,
        [
            "http.request.method=POST",
            "http.response.status_code=201",
            "network.protocol.version=2",
            "server.address=api.example.com",
            "server.port=443",
        ]
    );
    assert_eq!(observed.sum(ACTIVE), None, "opt-in");
    assert_eq!(
        observed.histogram("http.client.request.body.size"),
        [],
        "opt-in"
    );
}

#[tokio::test]
async fn where_a_request_goes_is_taken_from_its_target_then_host_then_origin() {
    let origin = |layer: ClientLayer| layer.origin(Uri::from_static("https://[::1]:8443"));
    let plain = |layer: ClientLayer| layer;
    type Change = fn(ClientLayer) -> ClientLayer;
    type Row = (
        (&'static str, Option<&'static str>, Change),
        Option<[&'static str; 3]>,
    );
    let rows: [Row; 9] = [
        (
            ("http://a.example/p", None, plain),
            Some(["http://a.example/p", "a.example", "80"]),
        ),
        (
            ("https://a.example/", None, plain),
            Some(["https://a.example/", "a.example", "443"]),
        ),
        (
            ("http://[::1]:81/", None, plain),
            Some(["http://[::1]:81/", "::1", "81"]),
        ),
        (
            ("http://a:1/", Some("b:2"), origin),
            Some(["http://a:1/", "a", "1"]),
        ),
        (
            ("/p?q=1", Some("b:2"), plain),
            Some(["http://b:2/p?q=REDACTED", "b", "2"]),
        ),
        (("/p", Some("b"), origin), Some(["https://b/p", "b", "443"])),
        (
            ("/p.S/M", None, origin),
            Some(["https://[::1]:8443/p.S/M", "::1", "8443"]),
        ),
        (("/p", None, plain), None),
        (("/p", Some("not a host"), plain), None),
    ];
    for ((uri, host, change), expected) in rows {
        let mut request = get(uri);
        if let Some(host) = host {
            request.headers_mut().insert("host", host.parse().unwrap());
        }
        let (end, _) = send(request, change).await;
        let keys = ["url.full", "server.address", "server.port"];
        let found = keys.map(|key| end.attribute(key));
        let expected = keys
            .iter()
            .enumerate()
            .map(|(i, _)| expected.map(|all| all[i].to_owned()));
        assert_eq!(
            found.to_vec(),
            expected.collect::<Vec<_>>(),
            "{uri} {host:?}"
        );
    }
    let mut tunnel = get("a.example:22");
    *tunnel.method_mut() = Method::CONNECT;
    let (end, _) = send(tunnel, plain).await;
    assert_eq!(end.attribute("url.full"), None, "CONNECT has no URL");
    assert_eq!(end.text("server.port"), "22");
}

#[tokio::test]
async fn an_unknown_method_is_other() {
    let mut request = get("http://a/");
    *request.method_mut() = Method::from_bytes(b"get").unwrap();
    let (end, _) = send(request, |layer| layer).await;
    let keys = ["http.request.method", "http.request.method_original"];
    assert_eq!(keys.map(|key| end.text(key)), ["_OTHER", "get"]);
    assert_eq!(end.0.name, "HTTP");
}

#[tokio::test]
async fn the_injected_span_is_the_client_span_and_the_current_one_its_parent() {
    let observed = Observed::new();
    let tracer = observed.tracer.tracer("test");
    let server = Context::new().with_span(tracer.start_with_context("server", &Context::new()));
    let baggage = Baggage::default().with("plan", "pro").unwrap();
    let server = baggage.into_context(&server);
    let got = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&got);
    let client = layer(&observed).layer(service_fn(move |request: Request<Body>| {
        let here = Context::current().span().span_context().span_id();
        *seen.lock().unwrap() = Some((request.headers().clone(), here));
        async { Ok::<_, Infallible>(answer(200)) }
    }));
    let mut request = get("http://a/");
    request
        .headers_mut()
        .append("traceparent", "stale".parse().unwrap());
    request
        .headers_mut()
        .append("baggage", "stale=1".parse().unwrap());
    let call = {
        let _attached = server.clone().attach();
        let mut client = client;
        client.call(request)
    };
    call.await.unwrap();
    let (headers, current) = got.lock().unwrap().take().unwrap();
    let end = only_end(&observed);
    let sent = Parent::parse(headers["traceparent"].as_bytes()).unwrap();
    let server = server.span().span_context().clone();
    assert_eq!(sent.span_id(), end.0.span_context.span_id());
    assert_eq!(
        current,
        sent.span_id(),
        "it is current while the client runs"
    );
    assert_eq!(
        (sent.trace_id(), end.0.parent_span_id),
        (server.trace_id(), server.span_id())
    );
    assert_eq!(
        headers.get_all("traceparent").iter().count(),
        1,
        "stale values are replaced"
    );
    assert_eq!(headers["baggage"], "plan=pro");
}

#[tokio::test]
async fn every_attempt_has_a_span_id_of_its_own_sampled_or_not() {
    for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
        let observed = Observed::sampling(sampler.clone());
        let got = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&got);
        let client = layer(&observed).layer(service_fn(move |request: Request<Body>| {
            let sent = Parent::parse(request.headers()["traceparent"].as_bytes()).unwrap();
            seen.lock().unwrap().push(sent);
            async { Ok::<_, Infallible>(answer(200)) }
        }));
        for _ in 0..2 {
            client.clone().oneshot(get("http://a/")).await.unwrap();
        }
        let sent = got.lock().unwrap().clone();
        assert_ne!(sent[0].span_id(), sent[1].span_id(), "{sampler:?}");
        for sent in sent {
            let is_on = matches!(sampler, Sampler::AlwaysOn);
            assert_eq!(
                (sent.is_sampled(), sent.is_random()),
                (is_on, true),
                "{sampler:?}"
            );
        }
        assert_eq!(
            observed.histogram(DURATION)[0].1,
            2,
            "metrics do not depend on sampling"
        );
    }
}

#[tokio::test]
async fn status_follows_the_conventions_for_clients() {
    for (status, error) in [
        (200, None),
        (302, None),
        (404, Some("404")),
        (500, Some("500")),
        (999, None),
    ] {
        let observed = Observed::new();
        let client = layer(&observed).layer(service_fn(move |_| async move {
            Ok::<_, Infallible>(answer(status))
        }));
        client.oneshot(get("http://a/")).await.unwrap();
        let end = only_end(&observed);
        assert_eq!(end.attribute("error.type").as_deref(), error, "{status}");
        assert_eq!(end.text("http.response.status_code"), status.to_string());
        let expected = error.map_or(Status::Unset, |_| Status::error(""));
        assert_eq!(end.status(), expected, "{status}");
    }
}

#[tokio::test]
async fn an_error_is_one_of_a_closed_set_and_passes_untouched() {
    for (kind, expected) in [
        (ErrorKind::TimedOut, "timeout"),
        (ErrorKind::ConnectionRefused, "connect"),
        (ErrorKind::ConnectionReset, "closed"),
        (ErrorKind::Other, "_OTHER"),
    ] {
        let observed = Observed::new();
        let client = layer(&observed).layer(service_fn(move |_| async move {
            Err::<Response<Body>, _>(io::Error::new(kind, "secret text"))
        }));
        let error = client.oneshot(get("http://a/")).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (kind, "secret text")
        );
        let end = only_end(&observed);
        assert_eq!(end.text("error.type"), expected);
        assert_eq!(
            end.status(),
            Status::error(""),
            "no text of the error leaves"
        );
        assert_eq!(end.attribute("http.response.status_code"), None);
        let (attributes, ..) = observed.histogram(DURATION).remove(0);
        assert!(
            attributes.contains(&format!("error.type={expected}")),
            "{attributes:?}"
        );
    }
}

#[tokio::test]
async fn a_timeout_inside_is_a_timeout() {
    let observed = Observed::new();
    let client = ServiceBuilder::new()
        .layer(layer(&observed).classify(|error: &BoxError| Fault::of(&**error)))
        .timeout(Duration::ZERO)
        .service(service_fn(async |_: Request<Body>| {
            pending::<Result<Response<Body>, Infallible>>().await
        }));
    client.oneshot(get("http://a/")).await.unwrap_err();
    assert_eq!(only_end(&observed).text("error.type"), "timeout");
}

#[tokio::test]
async fn a_call_dropped_on_purpose_is_no_error() {
    let observed = Observed::new();
    let client = layer(&observed)
        .active_requests()
        .layer(service_fn(async |_| {
            pending::<Result<Response<Body>, Infallible>>().await
        }));
    {
        let mut call = pin!(client.oneshot(get("http://a/")));
        poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!(observed.sum(ACTIVE), Some(1));
    }
    let end = only_end(&observed);
    assert_eq!(
        (end.attribute("error.type"), end.status()),
        (None, Status::Unset)
    );
    assert_eq!(end.attribute("http.response.status_code"), None);
    assert_eq!(observed.sum(ACTIVE), Some(0));
}

#[tokio::test]
async fn a_call_abandoned_by_a_panic_elsewhere_is_cancelled_and_one_of_its_own_is_a_panic() {
    let observed = Observed::new();
    let client = layer(&observed).layer(service_fn(async |_| {
        pending::<Result<Response<Body>, Infallible>>().await
    }));
    let call = client.oneshot(get("http://a/"));
    let task = tokio::spawn(async move {
        let mut call = pin!(call);
        poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        panic!("on purpose, beside the call");
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(only_end(&observed).attribute("error.type"), None);

    let observed = Observed::new();
    let client = layer(&observed).layer(service_fn(async |_: Request<Body>| {
        if true {
            panic!("on purpose, inside the client");
        }
        Ok::<_, Infallible>(answer(200))
    }));
    let mut call = Box::pin(client.oneshot(get("http://a/")));
    let caught = poll_fn(|cx| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
        Poll::Ready(polled.is_err())
    });
    assert!(caught.await);
    drop(call);
    assert_eq!(only_end(&observed).text("error.type"), "panic");
}

/// Repeats what failed.
#[derive(Clone)]
struct Stubborn;

impl<E> Policy<Request<Body>, Response<Body>, E> for Stubborn {
    type Future = std::future::Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        result: &mut Result<Response<Body>, E>,
    ) -> Option<Self::Future> {
        let is_good = result
            .as_ref()
            .is_ok_and(|response| response.status().is_success());
        (!is_good).then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn attempts_after_the_first_are_counted_and_each_has_its_own_span() {
    let observed = Observed::new();
    let left = Arc::new(Mutex::new(vec![200, 503, 503]));
    let sent = Arc::new(Mutex::new(Vec::new()));
    let (statuses, seen) = (Arc::clone(&left), Arc::clone(&sent));
    let client = ServiceBuilder::new()
        .layer(AttemptsLayer)
        .layer(RetryLayer::new(Stubborn))
        .layer(layer(&observed))
        .service(service_fn(move |request: Request<Body>| {
            let status = statuses.lock().unwrap().pop().unwrap();
            seen.lock()
                .unwrap()
                .push(request.headers()["traceparent"].clone());
            async move { Ok::<_, Infallible>(answer(status)) }
        }));
    assert_eq!(
        client.oneshot(get("http://a/")).await.unwrap().status(),
        StatusCode::OK
    );
    let ends = observed.ends();
    let counts: Vec<_> = ends
        .iter()
        .map(|end| end.attribute("http.request.resend_count"))
        .collect();
    assert_eq!(counts, [None, Some("1".to_owned()), Some("2".to_owned())]);
    let ids: Vec<_> = sent
        .lock()
        .unwrap()
        .iter()
        .map(|header| Parent::parse(header.as_bytes()).unwrap().span_id())
        .collect();
    let exported: Vec<_> = ends
        .iter()
        .map(|end| end.0.span_context.span_id())
        .collect();
    assert_eq!(ids, exported);
    assert_eq!(
        observed
            .histogram(DURATION)
            .iter()
            .map(|point| point.1)
            .sum::<u64>(),
        3
    );
}

#[tokio::test]
async fn body_sizes_are_recorded_where_they_are_known() {
    let observed = Observed::new();
    let (request, response) = (
        "http.client.request.body.size",
        "http.client.response.body.size",
    );
    let client = layer(&observed)
        .body_sizes()
        .layer(service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(answer(200))
        }));
    let post = Request::post("http://a/")
        .body(Body::from("12345678"))
        .unwrap();
    client.oneshot(post).await.unwrap();
    assert_eq!(
        (
            observed.histogram(request)[0].2,
            observed.histogram(response)[0].2
        ),
        (8.0, 5.0)
    );

    let observed = Observed::new();
    let client =
        layer(&observed)
            .body_sizes()
            .layer(service_fn(async |_: Request<Channel<Bytes>>| {
                Ok::<_, Infallible>(Response::new(Channel::<Bytes>::new(1).1))
            }));
    let streamed = Request::post("http://a/")
        .body(Channel::<Bytes>::new(1).1)
        .unwrap();
    client.oneshot(streamed).await.unwrap();
    assert_eq!(observed.histogram(request), []);
    assert_eq!(observed.histogram(response), []);
}

#[tokio::test]
async fn readiness_of_the_inner_service_passes_through() {
    let observed = Observed::new();
    let mut client = layer(&observed)
        .classify(|_: &&'static str| Fault::Other)
        .layer(common::NotReady);
    let error = poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(&mut client, cx)).await;
    assert_eq!(error, Err("not ready"));
    assert_eq!(observed.ends().len(), 0);
}

#[tokio::test]
async fn without_any_provider_the_answer_and_the_headers_are_the_same() {
    let client = ClientLayer::from_global().layer(service_fn(async |request: Request<Body>| {
        assert_eq!(request.headers()["traceparent"], "the application's own");
        Ok::<_, Infallible>(answer(200))
    }));
    let mut request = get("http://a/");
    let own = "the application's own".parse().unwrap();
    request.headers_mut().insert("traceparent", own);
    assert_eq!(client.oneshot(request).await.unwrap().status(), 200);
}
