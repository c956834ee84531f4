//! The live page as a browser meets it: real OTLP in, HTTP out.

#![allow(clippy::unwrap_used)]

mod support;

use axum::http::{Method, StatusCode};
use support::{Page, Trace};

const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_no_cors() {
    let page = Page::start().await;
    for path in [
        "/",
        "/traces/abc",
        "/assets/main.js",
        "/assets/none.js",
        "/api/overview",
        "/api/nothing",
        "/nowhere",
    ] {
        let response = page.get(path).await;
        for (name, value) in HEADERS {
            assert_eq!(response.header(name), Some(value), "{name} on {path}");
        }
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn an_unknown_host_is_refused_before_anything_is_told() {
    let page = Page::start().await;
    for host in ["evil.example", "127.0.0.1.evil.example:80", ""] {
        let response = page
            .ask(Method::GET, "/api/overview", &[("host", host)])
            .await;
        assert_eq!(response.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(response.text().contains("localhost"), "{}", response.text());
        assert_eq!(response.header(HEADERS[0].0), Some(HEADERS[0].1));
    }
    let response = page
        .ask(Method::GET, "/api/overview", &[("host", "box.local:8080")])
        .await;
    assert_eq!(
        response.status,
        StatusCode::OK,
        "an allowed host is answered"
    );
}

#[tokio::test]
async fn only_the_sample_can_be_posted_and_only_from_the_page() {
    let page = Page::start().await;
    for path in ["/", "/api/view", "/api/overview", "/api/stream"] {
        assert_eq!(
            page.ask(Method::POST, path, &[]).await.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{path}"
        );
    }
    let from_elsewhere = [
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    for header in from_elsewhere {
        assert_eq!(
            page.ask(Method::POST, "/api/sample", &[header])
                .await
                .status,
            StatusCode::FORBIDDEN
        );
    }
    assert!(page.receiver.spans().is_empty());
    let sent = page
        .ask(
            Method::POST,
            "/api/sample",
            &[("sec-fetch-site", "same-origin")],
        )
        .await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
    let id = page.receiver.spans()[0].trace_id;
    let trace = page.json(&format!("/api/traces/{id}")).await;
    assert_eq!(
        (trace["count"].as_u64(), trace["logs"].as_u64()),
        (Some(6), Some(2))
    );
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let page = Page::start().await;
    let first = page.get("/assets/main.js").await;
    assert_eq!(
        first.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    let tag = first.header("etag").unwrap().to_owned();
    let second = page
        .ask(Method::GET, "/assets/main.js", &[("if-none-match", &tag)])
        .await;
    assert_eq!(
        (second.status, second.body.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
}

#[tokio::test]
async fn nothing_yet_says_where_to_send() {
    let page = Page::start().await;
    let overview = page.json("/api/overview").await;
    assert_eq!(overview["kept"]["arrived"], 0);
    assert_eq!(overview["kept"]["grpc"], page.receiver.grpc_endpoint());
    assert_eq!(overview["v"], 1);
}

#[tokio::test]
async fn routes_are_read_from_spans() {
    let page = Page::start().await;
    page.send((1..=120).map(|ms| Trace::request("GET", "/rooms").lasting(ms)))
        .await;
    page.send((0..6).map(|_| Trace::request("POST", "/login").lasting(5).failing("503")))
        .await;
    let overview = page.json("/api/overview").await;
    let routes = overview["routes"]["rows"].as_array().unwrap();
    let failing = &routes[0];
    assert_eq!(
        (
            failing["m"].as_str(),
            failing["p"].as_str(),
            failing["err"].as_f64()
        ),
        (Some("POST"), Some("/login"), Some(1.0))
    );
    assert!(
        failing["p99"].is_null() && failing["p95"].is_null() && failing["p50"] == 5.0,
        "six samples have no tail: {failing}"
    );
    let rooms = &routes[1];
    assert_eq!(
        (
            rooms["n"].as_u64(),
            rooms["p50"].as_f64(),
            rooms["p99"].as_f64()
        ),
        (Some(120), Some(60.0), Some(119.0))
    );
    assert_eq!(overview["verdict"]["rule"], "route_failing");
}

#[tokio::test]
async fn routes_are_read_from_histograms_where_spans_were_sampled() {
    let page = Page::start().await;
    page.send([Trace::request("GET", "/rooms").lasting(5)])
        .await;
    page.send_histogram("GET", "/rooms", &[0, 90, 10], None)
        .await;
    page.send_histogram("GET", "/rooms", &[0, 0, 25], Some("503"))
        .await;
    let overview = page.json("/api/overview").await;
    let row = &overview["routes"]["rows"][0];
    assert_eq!(
        (row["n"].as_u64(), row["err"].as_f64()),
        (Some(125), Some(0.2))
    );
    let p99 = row["p99"].as_f64().unwrap();
    assert!(
        (100.0..=250.0).contains(&p99),
        "p99 lies in its bucket: {p99}"
    );
    assert!(row["src"].as_str().unwrap().contains("estimated"));
}

#[tokio::test]
async fn the_slow_part_of_a_request_is_named() {
    let page = Page::start().await;
    let slow = |_| {
        Trace::request("POST", "/messages")
            .lasting(1500)
            .child("db.pool.acquire", 50, 1400)
            .with("server.node", "node-2")
    };
    page.send((0..40).map(slow)).await;
    page.send((0..200).map(|_| {
        Trace::request("POST", "/messages")
            .lasting(20)
            .with("server.node", "node-1")
    }))
    .await;
    let overview = page.json("/api/overview").await;
    assert_eq!(overview["verdict"]["rule"], "route_slow");
    let second = overview["verdict"]["two"].to_string();
    assert!(
        second.contains("waiting for a database connection") && second.contains("93"),
        "{second}"
    );
    let all = page
        .json("/api/overview?box=0,99999999999999,0.001,99999")
        .await;
    assert_eq!(
        (
            all["share"]["boxed"].as_bool(),
            all["share"]["inside"].as_u64()
        ),
        (Some(true), Some(240))
    );
    let share = &overview["share"];
    assert_eq!(
        (share["inside"].as_u64(), share["outside"].as_u64()),
        (Some(40), Some(200))
    );
    assert_eq!(
        share["rows"][0],
        serde_json::json!(["server.node", "node-2", 1.0, 0.0])
    );
}

#[tokio::test]
async fn a_trace_is_a_tree_with_its_links_both_ways() {
    let page = Page::start().await;
    let upgrade = Trace::request("GET", "/live").lasting(10);
    let (trace, span) = (upgrade.trace_hex(), upgrade.root_hex());
    let connect = Trace::request("GET", "/other")
        .lasting(2)
        .linked_to(&upgrade);
    let (from, linking) = (connect.trace_hex(), connect.root_hex());
    page.send([upgrade, connect]).await;
    let back = page
        .json(&format!("/api/traces/{trace}/spans/{span}"))
        .await;
    assert_eq!(back["links"][0][0], "←");
    assert_eq!(
        back["links"][0][1],
        format!("/traces/{from}?span={linking}")
    );
    let forth = page
        .json(&format!("/api/traces/{from}/spans/{linking}"))
        .await;
    assert_eq!(
        (&forth["links"][0][0], &forth["links"][0][1]),
        (&"→".into(), &format!("/traces/{trace}?span={span}").into())
    );
}

#[tokio::test]
async fn a_trace_that_is_not_here_says_why() {
    let page = Page::start().await;
    let missing = page
        .json("/api/traces/4bf92f3577b34da6a3ce929d0e0e4736")
        .await;
    assert_eq!(missing["verdict"]["rule"], "trace_missing");
    assert!(missing["spans"].is_null());
    assert_eq!(
        page.json("/api/traces/not-an-id").await["verdict"]["rule"],
        "trace_bad_id"
    );
}

#[tokio::test]
async fn a_line_leads_to_its_trace_and_back() {
    let page = Page::start().await;
    let request = Trace::request("POST", "/messages").lasting(20);
    page.send_log(&request, 17, "message.rejected", "no room")
        .await;
    let (trace, span) = (request.trace_hex(), request.root_hex());
    page.send([request]).await;
    let logs = page.json("/api/logs").await;
    let column = |name: &str| {
        logs["cols"]
            .as_array()
            .unwrap()
            .iter()
            .position(|column| column == name)
            .unwrap()
    };
    let row = &logs["rows"][0];
    assert_eq!(
        (&row[column("trace")], &row[column("span")]),
        (&trace.clone().into(), &span.clone().into())
    );
    assert_eq!(
        (row[column("level")].as_str(), row[column("event")].as_str()),
        (Some("error"), Some("message.rejected"))
    );
    let detail = page
        .json(&format!("/api/traces/{trace}/spans/{span}"))
        .await;
    assert_eq!(
        detail["logs"][0][0],
        row[column("seq")],
        "the span names its line"
    );
    let line = page
        .json(&format!("/api/logs/{}", row[column("seq")]))
        .await;
    assert_eq!(line["msg"], "no room");
}

#[tokio::test]
async fn filters_are_evaluated_here_and_told_about_when_they_match_nothing() {
    let page = Page::start().await;
    page.send((0..3).map(|_| Trace::request("GET", "/rooms").lasting(40)))
        .await;
    page.send([Trace::request("GET", "/slow").lasting(900)])
        .await;
    assert_eq!(page.json("/api/traces?q=dur%3E500ms").await["total"], 1);
    assert_eq!(page.json("/api/traces?q=-route:/slow").await["total"], 3);
    let none = page.json("/api/traces?q=route:/rooms%20dur%3E500ms").await;
    assert_eq!(none["total"], 0);
    let expected = serde_json::json!([{ "token": "route:/rooms", "count": 1 }, { "token": "dur>500ms", "count": 3 }]);
    assert_eq!(none["filter"]["none"], expected);
    let mistyped = page.json("/api/traces?q=rout:/rooms").await;
    assert_eq!(mistyped["filter"]["problems"][0]["fix"], "route:/rooms");
    let completed = page.json("/api/complete?view=traces&q=route:/r").await;
    assert_eq!(
        completed["options"][0],
        serde_json::json!({ "text": "route:/rooms", "count": 3 })
    );
}

#[tokio::test]
async fn snapshots_stay_under_100_kib_with_names_as_long_as_they_come() {
    let page = Page::start().await;
    let long = "x".repeat(5000);
    let deep = (0..1500).fold(Trace::request("GET", &long).lasting(500), |trace, at| {
        trace.child(&long, at % 400, 50)
    });
    let id = deep.trace_hex();
    page.send([deep]).await;
    page.send((0..600).map(|at| {
        Trace::request("POST", &format!("/{at}/{long}"))
            .lasting(at)
            .with(&long, &long)
    }))
    .await;
    for at in 0..400 {
        page.send_log(&Trace::request("GET", "/"), 9 + at % 12, &long, &long)
            .await;
    }
    for path in [
        "/api/overview",
        "/api/traces",
        "/api/logs",
        "/api/ws",
        "/api/metrics",
        "/api/pipeline",
        &format!("/api/traces/{id}"),
    ] {
        let size = page.get(path).await.body.len();
        assert!(size < 100 * 1024, "{path} has {size} bytes");
    }
}

#[tokio::test]
async fn hostile_names_arrive_as_text() {
    let page = Page::start().await;
    let hostile = "<img src=x onerror=alert(1)>\u{202e}\u{0}";
    let trace = Trace::request("GET", hostile)
        .lasting(5)
        .with("url", "javascript:alert(1)");
    let (id, span) = (trace.trace_hex(), trace.root_hex());
    page.send([trace]).await;
    for path in [
        "/api/overview",
        "/api/traces",
        &format!("/api/traces/{id}"),
        &format!("/api/traces/{id}/spans/{span}"),
    ] {
        let response = page.get(path).await;
        assert_eq!(
            response.header("content-type"),
            Some("application/json"),
            "{path}"
        );
        assert!(!response.text().contains('\u{0}'), "{path}");
    }
    let traces = page.json("/api/traces").await;
    assert_eq!(traces["rows"][0][4], hostile);
}

#[tokio::test]
async fn numbers_as_large_as_they_come_are_answered() {
    let page = Page::start().await;
    page.send([Trace::request("GET", "/rooms").lasting(5)])
        .await;
    for error in [None, Some("500"), Some("panic")] {
        page.send_histogram("GET", "/rooms", &[u64::MAX, 0, 0], error)
            .await;
    }
    for path in ["/api/overview", "/api/metrics/http.server.request.duration"] {
        let response = page.get(path).await;
        assert_eq!(
            response.status,
            StatusCode::OK,
            "{path}: {}",
            response.text()
        );
    }
}

#[tokio::test]
async fn a_log_s_long_names_are_cut_and_told_once() {
    let page = Page::start().await;
    let of = Trace::request("GET", "/");
    let event = "e".repeat(120 * 1024);
    page.send_log(&of, 17, &event, "late").await;
    page.send_log_of(&"d".repeat(60), &of).await;
    page.send_log_of(&"d".repeat(60), &of).await;
    let answer = page.get("/api/logs").await;
    assert!(answer.body.len() < 100 * 1024, "{}", answer.body.len());
    let domains = page.json("/api/logs").await["domains"].clone();
    assert_eq!(domains.as_array().unwrap().len(), 1, "{domains}");
}

#[tokio::test]
async fn the_link_to_a_metric_names_that_metric() {
    let page = Page::start().await;
    page.send_metric("/a?b#c", "GET", "/rooms", &[1, 0, 0], None)
        .await;
    let verdict = page.json("/api/metrics").await["verdict"].clone();
    let link = verdict["two"][1][2].as_str().unwrap().to_owned();
    assert_eq!(link, "/metrics/%2Fa%3Fb%23c");
}

#[tokio::test]
async fn strange_questions_are_answered() {
    let page = Page::start().await;
    page.send([Trace::request("GET", "/rooms").lasting(5)])
        .await;
    for path in [
        "/api/view?view=none",
        "/api/view?t=..",
        "/api/traces?before=nan",
        "/api/logs?line=99999999999999999999",
        "/api/logs?before=1",
        "/api/view?view=metrics&id=%00",
        "/api/traces?q=%22%5C",
        "/api/complete?q=%F0%9F%94%94:",
        "/api/overview?route=%3Cb%3E",
        "/api/traces?sort=dur&q=has:",
    ] {
        let response = page.get(path).await;
        assert_eq!(
            response.status,
            StatusCode::OK,
            "{path}: {}",
            response.text()
        );
    }
    let long = "a:b%20".repeat(2000);
    assert!(
        page.get(&format!("/api/traces?q={long}"))
            .await
            .status
            .is_success()
    );
}
