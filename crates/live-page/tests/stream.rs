//! The stream: what a page hears while telemetry arrives.

#![allow(clippy::unwrap_used)]

mod support;
#[path = "../../../tests/src/until.rs"]
mod until;

use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use campanile_otlp_receiver::Receiver;
use http_body_util::BodyExt as _;
use serde_json::Value;
use support::{Page, Trace};
use until::{HANG, until};

/// Reads events as a browser does.
struct Events {
    body: Body,
    text: String,
}

impl Events {
    fn of(response: Response<Body>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body(),
            text: String::new(),
        }
    }

    /// The next event: name, id, data. Comments are skipped.
    async fn next(&mut self) -> (String, Option<String>, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                let found = field("event: ").map(|name| {
                    (
                        name,
                        field("id: "),
                        serde_json::from_str(&field("data: ").unwrap()).unwrap(),
                    )
                });
                self.text = rest.to_owned();
                if let Some(found) = found {
                    return found;
                }
                continue;
            }
            let frame = tokio::time::timeout(HANG, self.body.frame())
                .await
                .expect("an event in time")
                .expect("the stream goes on")
                .unwrap();
            self.text
                .push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }

    async fn until(&mut self, accept: impl Fn(&str, &Value) -> bool) -> (Option<String>, Value) {
        loop {
            let (name, id, data) = self.next().await;
            if accept(&name, &data) {
                return (id, data);
            }
        }
    }
}

async fn open(page: &Page, query: &str) -> Events {
    Events::of(
        page.open(Method::GET, &format!("/api/stream?{query}"), &[])
            .await,
    )
}

fn added(data: &Value) -> usize {
    data["add"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_stream_says_where_it_stands_then_what_is_new() {
    let page = Page::start().await;
    page.send([Trace::request("GET", "/before").lasting(3)])
        .await;
    let mut events = open(&page, "view=traces").await;
    let (name, _, hello) = events.next().await;
    assert_eq!(
        (
            name.as_str(),
            hello["v"].as_u64(),
            hello["held"]["spans"].as_u64()
        ),
        ("hello", Some(1), Some(1))
    );
    let request = Trace::request("GET", "/rooms").lasting(3);
    let id = request.trace_hex();
    page.send([request]).await;
    let (cursor, d) = events
        .until(|name, data| name == "d" && added(data) > 0)
        .await;
    assert_eq!(
        (added(&d), &d["add"][0][0], &d["cols"][0]),
        (1, &id.into(), &"id".into())
    );
    assert_eq!(
        cursor,
        d["cursor"].as_str().map(str::to_owned),
        "the id of the event is where to go on"
    );
}

#[tokio::test]
async fn only_what_the_filter_shows_travels() {
    let page = Page::start().await;
    let mut events = open(&page, "view=traces&q=route:/rooms").await;
    events.next().await;
    page.send([
        Trace::request("GET", "/other"),
        Trace::request("GET", "/rooms"),
        Trace::request("GET", "/more"),
    ])
    .await;
    let (_, d) = events.until(|_, data| added(data) > 0).await;
    assert_eq!((added(&d), &d["add"][0][4]), (1, &"/rooms".into()));
}

#[tokio::test]
async fn a_stream_resumes_where_it_broke() {
    let page = Page::start().await;
    let mut events = open(&page, "view=logs").await;
    events.next().await;
    let of = Trace::request("GET", "/");
    page.send_log(&of, 9, "first", "").await;
    let (id, _) = events.until(|_, data| added(data) > 0).await;
    drop(events);
    page.send_log(&of, 9, "second", "").await;
    page.send_log(&of, 9, "third", "").await;
    let again = page
        .open(
            Method::GET,
            "/api/stream?view=logs",
            &[("last-event-id", &id.unwrap())],
        )
        .await;
    let (_, d) = Events::of(again)
        .until(|name, data| name == "d" && added(data) > 0)
        .await;
    let names: Vec<_> = d["add"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row[5].as_str().unwrap())
        .collect();
    assert_eq!(names, ["second", "third"]);
}

#[tokio::test]
async fn a_cursor_of_another_run_is_a_gap() {
    let page = Page::start().await;
    for cursor in ["e1.5", "nonsense", "e%00.1"] {
        let mut events = open(&page, &format!("view=logs&cursor={cursor}")).await;
        events.next().await;
        let (name, _, gap) = events.next().await;
        assert_eq!(
            (name.as_str(), gap["why"].as_str()),
            ("gap", Some("restarted"))
        );
    }
}

#[tokio::test]
async fn what_left_the_memory_is_a_gap() {
    let receiver = Receiver::builder()
        .max_bytes(256 * 1024)
        .start()
        .await
        .unwrap();
    let page = Page::over(receiver).await;
    page.send([Trace::request("GET", "/first")]).await;
    let cursor = page.json("/api/traces").await["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    for _ in 0..20 {
        page.send((0..100).map(|_| Trace::request("GET", "/rooms")))
            .await;
    }
    let mut events = open(&page, &format!("view=traces&cursor={cursor}")).await;
    let (_, gap) = events.until(|name, _| name == "gap").await;
    assert_eq!(gap["why"], "evicted");
    assert!(gap["rows"].as_u64().unwrap() > 0);
    assert_eq!(gap["from"], cursor);
}

#[tokio::test]
async fn a_page_that_does_not_read_is_told_of_a_gap_and_slows_nobody() {
    let page = Page::start().await;
    let mut events = open(&page, "view=traces").await;
    events.next().await;
    // Nothing is read while this arrives: more than 256 KiB of rows.
    for _ in 0..12 {
        page.send(
            (0..500).map(|at| Trace::request("GET", &format!("/rooms/{at}/{}", "x".repeat(80)))),
        )
        .await;
    }
    assert_eq!(
        page.receiver.spans().len(),
        6000,
        "the receiver took everything"
    );
    let (_, gap) = events.until(|name, _| name == "gap").await;
    assert_eq!(gap["why"], "client_slow");
    page.send([Trace::request("GET", "/after")]).await;
    let (_, d) = events
        .until(|name, data| name == "d" && added(data) > 0)
        .await;
    assert!(
        d["add"].to_string().contains("/after"),
        "the list goes on: {d}"
    );
    assert!(
        page.json("/api/pipeline").await["pipeline"]["skipped"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[tokio::test]
async fn frames_stay_small() {
    let page = Page::start().await;
    let mut events = open(&page, "view=logs").await;
    events.next().await;
    let of = Trace::request("GET", "/");
    for _ in 0..450 {
        page.send_log(&of, 9, "message.stored", &"y".repeat(150))
            .await;
    }
    let mut rows = 0;
    while rows < 450 {
        let (_, d) = events
            .until(|name, data| name == "d" && added(data) > 0)
            .await;
        assert!(added(&d) <= 200 && d.to_string().len() <= 64 * 1024);
        rows += added(&d);
    }
    assert_eq!(rows, 450, "each line travels once");
}

#[tokio::test]
async fn totals_follow_without_rows() {
    let page = Page::start().await;
    let mut events = open(&page, "view=overview").await;
    events.next().await;
    page.send((0..5).map(|_| Trace::request("GET", "/rooms")))
        .await;
    let (_, d) = events
        .until(|_, data| data["agg"]["routes"]["rows"][0]["n"] == 5)
        .await;
    assert_eq!(d["agg"]["verdict"]["rule"], "on_target");
    assert!(d["add"].is_null());
}

#[tokio::test]
async fn a_trace_says_when_more_of_it_arrived() {
    let page = Page::start().await;
    let trace = Trace::request("GET", "/rooms").lasting(50);
    let mut events = open(&page, &format!("view=trace&id={}", trace.trace_hex())).await;
    events.next().await;
    page.send([Trace::request("GET", "/other")]).await;
    page.send([trace.child("work", 1, 5)]).await;
    let (_, d) = events
        .until(|_, data| data["agg"]["changed"].as_u64() > Some(0))
        .await;
    assert_eq!(d["agg"]["changed"], 2);
}

#[tokio::test]
async fn the_ninth_page_is_told_to_wait_and_a_closed_one_makes_room() {
    let page = Page::start().await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(open(&page, "view=overview").await);
    }
    let refused = page
        .ask(Method::GET, "/api/stream?view=overview", &[])
        .await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.text().contains("8 pages"), "{}", refused.text());
    streams.pop();
    let is_free = async || {
        let pages = page.json("/api/pipeline?t=1m").await["pipeline"]["pages"].clone();
        (pages != 8).then_some(())
    };
    until(HANG, "a seat that is given back", is_free).await;
    assert_eq!(
        page.open(Method::GET, "/api/stream?view=overview", &[])
            .await
            .status(),
        StatusCode::OK
    );
}
