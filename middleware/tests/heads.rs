//! What the head of a request becomes: trace context, route, domain, attributes.
#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used)]

mod common;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get};
use campanile_http::{RouteLayer, ServerLayer};
use campanile_propagation::Trust;
use campanile_recorder::Seed;
use common::{Ended, Observed};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, SpanId};
use tower::{Layer, ServiceExt, service_fn};

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn send(app: Router, method: &str, path: &str) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("traceparent", CALLER);
    let response = app
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    response.into_body().collect().await.unwrap();
}

fn app() -> Router {
    let chat = Router::new()
        .route("/rooms/{id}", get(|| async { "room" }))
        .route_layer(RouteLayer::new().domain("chat"));
    Router::new()
        .nest("/api", chat)
        .route("/health", get(|| async { "ok" }))
        .route_layer(RouteLayer::new())
        .fallback(|| async { "nothing here" })
}

fn names(end: &Ended) -> (String, Option<String>, Option<String>) {
    (
        end.0.name.to_string(),
        end.attribute("http.route"),
        end.attribute("campanile.domain"),
    )
}

#[tokio::test]
async fn requests_of_all_kinds_to_one_service_are_told_apart() {
    let observed = Observed::new();
    let service = ServerLayer::new(&observed.handle).layer(app());
    let kinds = [
        ("GET", Version::HTTP_11, "/health", "GET /health"),
        ("POST", Version::HTTP_11, "/health", "POST /health"),
        ("GET", Version::HTTP_2, "/health", "GET /health"),
        ("PURGE", Version::HTTP_10, "/nowhere", "HTTP"),
        (
            "GET",
            Version::HTTP_11,
            "https://a.example/health",
            "GET /health",
        ),
        ("GET", Version::HTTP_11, "/health", "GET /health"),
    ];
    for (method, version, uri, _) in kinds {
        let request = Request::builder().method(method).version(version).uri(uri);
        let request = request.body(Body::empty()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let ends = observed.ends();
    assert_eq!(ends.len(), kinds.len());
    for (end, (method, version, uri, name)) in ends.iter().zip(kinds) {
        assert_eq!(end.0.name, name);
        let known = if method == "PURGE" { "_OTHER" } else { method };
        assert_eq!(end.text("http.request.method"), known);
        let version = format!("{version:?}")
            .replace("HTTP/", "")
            .replace("2.0", "2");
        assert_eq!(end.text("network.protocol.version"), version);
        let is_https = uri.starts_with("https:");
        assert_eq!(
            end.text("url.scheme"),
            if is_https { "https" } else { "http" }
        );
    }
}

#[tokio::test]
async fn the_route_is_known_inside_the_router_and_around_the_whole_app() {
    let observed = Observed::new();
    let inside = app().layer(ServerLayer::new(&observed.handle));
    send(inside, "GET", "/api/rooms/7").await;
    let outside = Router::new().fallback_service(ServerLayer::new(&observed.handle).layer(app()));
    send(outside, "GET", "/api/rooms/7").await;
    for end in observed.ends() {
        let expected = (
            "GET /api/rooms/{id}".into(),
            Some("/api/rooms/{id}".into()),
            Some("chat".into()),
        );
        assert_eq!(names(&end), expected);
        let mut keys: Vec<_> = end
            .0
            .attributes
            .iter()
            .map(|attribute| attribute.key.as_str())
            .collect();
        keys.sort_unstable();
        assert!(
            keys.is_sorted_by(|a, b| a < b),
            "a key stands twice: {keys:?}"
        );
    }
}

#[tokio::test]
async fn an_unmatched_path_is_never_a_route() {
    let observed = Observed::new();
    send(
        app().layer(ServerLayer::new(&observed.handle)),
        "GET",
        "/no/such/thing",
    )
    .await;
    assert_eq!(names(&observed.only_end()), ("GET".into(), None, None));
}

#[tokio::test]
async fn an_unknown_method_is_other_and_kept_as_original() {
    let observed = Observed::new();
    send(
        app().layer(ServerLayer::new(&observed.handle)),
        "FOO",
        "/health",
    )
    .await;
    let end = observed.only_end();
    assert_eq!(end.0.name, "HTTP /health");
    assert_eq!(end.text("http.request.method"), "_OTHER");
    assert_eq!(end.text("http.request.method_original"), "FOO");
}

#[tokio::test]
async fn the_caller_is_continued_linked_or_ignored_as_the_rule_says() {
    for (trust, continued, links) in [
        (Trust::Continue, true, 0),
        (Trust::PublicEdge, false, 1),
        (Trust::Ignore, false, 0),
    ] {
        let observed = Observed::new();
        let layer = ServerLayer::new(&observed.handle).trust(move |_| trust);
        send(app().layer(layer), "GET", "/health").await;
        let span = observed.only_end().0;
        let trace = span.span_context.trace_id().to_string();
        assert_eq!(trace == CALLER[3..35], continued, "{trust:?}");
        assert_eq!(
            span.parent_span_id != SpanId::INVALID,
            continued,
            "{trust:?}"
        );
        assert_eq!(span.links.len(), links, "{trust:?}");
    }
}

#[tokio::test]
async fn the_root_span_is_current_in_the_handler_and_while_the_body_is_produced() {
    let observed = Observed::new();
    let tracer = Arc::new(observed.tracer.tracer("user"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let service = service_fn({
        let seen = Arc::clone(&seen);
        move |_: Request<Body>| {
            let (seen, tracer) = (Arc::clone(&seen), Arc::clone(&tracer));
            async move {
                tracer.in_span("child", |_| {});
                let note = move || {
                    let id = Context::current().span().span_context().span_id();
                    seen.lock().unwrap().push(id);
                };
                note();
                let frames = common::iter([0]).map_ok_frame(note);
                Ok::<_, Infallible>(Response::new(http_body_util::StreamBody::new(frames)))
            }
        }
    });
    let app = ServerLayer::new(&observed.handle).layer(service);
    let response = app.oneshot(Request::new(Body::empty())).await.unwrap();
    response.into_body().collect().await.unwrap();
    let ends = observed.ends();
    let root = ends
        .iter()
        .find(|end| end.0.name == "GET")
        .unwrap()
        .0
        .span_context
        .span_id();
    let child = ends.iter().find(|end| end.0.name == "child").unwrap();
    assert_eq!(child.0.parent_span_id, root);
    assert_eq!(*seen.lock().unwrap(), [root, root]);
}

trait MapOkFrame: futures_util::Stream<Item = i32> + Sized {
    /// One data frame an item, calling `note` as it is produced.
    fn map_ok_frame(
        self,
        note: impl Fn(),
    ) -> impl futures_util::Stream<Item = Result<http_body::Frame<bytes::Bytes>, Infallible>> {
        futures_util::StreamExt::map(self, move |_| {
            note();
            Ok(http_body::Frame::data(bytes::Bytes::from("x")))
        })
    }
}

impl<S: futures_util::Stream<Item = i32>> MapOkFrame for S {}

#[tokio::test]
async fn only_an_upgrade_gets_a_seed() {
    for (upgrade, expected) in [(true, true), (false, false)] {
        let observed = Observed::new();
        let seen = Arc::new(Mutex::new(None));
        let note = Arc::clone(&seen);
        let handler = move |request: axum::extract::Request| async move {
            *note.lock().unwrap() = Some(request.extensions().get::<Seed>().is_some());
        };
        let app = Router::new()
            .route("/live", any(handler))
            .layer(ServerLayer::new(&observed.handle));
        let mut request = Request::get("/live");
        if upgrade {
            request = request
                .header("connection", "upgrade")
                .header("upgrade", "websocket");
        }
        app.oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(*seen.lock().unwrap(), Some(expected));
    }
}

#[tokio::test]
async fn without_any_provider_the_answer_is_the_same() {
    let service = service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
    });
    let app = ServerLayer::from_global().layer(service);
    assert_eq!(app.oneshot(Request::new(())).await.unwrap().status(), 200);
}
