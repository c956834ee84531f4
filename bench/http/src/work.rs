//! The work every contender is measured on: the same requests, one after the other.
//!
//! It is the work of the peers' benchmark whose figures `docs/performance.md` quotes, so that the
//! numbers can stand side by side.

use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, Request, header};
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};

/// The first half of every trace id, and the caller's span.
pub const TRACE_PREFIX: u64 = 0x0af7_6519_16cd_43dd;
pub const CALLER_SPAN: u64 = 0xb7ad_6b71_6920_3331;

/// The function whose instructions count; see [`drive`].
pub const DRIVE: &str = "campanile_bench_http::work::drive";

/// `GET /items/{id}`, answered by 1,029 bytes of JSON.
pub fn router() -> Router {
    let mut filler = String::from(r#","name":"thing","tags":["a","b","c"],"note":""#);
    while filler.len() < 995 {
        filler.push_str("lorem ipsum dolor sit amet ");
    }
    filler.push_str("\"}");
    let filler: &'static str = filler.leak();
    let item = move |Path(id): Path<u64>| std::future::ready(answer(id, filler));
    Router::new()
        .route("/items/{id}", get(item))
        .route("/health", get(|| async { "ok" }))
}

fn answer(id: u64, filler: &str) -> Response {
    let mut body = String::with_capacity(1100);
    body.push_str("{\"id\":");
    body.push_str(&id.to_string());
    body.push_str(filler);
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], body).into_response()
}

/// 256 requests that differ in path and trace id.
pub fn requests(is_sampled: bool) -> Vec<Request<()>> {
    let peer: SocketAddr = ([192, 0, 2, 17], 50123).into();
    let flags = u8::from(is_sampled);
    let request = |i: u64| {
        let low = 0x8448_eb21_1c80_3100 | i;
        let traceparent =
            format!("00-{TRACE_PREFIX:016x}{low:016x}-{CALLER_SPAN:016x}-{flags:02x}");
        let mut request = Request::get(format!("/items/{}", 1000 + i))
            .header("host", "shop.example.com:8080")
            .header("user-agent", "bench-peers/1.0 (loopback; semconv)")
            .header("accept", "application/json")
            .header("traceparent", traceparent)
            .header("tracestate", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
            .header(
                "baggage",
                "userId=alice,serverNode=DF-28,isProduction=false",
            )
            .body(())
            .expect("a request");
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    };
    (0..256).map(request).collect()
}

/// The same requests as a client makes them: absolute, and without a trace context of their own.
pub fn outgoing() -> Vec<Request<()>> {
    let request = |i: u64| {
        Request::get(format!("http://shop.example.com:8080/items/{}", 1000 + i))
            .header("user-agent", "bench-peers/1.0 (loopback; semconv)")
            .header("accept", "application/json")
            .body(())
            .expect("a request")
    };
    (0..256).map(request).collect()
}

/// Sends `count` requests the way a server does: clones the service, calls it once, reads the
/// body to its end.
///
/// Nothing here ever waits, so it needs no runtime. It is never inlined, as callgrind finds it by
/// its name.
#[inline(never)]
pub fn drive<S>(service: &S, pool: &[Request<()>], count: usize)
where
    S: Service<Request<Body>, Response = Response, Error = std::convert::Infallible> + Clone,
{
    for template in pool.iter().cycle().take(count) {
        let request = template.clone().map(|()| Body::empty());
        let response = at_once(service.clone().oneshot(request)).expect("infallible");
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        while let Some(frame) = at_once(body.frame()) {
            frame.expect("a frame");
        }
    }
}

fn at_once<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}
