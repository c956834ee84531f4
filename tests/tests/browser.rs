//! The pages as a person sees them, in headless Chromium.
#![allow(clippy::unwrap_used)]

use campanile_tests::peers;
use campanile_tests::server::{HANG, Server, vc_server};
use serde_json::Value;

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
