//! The pages as a person sees them, in headless Chromium.
#![allow(clippy::unwrap_used)]

use std::process::Stdio;

use campanile_tests::peers;
use campanile_tests::server::{HANG, Server, vc_server};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

#[tokio::test]
async fn a_message_sent_on_the_chat_page_is_a_trace_on_the_live_page() {
    let (Some(_), Some(mut node)) = (peers::chromium(), peers::node()) else {
        return;
    };
    let server = Server::start(&vc_server(), &[], &[]);
    let (chat, page) = (server.url("chat").await, server.url("live page").await);
    let shots = std::env::temp_dir().join(format!("campanile-shots-{}", std::process::id()));
    std::fs::create_dir_all(&shots).unwrap();
    let script = peers::root().join("tests/peers/node/look.cjs");
    let run = node
        .arg(script)
        .args([&chat, &page])
        .arg(&shots)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(HANG, run).await.unwrap().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = seen["text"].as_str().unwrap();
    for part in [
        "POST /rooms/{id}/messages",
        "chat.store_message",
        "http.response.status_code",
        "201",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(
        seen["traceUrl"].as_str().unwrap().starts_with(&page),
        "{seen}"
    );
    assert_eq!(
        seen["complaints"],
        Value::Array(vec![]),
        "the console is clean under the policy"
    );
    for shot in ["chat.png", "trace.png", "overview.png"] {
        assert!(
            shots.join(shot).metadata().unwrap().len() > 10_000,
            "{shot} shows something"
        );
    }
    std::fs::remove_dir_all(&shots).unwrap();
    assert!(server.stop().await.0.success());
}

#[tokio::test]
async fn a_page_whose_socket_dies_comes_back_and_shows_each_message_once() {
    let (Some(_), Some(mut node)) = (peers::chromium(), peers::node()) else {
        return;
    };
    let database = std::env::temp_dir().join(format!("campanile-back-{}", std::process::id()));
    std::fs::create_dir_all(&database).unwrap();
    let file = database.join("chat.sqlite");
    let keep = ["--database", file.to_str().unwrap()];
    let first = Server::start(&vc_server(), &keep, &[]);
    let mut page = node
        .arg(peers::root().join("tests/peers/node/back.cjs"))
        .arg(first.url("chat").await)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(page.stdout.take().unwrap()).lines();
    let mut seen = async || -> Value {
        let line = tokio::time::timeout(HANG, lines.next_line()).await;
        serde_json::from_str(&line.unwrap().unwrap().expect("it saw something")).unwrap()
    };
    let mut shown = vec![
        "before",
        "while away 1",
        "while away 2",
        "while away 3",
        "after",
    ];
    assert_eq!(seen().await, json!({"shown": shown, "errors": []}));

    // The process is told to end (1012), and another takes its place.
    assert!(first.stop().await.0.success());
    let second = Server::start(&vc_server(), &keep, &[]);
    let url = format!("{}\n", second.url("chat").await);
    let mut input = page.stdin.take().unwrap();
    input.write_all(url.as_bytes()).await.unwrap();
    shown.extend(["elsewhere", "at last"]);
    assert_eq!(seen().await, json!({"shown": shown, "errors": []}));
    let ended = tokio::time::timeout(HANG, page.wait()).await.unwrap();
    assert!(ended.unwrap().success());
    assert!(second.stop().await.0.success());
    std::fs::remove_dir_all(&database).unwrap();
}
