//! The JSON API, over a real socket.
#![allow(clippy::unwrap_used)]

mod support;

use axum::body::Body;
use axum::http::header;
use serde_json::json;
use support::Server;

const MESSAGES: &str = "/rooms/general/messages";

#[tokio::test]
async fn a_name_that_somebody_else_pointed_at_this_machine_is_refused() {
    let server = Server::start().await;
    let ask = |host: &'static str| {
        let request = server.request("/rooms").header(header::HOST, host);
        server.send(request.body(Body::empty()).unwrap())
    };
    assert_eq!(ask("evil.example").await.problem().0, 421);
    assert_eq!(ask("localhost:1").await.status, 200);
}

#[tokio::test]
async fn a_sent_message_is_found_where_its_answer_says() {
    let server = Server::start().await;
    let draft = json!({"author": " Ines ", "text": "hello\nthere"});
    let sent = server.post(MESSAGES, &draft).await;
    assert_eq!(sent.status, 201);
    let address = sent.headers[header::LOCATION].to_str().unwrap();
    let message = server.get(address).await.json();
    assert_eq!(message, sent.json());
    assert_eq!(
        (&message["author"], &message["text"]),
        (&json!("Ines"), &json!("hello\nthere"))
    );
    let listed = server.get(MESSAGES).await.json();
    assert_eq!(listed["messages"], json!([message]));
}

#[tokio::test]
async fn the_trace_of_a_message_is_told_only_where_a_live_page_shows_it() {
    let draft = json!({"author": "Ines", "text": "hello"});
    let closed = Server::start().await;
    assert!(
        closed
            .post(MESSAGES, &draft)
            .await
            .json()
            .get("trace_id")
            .is_none()
    );
    assert!(closed.get("/about").await.json()["live_page"].is_null());

    let url = "http://127.0.0.1:8090/";
    let open = Server::with_live_page(Some(url)).await;
    let trace_id = open.post(MESSAGES, &draft).await.json()["trace_id"].clone();
    assert_eq!(trace_id.as_str().unwrap().len(), 32);
    assert_eq!(open.get("/about").await.json()["live_page"], url);

    let forwarded = open
        .request("/about")
        .header("x-forwarded-for", "203.0.113.7");
    let answer = open.send(forwarded.body(Body::empty()).unwrap()).await;
    assert!(answer.json()["live_page"].is_null());
}

#[tokio::test]
async fn what_cannot_be_taken_is_a_problem_that_names_its_field() {
    let server = Server::start().await;
    let field = |name: &str| Some(name.to_owned());
    for (path, body, expected) in [
        (
            MESSAGES,
            json!({"author": "", "text": "x"}),
            (422, field("author")),
        ),
        (
            MESSAGES,
            json!({"author": "a".repeat(41), "text": "x"}),
            (422, field("author")),
        ),
        (
            MESSAGES,
            json!({"author": "I\u{202e}nes", "text": "x"}),
            (422, field("author")),
        ),
        (
            MESSAGES,
            json!({"author": "Ines", "text": " \n"}),
            (422, field("text")),
        ),
        (
            MESSAGES,
            json!({"author": "Ines", "text": "x".repeat(2_001)}),
            (422, field("text")),
        ),
        (
            MESSAGES,
            json!({"author": "Ines", "text": "x".repeat(20_000)}),
            (413, None),
        ),
        (MESSAGES, json!({"author": "Ines"}), (422, None)),
        (
            "/rooms/nowhere/messages",
            json!({"author": "Ines", "text": "x"}),
            (404, None),
        ),
        ("/rooms", json!({"name": "general"}), (409, field("name"))),
        ("/rooms", json!({"name": "\u{0}"}), (422, field("name"))),
    ] {
        assert_eq!(
            server.post(path, &body).await.problem(),
            expected,
            "{path} {body}"
        );
    }
    assert_eq!(server.post(MESSAGES, "{").await.problem(), (400, None));
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_a_problem() {
    let server = Server::start().await;
    for (path, status) in [
        ("/nowhere", 404),
        ("/rooms/nowhere", 404),
        ("/rooms/nowhere/transcript", 404),
        ("/rooms/general/messages/1", 404),
        ("/rooms/general/messages/one", 404),
        ("/rooms/general/messages?before=1&after=1", 400),
        ("/rooms/general/messages?limit=many", 400),
        ("/assets/..%2f..%2fCargo.toml", 404),
        ("/rooms/%ff", 400),
    ] {
        assert_eq!(server.get(path).await.problem().0, status, "{path}");
    }
    let request = server.request("/rooms").method("DELETE");
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.problem().0, 405);
    assert_eq!(answer.headers[header::ALLOW], "GET,HEAD,POST");
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_refused() {
    let server = Server::start().await;
    let request = server
        .request(MESSAGES)
        .method("POST")
        .header(header::CONTENT_TYPE, "text/plain");
    let body = json!({"author": "Ines", "text": "from another site"}).to_string();
    let answer = server.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.problem().0, 415);
}

#[tokio::test]
async fn a_transcript_is_the_whole_conversation() {
    let server = Server::start().await;
    for number in 0..130 {
        let draft = json!({"author": "Ines", "text": format!("line {number}")});
        assert_eq!(server.post(MESSAGES, &draft).await.status, 201);
    }
    let transcript = server.get("/rooms/general/transcript").await;
    assert_eq!(
        transcript.headers[header::CONTENT_TYPE],
        "text/plain; charset=utf-8"
    );
    let expected: String = (0..130)
        .map(|number| format!("Ines\nline {number}\n\n"))
        .collect();
    assert_eq!(transcript.text, expected);
}

#[tokio::test]
async fn every_answer_carries_the_guarding_headers() {
    let server = Server::start().await;
    for path in ["/", "/assets/chat.js", "/rooms", "/nowhere"] {
        let headers = server.get(path).await.headers;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}");
        assert!(
            policy.contains("require-trusted-types-for 'script'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
    }
}

#[tokio::test]
async fn the_page_has_all_it_asks_for_and_no_inline_code() {
    let server = Server::start().await;
    let mut wanted = vec!["/".to_owned()];
    let mut seen = Vec::new();
    while let Some(path) = wanted.pop() {
        let answer = server.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        for inline in [
            "<script>",
            " style=",
            " onclick=",
            "innerHTML",
            "eval(",
            "https://",
        ] {
            assert!(!answer.text.contains(inline), "{path} has {inline}");
        }
        let quoted = answer.text.split(['"', '\'']);
        let parts =
            quoted.filter_map(|text| text.strip_prefix("./").or(text.strip_prefix("/assets/")));
        let found: Vec<_> = parts.map(|name| format!("/assets/{name}")).collect();
        seen.push(path);
        wanted.extend(found.into_iter().filter(|path| !seen.contains(path)));
    }
    assert!(
        seen.iter().any(|path| path == "/assets/socket.js"),
        "{seen:?}"
    );
}
