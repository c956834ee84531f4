//! The access event: one for each request that is worth it, however it ends.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Future, pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use campanile_http::{AccessLog, ServerLayer};
use common::Observed;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, channel::Channel};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tower::{Layer, ServiceExt, service_fn};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What an event said, and the span it was said in.
type Told = BTreeMap<&'static str, String>;

/// Keeps access events, and nothing else.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Told>>>);

struct Fields<'a>(&'a mut Told);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name() == "campanile.access"
    }

    fn event(&self, event: &Event<'_>) {
        let mut told = Told::new();
        event.record(&mut Fields(&mut told));
        let id = Context::map_current(|context| context.span().span_context().span_id());
        told.insert("span_id", id.to_string());
        self.0.lock().unwrap().push(told);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Runs `work` over a layer, and gives what was told, and what was measured.
async fn told<F: Future<Output = ()>>(
    access_log: Option<AccessLog>,
    work: impl FnOnce(ServerLayer) -> F,
) -> (Vec<Told>, Observed) {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let observed = Observed::new();
    let mut layer = ServerLayer::new(&observed.handle)
        .domain("shop")
        .body_sizes();
    if let Some(access_log) = access_log {
        layer = layer.access_log(access_log);
    }
    work(layer).await;
    let told = log.0.lock().unwrap().clone();
    (told, observed)
}

fn get() -> Request<()> {
    Request::get("/x?token=s3cr3t").body(()).unwrap()
}

fn answer(status: StatusCode) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status);
    response.body(Full::new(Bytes::from("hello"))).unwrap()
}

async fn answered(layer: ServerLayer, status: StatusCode) {
    let app = layer.layer(service_fn(move |_| async move {
        Ok::<_, Infallible>(answer(status))
    }));
    let response = app.oneshot(get()).await.unwrap();
    response.into_body().collect().await.unwrap();
}

#[tokio::test]
async fn by_default_failures_are_told_and_what_went_well_is_not() {
    let (none, _) = told(None, |layer| answered(layer, StatusCode::OK)).await;
    assert_eq!(none, []);
    let (none, _) = told(None, |layer| answered(layer, StatusCode::NOT_FOUND)).await;
    assert_eq!(none, []);

    let (told, observed) = told(None, |layer| answered(layer, StatusCode::BAD_GATEWAY)).await;
    let [told] = &told[..] else {
        panic!("{told:?}")
    };
    let end = observed.only_end();
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "502"),
        ("campanile.outcome", "completed"),
        ("campanile.phase", "body"),
        ("error.type", "502"),
        ("http.response.body.size", "5"),
        ("span_id", &end.0.span_context.span_id().to_string()),
    ] {
        assert_eq!(
            told.get(key).map(String::as_str),
            Some(value),
            "{key}: {told:?}"
        );
    }
    assert_eq!(told.get("http.route"), None, "there was no template");
    let took = end.0.end_time.duration_since(end.0.start_time).unwrap();
    assert_eq!(
        told["campanile.request.duration"],
        format!("{:?}", took.as_secs_f64())
    );
    assert!(
        !format!("{told:?}").contains("s3cr3t"),
        "no query value is told"
    );
}

#[tokio::test]
async fn what_is_slow_is_told_and_nothing_when_it_is_off() {
    let slow = AccessLog::slower_than(Duration::ZERO);
    let (one, _) = told(Some(slow), |layer| answered(layer, StatusCode::OK)).await;
    assert_eq!(one.len(), 1, "whatever takes no time took at least none");
    let never = AccessLog::slower_than(Duration::MAX);
    let (none, _) = told(Some(never), |layer| answered(layer, StatusCode::OK)).await;
    assert_eq!(none, []);
    let off = Some(AccessLog::Off);
    let (none, _) = told(off, |layer| answered(layer, StatusCode::BAD_GATEWAY)).await;
    assert_eq!(none, []);
}

/// Every ending, with the outcome it is told with.
#[tokio::test]
async fn each_ending_is_told_exactly_once() {
    let all = Some(AccessLog::All);
    let outcome = |told: &[Told]| {
        let [told] = told else { panic!("{told:?}") };
        (
            told["campanile.outcome"].clone(),
            told["campanile.phase"].clone(),
        )
    };
    let is = |outcome: &str, phase: &str| (outcome.to_owned(), phase.to_owned());

    let (end, _) = told(all, |layer| answered(layer, StatusCode::OK)).await;
    assert_eq!(outcome(&end), is("completed", "body"));
    let (end, _) = told(all, |layer| {
        answered(layer, StatusCode::SWITCHING_PROTOCOLS)
    })
    .await;
    assert_eq!(outcome(&end), is("upgraded", "body"));

    let (end, _) = told(all, |layer| async move {
        let app = layer.layer(service_fn(async |_| {
            Err::<Response<Full<Bytes>>, _>("broken")
        }));
        app.oneshot(get()).await.map(drop).unwrap_err();
    })
    .await;
    assert_eq!(outcome(&end), is("handler_error", "head"));

    let (end, _) = told(all, |layer| async move {
        let app = layer.layer(service_fn(async |_| {
            pending::<Result<Response<Full<Bytes>>, Infallible>>().await
        }));
        let mut call = pin!(app.oneshot(get()));
        poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    })
    .await;
    assert_eq!(outcome(&end), is("client_gone", "head"));

    let (end, _) = told(all, |layer| async move {
        let app = layer.layer(service_fn(async |_| {
            let (sender, body) = Channel::<Bytes, Infallible>::new(2);
            std::mem::forget(sender);
            Ok::<_, Infallible>(Response::new(body))
        }));
        drop(app.oneshot(get()).await.unwrap());
    })
    .await;
    assert_eq!(outcome(&end), is("client_gone", "body"));

    let (end, _) = told(all, |layer| async move {
        let app = layer.layer(service_fn(async |_| {
            let frames = [Ok(Frame::data(Bytes::from("a"))), Err("broken")];
            Ok::<_, Infallible>(Response::new(StreamBody::new(common::iter(frames))))
        }));
        let body = app.oneshot(get()).await.unwrap().into_body();
        body.collect().await.map(drop).unwrap_err();
    })
    .await;
    assert_eq!(outcome(&end), is("body_error", "body"));

    let (end, _) = told(all, |layer| async move {
        let app = layer.layer(service_fn(|_| async {
            if true {
                panic!("on purpose");
            }
            Ok::<_, Infallible>(answer(StatusCode::OK))
        }));
        let caught = AssertUnwindSafe(app.oneshot(get())).catch_unwind().await;
        assert!(caught.is_err());
    })
    .await;
    assert_eq!(outcome(&end), is("panic", "head"));
}
