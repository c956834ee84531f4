//! Two server processes that share one real Redis: one is killed or stopped, and Redis itself is
//! paused and restarted under them. The last two are chat servers, as anybody starts them.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use campanile_otlp_receiver::{Receiver, Seen};
use campanile_tests::live::{Client, Dialled, Node, Redis};
use campanile_tests::server::{HANG, Server, vc_server};
use campanile_tests::until::until;
use tokio::process::Command;
use tokio::time::timeout;

const PROGRAM: &str = env!("CARGO_BIN_EXE_live-node");
const HOME: [u8; 4] = [127, 0, 0, 1];

async fn node(redis: &Redis, receiver: &Receiver) -> Node {
    Node::start(PROGRAM, redis, receiver, &[], &[]).await
}

async fn dial(client: &mut Client, node: &Node) {
    let dialled = timeout(HANG, client.dial(node.address)).await.unwrap();
    assert!(matches!(dialled.unwrap(), Dialled::In));
}

async fn clients(prefix: &str, count: usize, node: &Node) -> Vec<Client> {
    let mut all = Vec::new();
    for index in 0..count {
        let mut client = Client::new(format!("{prefix}{index}"), HOME);
        dial(&mut client, node).await;
        assert_eq!(client.state(), "new");
        all.push(client);
    }
    all
}

/// Puts numbered messages into a user's outbox; the answer's status.
async fn push(node: &Node, user: &str, numbers: std::ops::RangeInclusive<u64>) -> Option<u16> {
    let lines: Vec<String> = numbers.map(|number| number.to_string()).collect();
    let answer = node.post(&format!("/push/{user}"), lines.join("\n")).await;
    answer.ok().map(|(status, _)| status)
}

/// Reads until this message comes.
async fn read_to(client: &mut Client, last: &str) {
    let reading = async { while client.read().await.unwrap() != last {} };
    let read = timeout(HANG, reading).await;
    assert!(read.is_ok(), "{last:?} did not come: {client:?}");
}

/// The numbers that came, each once and in order.
fn numbers(client: &Client) -> Vec<u64> {
    let numbers: Vec<u64> = client
        .messages
        .iter()
        .flat_map(|text| text.parse())
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    numbers
}

fn total(seen: &Seen, name: &str) -> f64 {
    seen.metric(name).total().unwrap_or_default()
}

fn returned(seen: &Seen) -> f64 {
    let attempts = |result| {
        let attempts = seen.metric("websocket.resume.attempts");
        attempts.with("websocket.resume.result", result).total()
    };
    let returns = ["resumed", "replayed", "resynced"];
    returns.into_iter().filter_map(attempts).sum()
}

/// detachments = returns + ends of those that waited + those that wait
fn balances(seen: &Seen) -> bool {
    let ends = seen.metric("websocket.session.ends");
    let ends = ends.that(|_| true).series_that(|series| {
        let end = series.attribute("websocket.session.end");
        end.is_some_and(|end| *end != *"client")
    });
    let known = returned(seen)
        + ends.total().unwrap_or_default()
        + total(seen, "websocket.session.detached");
    (total(seen, "websocket.session.detachments") - known).abs() < 0.5
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_node_is_killed_its_clients_have_each_answered_message_once_from_the_other() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let receiver = Receiver::start().await.unwrap();
    let first = node(&redis, &receiver).await;
    let second = node(&redis, &receiver).await;
    let mut all = clients("user", 30, &first).await;
    let connects = receiver.wait_for(|seen| {
        let connects = seen.spans().named("websocket.connect");
        (connects.len() == 30).then(|| connects.iter().map(|span| span.span_id).collect())
    });
    let connects: HashSet<_> = connects.called("30 connects").await.unwrap();

    // Some are read and not acknowledged, some wait in sockets that nobody reads.
    for (index, client) in all.iter_mut().enumerate() {
        let user = format!("user{index}");
        assert_eq!(push(&first, &user, 1..=10).await, Some(200));
        read_to(client, "5").await;
        assert_eq!(push(&first, &user, 11..=20).await, Some(200));
    }
    // And some are on their way while the node dies.
    let answered = Arc::new(Mutex::new(HashMap::<usize, u64>::new()));
    let asked = Arc::new(AtomicUsize::new(0));
    let first = Arc::new(tokio::sync::RwLock::new(first));
    let address = first.read().await.address;
    let publishers: Vec<_> = (0..all.len())
        .map(|index| {
            let (answered, asked) = (answered.clone(), asked.clone());
            tokio::spawn(async move {
                let http = reqwest::Client::new();
                for number in 21.. {
                    let url = format!("http://{address}/push/user{index}");
                    let answer = http.post(url).body(number.to_string()).send().await;
                    if answer.is_ok_and(|answer| answer.status() == 200) {
                        answered.lock().unwrap().insert(index, number);
                        asked.fetch_add(1, Ordering::Relaxed);
                    } else {
                        return;
                    }
                }
            })
        })
        .collect();
    let busy = async {
        while asked.load(Ordering::Relaxed) < 100 {
            tokio::task::yield_now().await;
        }
    };
    timeout(HANG, busy).await.unwrap();
    first.write().await.kill().await;
    for publisher in publishers {
        publisher.await.unwrap();
    }

    let answered = answered.lock().unwrap().clone();
    let mut tasks = tokio::task::JoinSet::new();
    let second = Arc::new(second);
    for (index, mut client) in all.drain(..).enumerate() {
        let last = answered.get(&index).copied().unwrap_or(20);
        let second = second.clone();
        tasks.spawn(async move {
            let sid = client.sid().to_owned();
            client.lose();
            dial(&mut client, &second).await;
            assert!(
                matches!(client.state(), "replayed" | "conflict"),
                "{client:?}"
            );
            assert_eq!(client.sid(), sid);
            let user = format!("user{index}");
            // The welcome is there before the node's handler has told where its user is.
            let is_there = async || {
                let status = push(&second, &user, 1_000_000..=1_000_000).await;
                (status == Some(200)).then_some(())
            };
            until(HANG, format!("{user}, there"), is_there).await;
            read_to(&mut client, "1000000").await;
            let came: HashSet<u64> = numbers(&client).into_iter().collect();
            let missing = (1..=last).filter(|number| !came.contains(number)).count();
            assert_eq!(missing, 0, "up to {last}: {client:?}");
            assert_eq!(client.lost, 0);
            client.acknowledge().await;
            client
        });
    }
    let all = timeout(HANG, tasks.join_all()).await.unwrap();

    // From the resume one can go back to the connect, though its process is dead.
    let resumes = receiver.wait_for(|seen| {
        let resumes = seen.spans().named("websocket.resume");
        (resumes.len() == 30).then(|| resumes.iter().cloned().collect::<Vec<_>>())
    });
    for resume in resumes.called("30 resumes").await.unwrap() {
        let linked = resume
            .links
            .iter()
            .any(|link| connects.contains(&link.span_id));
        assert!(linked, "{resume:?}");
    }
    let balanced = receiver.wait_for(|seen| {
        let attempts = total(seen, "websocket.resume.attempts");
        (attempts == 30.0 && balances(seen)).then_some(())
    });
    balanced.called("the sum").await.unwrap();
    drop(all);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_goes_on_while_redis_does_not_answer_and_after_it_was_restarted() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let receiver = Receiver::start().await.unwrap();
    let (first, second) = (node(&redis, &receiver).await, node(&redis, &receiver).await);
    let mut all = clients("user", 12, &first).await;
    for index in 0..all.len() {
        assert_eq!(
            push(&first, &format!("user{index}"), 1..=3).await,
            Some(200)
        );
    }
    for client in &mut all {
        read_to(client, "3").await;
        client.acknowledge().await;
    }

    redis.pause().await;
    let told = first.post("/tell", "4".to_owned()).await.unwrap();
    assert_eq!(told, (200, "12".to_owned()));
    for client in &mut all {
        read_to(client, "4").await;
    }
    // What its node knows is enough to come back to it; elsewhere nothing is known.
    all[0].lose();
    dial(&mut all[0], &first).await;
    assert!(
        matches!(all[0].state(), "resumed" | "conflict"),
        "{:?}",
        all[0]
    );
    let sid = all[1].sid().to_owned();
    all[1].lose();
    dial(&mut all[1], &second).await;
    assert_eq!((all[1].state(), all[1].sid()), ("resynced", &*sid));
    // Nobody says that these are kept, and they come all the same.
    for (client, node) in [(0, &first), (1, &second)] {
        assert_eq!(push(node, &format!("user{client}"), 5..=5).await, Some(202));
        read_to(&mut all[client], "5").await;
    }
    let failures = receiver.wait_for(|seen| {
        let failures = total(seen, "websocket.store.failures");
        (failures > 0.0).then_some(())
    });
    failures.called("failures").await.unwrap();

    redis.go_on().await;
    await_commit(&first, "user2", 5).await;
    come_over(&mut all[2], &second, &["resumed", "replayed", "conflict"]).await;

    redis.restart().await;
    let told = first.post("/tell", "6".to_owned()).await.unwrap();
    assert_eq!(told.0, 200);
    for client in &mut all[3..] {
        read_to(client, "6").await;
    }
    // What is said anew of a session makes it known again.
    await_commit(&first, "user3", 7).await;
    come_over(&mut all[3], &second, &["resumed", "replayed", "conflict"]).await;
    let (known, next) = (all[3].messages.len(), 1_000_000);
    assert_eq!(push(&second, "user3", next..=next).await, Some(200));
    read_to(&mut all[3], "1000000").await;
    numbers(&all[3]);
    assert!(all[3].messages.len() > known);
}

/// Pushes until one message is in the store.
async fn await_commit(node: &Node, user: &str, from: u64) {
    let pushing = async {
        for number in from.. {
            match push(node, user, number..=number).await {
                Some(200) => return,
                Some(202) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(HANG, pushing).await.unwrap();
}

/// Comes to another node, and the session goes on there.
async fn come_over(client: &mut Client, node: &Node, states: &[&str]) {
    let sid = client.sid().to_owned();
    client.lose();
    dial(client, node).await;
    assert!(states.contains(&client.state()), "{client:?}");
    assert_eq!(client.sid(), sid);
}

/// A chat server of the fleet, and where it listens.
async fn chat(redis: &Redis, receiver: &Receiver) -> (Server, SocketAddr) {
    let help = Command::new(vc_server()).arg("--help").output().await;
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let is_able = help.contains("--redis");
    assert!(
        is_able,
        "vc-server was built without Redis: run `cargo build -p vc-server --features redis`"
    );
    let secret = "what every node of the test knows";
    let arguments = ["--redis", &redis.url(), "--resume-key", secret];
    let endpoint = receiver.grpc_endpoint();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
    ];
    let server = Server::start(&vc_server(), &arguments, &environment);
    let url = server.url("chat").await;
    let address = url.trim_start_matches("http://").parse().unwrap();
    (server, address)
}

async fn say(node: SocketAddr, text: &str) {
    let url = format!("http://{node}/rooms/general/messages");
    let said = serde_json::json!({"author": "Jun", "text": text});
    let answer = reqwest::Client::new().post(url).json(&said).send().await;
    assert_eq!(answer.unwrap().status(), 201);
}

/// What Jun said, as the client heard it.
fn said(client: &Client) -> Vec<String> {
    let events = client
        .messages
        .iter()
        .map(|text| serde_json::from_str(text).unwrap());
    events
        .filter(|event: &serde_json::Value| event["type"] == "message")
        .map(|event| event["message"]["text"].as_str().unwrap().to_owned())
        .collect()
}

async fn hear(client: &mut Client, text: &str) {
    let reading = async {
        while said(client).last().is_none_or(|last| last != text) {
            client.read().await.unwrap();
        }
    };
    let heard = timeout(HANG, reading).await;
    assert!(heard.is_ok(), "{text:?} did not come: {client:?}");
}

/// Comes in, and waits until the server has made room: from then on it tells what is said.
async fn come_in(client: &mut Client, node: SocketAddr) {
    let dialled = timeout(HANG, client.dial(node)).await.unwrap();
    assert!(matches!(dialled.unwrap(), Dialled::In));
    client.say(r#"{"type":"ping","at":1}"#).await;
    let heard = async { while !client.read().await.unwrap().contains("pong") {} };
    timeout(HANG, heard).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_chat_server_is_stopped_its_people_go_on_at_the_other_and_miss_nothing() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let receiver = Receiver::start().await.unwrap();
    let (first, one) = chat(&redis, &receiver).await;
    let (_second, two) = chat(&redis, &receiver).await;
    let (mut ines, mut other) = (Client::new("Ines", HOME), Client::new("Kofi", HOME));
    come_in(&mut ines, one).await;
    come_in(&mut other, two).await;
    let sid = ines.sid().to_owned();
    say(one, "1").await;
    hear(&mut ines, "1").await;
    // These wait in a socket that she does not read.
    say(one, "2").await;
    say(one, "3").await;
    let (stopped, after) = tokio::join!(first.stop(), async {
        loop {
            if let Err(silence) = ines.read().await {
                return silence.come_back();
            }
        }
    });
    assert!(stopped.0.success(), "{}", stopped.1);
    tokio::time::sleep(after.expect("it says when to come back")).await;
    come_in(&mut ines, two).await;
    assert!(matches!(ines.state(), "resumed" | "replayed"), "{ines:?}");
    assert_eq!(ines.sid(), sid);
    say(two, "4").await;
    hear(&mut ines, "4").await;
    assert_eq!(
        (said(&ines).join(" "), ines.lost),
        ("1 2 3 4".to_owned(), 0)
    );
    let resumed = receiver.wait_for(|seen| (returned(seen) > 0.5).then_some(()));
    resumed.called("a return").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_chat_server_is_killed_its_people_go_on_at_the_other_and_read_nothing_twice() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let receiver = Receiver::start().await.unwrap();
    let (first, one) = chat(&redis, &receiver).await;
    let (_second, two) = chat(&redis, &receiver).await;
    let mut ines = Client::new("Ines", HOME);
    come_in(&mut ines, one).await;
    let sid = ines.sid().to_owned();
    for text in ["1", "2"] {
        say(one, text).await;
        hear(&mut ines, text).await;
    }
    redis.until_stored(&sid).await;
    first.kill().await;
    ines.lose();
    come_in(&mut ines, two).await;
    assert_eq!(ines.sid(), sid, "{ines:?}");
    assert!(
        matches!(ines.state(), "resumed" | "replayed" | "conflict"),
        "{ines:?}"
    );
    say(two, "3").await;
    hear(&mut ines, "3").await;
    assert_eq!((said(&ines).join(" "), ines.lost), ("1 2 3".to_owned(), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_chat_server_is_killed_what_its_people_had_not_read_comes_from_the_other() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let receiver = Receiver::start().await.unwrap();
    let (first, one) = chat(&redis, &receiver).await;
    let (_second, two) = chat(&redis, &receiver).await;
    let mut ines = Client::new("Ines", HOME);
    come_in(&mut ines, one).await;
    say(one, "1").await;
    hear(&mut ines, "1").await;
    // She has read that, and the server does not know it. These she has not read.
    for text in ["2", "3"] {
        say(one, text).await;
    }
    let sid = ines.sid().to_owned();
    let last = format!("LINDEX campanile:1:r:{sid} -1");
    let is_three = |answer: &str| answer.contains("\"text\":\"3\"");
    redis.until(&last, is_three).await;
    first.kill().await;
    ines.lose();
    come_in(&mut ines, two).await;
    assert_eq!((ines.sid(), ines.lost), (&*sid, 0), "{ines:?}");
    assert!(matches!(ines.state(), "replayed" | "conflict"), "{ines:?}");
    say(two, "4").await;
    hear(&mut ines, "4").await;
    assert_eq!(said(&ines).join(" "), "1 2 3 4", "each once, in order");
}
