//! The JavaScript module's own tests, against a server of ours.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::Message;
use campanile_semconv::{metric, span};
use campanile_ws::resume::store::MemoryStore;
use campanile_ws::resume::{Admission, Resume};
use campanile_ws::{Builder, Outbox, OutboxLimits, Session, Sessions, Upgrade};
use tokio::process::Command;

use crate::probe::Probe;
use crate::resume::keys;
use crate::server::Server;
use crate::until::until;

const HANG: Duration = Duration::from_secs(120);

/// Where Node is missing this says so and passes, unless `CAMPANILE_REQUIRE_PEERS=1`.
async fn node() -> bool {
    let mut version = Command::new("node");
    let version = version
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .await;
    let found = version.is_ok_and(|status| status.success());
    let missing = "node is missing: `cargo xtask test --install` installs it";
    let required = std::env::var_os("CAMPANILE_REQUIRE_PEERS");
    assert!(
        found || required.is_none_or(|value| value != "1"),
        "{missing}"
    );
    if !found {
        eprintln!("SKIPPED: {missing}");
    }
    found
}

async fn run(program: &str, arguments: &[&str], servers: &[(&str, String)]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    let run = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .envs(servers.iter().map(|(name, url)| (name, url)))
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(HANG, run).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    text.into_owned()
}

/// A server that does what the tests of the module ask for.
async fn server(build: impl FnOnce(Builder) -> Builder, store: MemoryStore) -> Server {
    let probe = Probe::new();
    let resume = Resume::new(keys()).store(store);
    let sessions = build(Sessions::builder(&probe.handle()).resume(resume)).build();
    let asked = Asked {
        sessions: sessions.clone(),
        first: Arc::default(),
    };
    let handler = move |upgrade: Upgrade| {
        let asked = asked.clone();
        let upgrade = upgrade.endpoint("live").principal("ann");
        async move { upgrade.on_session(async move |session| asked.serve(session).await) }
    };
    Server::with(probe, sessions, handler).await
}

/// What the tests of the module ask for.
#[derive(Clone)]
struct Asked {
    sessions: Sessions,
    /// The one that asked for messages, and how many it was given.
    first: Arc<Mutex<(Option<Outbox<Message>>, usize)>>,
}

impl Asked {
    fn push(&self, count: usize) {
        let mut first = self.first.lock().unwrap();
        for _ in 0..count {
            first.1 += 1;
            let text = format!("m{}", first.1);
            first.0.as_ref().unwrap().push(Message::text(text));
        }
    }

    async fn push_when_away(&self, count: usize) {
        let is_away = async || (self.sessions.detached() > 0).then_some(());
        until(HANG, "a client that is away", is_away).await;
        self.push(count);
    }

    async fn serve(self, session: Session) {
        let mut session = session.with_outbox::<Message>(OutboxLimits::default());
        let outbox = session.outbox().clone();
        while let Some(Ok(message)) = session.recv().await {
            let text = match &message {
                Message::Text(text) => text.as_str(),
                Message::Binary(_) => {
                    outbox.push(message);
                    continue;
                }
                _ => continue,
            };
            match text {
                "push 5" => {
                    self.first.lock().unwrap().0 = Some(outbox.clone());
                    self.push(5);
                }
                "when it is away, push 3" => {
                    self.push_when_away(3).await;
                    outbox.push(Message::text("pushed"));
                }
                "drain" => {
                    let sessions = self.sessions.clone();
                    tokio::spawn(async move { sessions.drain(Duration::from_secs(1)).await });
                }
                "close" => session.close(4000, "done").await.unwrap(),
                _ => {
                    let text = text.strip_prefix("echo ").unwrap();
                    outbox.push(Message::text(text));
                }
            }
        }
    }
}

#[tokio::test]
async fn the_javascript_module_passes_its_tests_against_our_server() {
    if !node().await {
        return;
    }
    let usual = server(|builder| builder, MemoryStore::new()).await;
    let limit = Admission::new(1).burst(3);
    let few = server(|builder| builder.admission(limit), MemoryStore::new()).await;
    let store = MemoryStore::new();
    let leaving = server(|builder| builder.peers_admit(2), store.clone()).await;
    let staying = server(|builder| builder, store).await;
    let servers = [
        ("CAMPANILE_WS_URL", &usual),
        ("CAMPANILE_WS_FEW_URL", &few),
        ("CAMPANILE_WS_LEAVING_URL", &leaving),
        ("CAMPANILE_WS_STAYING_URL", &staying),
    ];
    let servers = servers.map(|(name, server)| (name, server.url()));
    let arguments = [
        "--experimental-websocket",
        "--test",
        "--test-force-exit",
        "test/",
    ];
    let told = run("node", &arguments, &servers).await;
    assert!(told.contains("# skipped 0"), "{told}");

    let probe = &usual.probe;
    let sum = |metric, with: &[&str]| probe.sum(metric, with);
    let replayed = ["websocket.resume.result=replayed"];
    assert_eq!(sum(&metric::WEBSOCKET_RESUME_ATTEMPTS, &replayed), 10);
    let ends = |probe: &Probe| probe.sum(&metric::WEBSOCKET_SESSION_ENDS, &[]) == 4;
    probe.until("the ends", ends).await;
    let client = ["websocket.session.end=client"];
    assert_eq!(sum(&metric::WEBSOCKET_SESSION_ENDS, &client), 4);
    let lost = ["websocket.delivery.outcome=lost"];
    assert_eq!(sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &lost), 0);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let connects = probe.moments(span::WEBSOCKET_CONNECT);
    let is_linked = connects.iter().flat_map(|connect| &connect.links);
    assert_eq!(
        is_linked
            .filter(|link| link.trace_id().to_string() == trace)
            .count(),
        1
    );
}

#[tokio::test]
async fn the_javascript_module_can_be_packed() {
    if !node().await {
        return;
    }
    let arguments = ["pack", "--dry-run", "--json", "--offline", "--silent"];
    let told = run("npm", &arguments, &[]).await;
    let packed: serde_json::Value = serde_json::from_str(&told).unwrap();
    let files = packed[0]["files"].as_array().unwrap().iter();
    let files: Vec<_> = files.map(|file| file["path"].as_str().unwrap()).collect();
    let expected = [
        "README.md",
        "campanile-ws.d.ts",
        "campanile-ws.js",
        "package.json",
    ];
    assert_eq!(files, expected);
}
