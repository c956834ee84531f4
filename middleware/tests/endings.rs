//! Every way an exchange can end: one span, one duration, nothing left active.
#![allow(clippy::unwrap_used)]

mod common;

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use campanile_http::ServerLayer;
use common::Observed;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody, channel::Channel};
use opentelemetry::trace::Status;
use tower::{Layer, Service, ServiceExt, service_fn};

fn get(path: &str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

fn layer(observed: &Observed) -> ServerLayer {
    ServerLayer::new(&observed.handle)
}

async fn drain<B: Body<Error: std::fmt::Debug>>(body: B) -> Bytes {
    body.collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn a_body_read_to_its_end_is_completed() {
    let observed = Observed::new();
    let app = layer(&observed).layer(service_fn(async |_| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hi"))))
    }));
    let response = app.oneshot(get("/x?token=secret")).await.unwrap();
    assert_eq!(observed.ends().len(), 0, "the head is not the end");
    assert_eq!(drain(response.into_body()).await, "hi");
    let end = observed.only_end();
    assert_eq!(
        (end.text("campanile.outcome"), end.text("campanile.phase")),
        ("completed".into(), "body".into())
    );
    assert_eq!(end.text("url.query"), "token=REDACTED");
    assert_eq!(end.text("http.response.status_code"), "200");
    assert_eq!(end.status(), Status::Unset);
}

#[tokio::test]
async fn a_body_streamed_for_300_ms_makes_a_span_and_a_sample_of_300_ms() {
    let observed = Observed::new();
    let pause = std::time::Duration::from_millis(100);
    let app = layer(&observed).layer(service_fn(async |_| {
        let frames = futures_util::stream::unfold(0, move |sent| async move {
            if sent == 3 {
                return None;
            }
            tokio::time::sleep(pause).await;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from("x"))), sent + 1))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(Box::pin(frames))))
    }));
    drain(app.oneshot(get("/")).await.unwrap().into_body()).await;
    let end = observed.only_end().0;
    let took = end.end_time.duration_since(end.start_time).unwrap();
    assert!(took >= 3 * pause, "{took:?}");
}

#[tokio::test]
async fn a_body_dropped_half_way_means_that_the_client_is_gone() {
    let observed = Observed::new();
    let app = layer(&observed).layer(service_fn(async |_| {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(2);
        sender.send_data(Bytes::from("first")).await.unwrap();
        std::mem::forget(sender);
        Ok::<_, Infallible>(Response::new(body))
    }));
    let mut body = app.oneshot(get("/")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let end = observed.only_end();
    assert_eq!(
        (end.text("campanile.outcome"), end.text("campanile.phase")),
        ("client_gone".into(), "body".into())
    );
    assert_eq!(end.text("error.type"), "client_gone");
    assert_eq!(
        end.text("http.response.status_code"),
        "200",
        "the status that was sent stays"
    );
    assert_eq!(end.status(), Status::error(""));
}

#[tokio::test]
async fn a_future_dropped_before_its_head_means_that_the_client_is_gone() {
    let observed = Observed::new();
    let app = layer(&observed).layer(service_fn(async |_| {
        pending::<Result<Response<Empty<Bytes>>, Infallible>>().await
    }));
    {
        let mut call = pin!(app.oneshot(get("/")));
        poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!(observed.active(), 1);
    }
    let end = observed.only_end();
    assert_eq!(
        (end.text("campanile.outcome"), end.text("campanile.phase")),
        ("client_gone".into(), "head".into())
    );
    assert_eq!(end.attribute("http.response.status_code"), None);
}

#[tokio::test]
async fn a_failing_body_is_a_body_error() {
    let observed = Observed::new();
    let app = layer(&observed).layer(service_fn(async |_| {
        let frames = [Ok(Frame::data(Bytes::from("a"))), Err("broken")];
        Ok::<_, Infallible>(Response::new(StreamBody::new(common::iter(frames))))
    }));
    let error = app
        .oneshot(get("/"))
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap_err();
    assert_eq!(error, "broken", "the error passes untouched");
    assert_eq!(observed.only_end().text("error.type"), "body_error");
}

#[tokio::test]
async fn an_error_of_the_service_is_a_handler_error() {
    let observed = Observed::new();
    let app = layer(&observed).layer(service_fn(async |_| Err::<Response<Empty<Bytes>>, _>("no")));
    assert_eq!(app.oneshot(get("/")).await.unwrap_err(), "no");
    let end = observed.only_end();
    assert_eq!(
        (end.text("campanile.outcome"), end.text("campanile.phase")),
        ("handler_error".into(), "head".into())
    );
}

#[tokio::test]
async fn a_panic_is_a_panic_whoever_catches_it() {
    let observed = Observed::new();
    let app = layer(&observed).layer(service_fn(async |_: Request<()>| {
        if true {
            panic!("on purpose");
        }
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    }));
    let mut call = Box::pin(app.oneshot(get("/")));
    let caught = poll_fn(|cx| {
        let polled =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call.as_mut().poll(cx)));
        Poll::Ready(polled.is_err())
    })
    .await;
    assert!(caught);
    drop(call);
    let end = observed.only_end();
    assert_eq!(
        (end.text("campanile.outcome"), end.text("error.type")),
        ("panic".into(), "panic".into())
    );
}

#[test]
fn a_request_that_is_finished_while_somebody_else_panics_completes() {
    struct AtUnwinding<F: FnMut()>(F);

    impl<F: FnMut()> Drop for AtUnwinding<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    let observed = Observed::new();
    let app = layer(&observed).layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("done"))))
    }));
    let finish = || {
        let call = async { app.clone().oneshot(get("/")).await.unwrap().collect().await };
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(std::pin::pin!(call).poll(&mut cx).is_ready());
    };
    let other = std::panic::AssertUnwindSafe(|| {
        let _last = AtUnwinding(finish);
        panic!("of somebody else");
    });
    assert!(std::panic::catch_unwind(other).is_err());
    assert_eq!(observed.only_end().text("campanile.outcome"), "completed");
}

#[tokio::test]
async fn a_panic_in_the_body_is_a_panic() {
    let observed = Observed::new();
    let app = layer(&observed).layer(service_fn(async |_| {
        let frames = (0..2).map(|i| match i {
            0 => Ok::<_, Infallible>(Frame::data(Bytes::from("a"))),
            _ => panic!("on purpose"),
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(common::iter(frames))))
    }));
    let body = app.oneshot(get("/")).await.unwrap().into_body();
    let task = tokio::spawn(body.collect());
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(observed.only_end().text("campanile.outcome"), "panic");
}

#[tokio::test]
async fn trailers_pass_and_end_the_exchange() {
    let observed = Observed::new();
    let app = layer(&observed).layer(service_fn(async |_| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let frames = [
            Ok::<_, Infallible>(Frame::data(Bytes::from("a"))),
            Ok(Frame::trailers(trailers)),
        ];
        Ok::<_, Infallible>(Response::new(StreamBody::new(common::iter(frames))))
    }));
    let all = app
        .oneshot(get("/"))
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    assert_eq!(all.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(observed.only_end().text("campanile.outcome"), "completed");
}

#[tokio::test]
async fn what_has_no_body_ends_at_its_head() {
    for (method, status, outcome) in [
        (Method::HEAD, 200, "completed"),
        (Method::GET, 204, "completed"),
        (Method::GET, 304, "completed"),
        (Method::GET, 101, "upgraded"),
        (Method::CONNECT, 200, "upgraded"),
    ] {
        let observed = Observed::new();
        let app = layer(&observed).layer(service_fn(move |_| async move {
            let mut response = Response::new(Channel::<Bytes>::new(1).1);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok::<_, Infallible>(response)
        }));
        let request = Request::builder().method(method.clone()).body(()).unwrap();
        drop(app.oneshot(request).await.unwrap());
        let end = observed.only_end();
        assert_eq!(end.text("campanile.outcome"), outcome, "{method} {status}");
        assert_eq!(end.attribute("error.type"), None);
    }
}

#[tokio::test]
async fn a_server_that_stops_at_the_promised_length_has_completed() {
    let observed = Observed::new();
    let app = layer(&observed).layer(service_fn(async |_| {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(2);
        sender.send_data(Bytes::from("12345")).await.unwrap();
        std::mem::forget(sender);
        Ok::<_, Infallible>(
            Response::builder()
                .header("content-length", 5)
                .body(body)
                .unwrap(),
        )
    }));
    let mut body = app.oneshot(get("/")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(observed.only_end().text("campanile.outcome"), "completed");
}

#[tokio::test]
async fn status_follows_the_conventions_for_servers() {
    for (status, error) in [
        (200, None),
        (404, None),
        (499, None),
        (500, Some("500")),
        (503, Some("503")),
    ] {
        let observed = Observed::new();
        let app = layer(&observed).layer(service_fn(move |_| async move {
            Ok::<_, Infallible>(
                Response::builder()
                    .status(status)
                    .body(Empty::<Bytes>::new())
                    .unwrap(),
            )
        }));
        app.oneshot(get("/")).await.unwrap();
        let end = observed.only_end();
        assert_eq!(end.attribute("error.type").as_deref(), error, "{status}");
        let expected = if error.is_some() {
            Status::error("")
        } else {
            Status::Unset
        };
        assert_eq!(end.status(), expected, "{status}");
    }
}

#[tokio::test]
async fn readiness_of_the_inner_service_passes_through() {
    let observed = Observed::new();
    let mut app = layer(&observed).layer(common::NotReady);
    let error = poll_fn(|cx| Service::<Request<()>>::poll_ready(&mut app, cx)).await;
    assert_eq!(error, Err("not ready"));
    assert_eq!(observed.ends().len(), 0);
}

#[tokio::test]
async fn a_server_that_stops_after_the_trailers_has_completed() {
    let observed = Observed::new();
    let app = layer(&observed).layer(service_fn(async |_| {
        let trailers = Frame::<Bytes>::trailers(HeaderMap::new());
        let frames = common::iter([Ok::<_, Infallible>(trailers)]);
        Ok::<_, Infallible>(Response::new(StreamBody::new(frames)))
    }));
    let mut body = app.oneshot(get("/")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(observed.only_end().text("campanile.outcome"), "completed");
}
