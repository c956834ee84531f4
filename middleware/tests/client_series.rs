//! Hosts chosen by strangers do not flood the metrics. In a process of its own, as the table of
//! targets is the process's.
#![allow(clippy::unwrap_used)]

mod common;

use std::convert::Infallible;

use bytes::Bytes;
use campanile_http::ClientLayer;
use campanile_recorder::MAX_TARGETS;
use common::Observed;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, ServiceExt, service_fn};

const DURATION: &str = "http.client.request.duration";

/// Calls `count` hosts, all of which answer with `status`.
async fn call(observed: &Observed, count: usize, status: u16) {
    let client = ClientLayer::new(&observed.handle).layer(service_fn(move |_| async move {
        let response = Response::builder().status(status);
        Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
    }));
    for i in 0..count {
        let request = Request::get(format!("http://{i}.example/"));
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        client.clone().oneshot(request).await.unwrap();
    }
}

#[tokio::test]
async fn hosts_chosen_by_strangers_do_not_flood_the_metrics() {
    let observed = Observed::new();
    call(&observed, 3000, 200).await;
    let points = observed.histogram(DURATION);
    assert_eq!(points.len(), MAX_TARGETS + 1);
    let other = points
        .iter()
        .find(|point| point.0.contains(&"server.address=_OTHER".to_owned()));
    assert_eq!(other.unwrap().1, 3000 - MAX_TARGETS as u64);
    let last = observed.ends().pop().unwrap();
    assert_eq!(
        last.text("server.address"),
        "2999.example",
        "spans keep the real one"
    );

    call(&observed, 3000, 404).await;
    let points = observed.histogram(DURATION);
    assert!(points.len() <= 1901, "{}", points.len());
    assert_eq!(
        points.iter().map(|point| point.1).sum::<u64>(),
        6000,
        "none is lost"
    );
    let over = points
        .iter()
        .find(|point| point.0 == ["otel.metric.overflow=true"]);
    let counted = observed.count("campanile.cardinality.overflows");
    assert_eq!(
        over.unwrap().1,
        counted.unwrap(),
        "and what was folded is counted"
    );
}
