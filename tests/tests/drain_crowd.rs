//! A crowd that dials two nodes directly, one of which drains: nobody is lost, and the other is
//! never asked to take more than it says it takes.
//!
//! 300 clients by default. `CAMPANILE_FULL=1` makes them 8,000 in a release build: in another, it is
//! the build that would be measured. `CAMPANILE_PLOT=FILE` draws who left and arrived when, as SVG; a
//! relative name counts from the workspace's folder.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use campanile_otlp_receiver::Receiver;
use campanile_tests::live::{Client, Dialled, Node, Redis};
use campanile_tests::part::{self, Part, told};
use campanile_tests::until::until;
use campanile_tests::{peers, plot};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::MissedTickBehavior;

/// What was measured: when each client was told to leave and for how long, when each dialled the
/// other node, and when that node was asked to let one in.
const RAW: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/drain-arrivals.json");
const LONG: Duration = Duration::from_secs(180);

fn size(small: usize, full: usize) -> usize {
    let is_full = std::env::var_os("CAMPANILE_FULL").is_some_and(|value| value == "1");
    if is_full && !cfg!(debug_assertions) {
        full
    } else {
        small
    }
}

/// Not a test of its own: what the crowd's process does.
#[test]
fn part() {
    let Some(part) = part::part() else {
        return;
    };
    let mut words = part.split(' ');
    let mut number = || words.next().unwrap().parse().unwrap();
    let (count, rate) = (number(), number());
    let nodes = [(); 2].map(|()| words.next().unwrap().parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(crowd(count, rate, nodes));
}

/// What happened to the clients, in milliseconds since the Unix epoch.
#[derive(Default)]
struct Log {
    /// When each was told to leave, and for how long.
    left: Vec<(u64, u64)>,
    dialled: Vec<u64>,
    states: BTreeMap<String, usize>,
    /// Newcomers, while the crowd gathered, and those that came back.
    turned_away: [usize; 2],
}

async fn crowd(count: usize, rate: usize, nodes: [SocketAddr; 2]) {
    let log = Arc::new(Mutex::new(Log::default()));
    let (there, mut arrivals) = mpsc::unbounded_channel();
    let (heard, mut last) = mpsc::unbounded_channel();
    let few = Arc::new(Semaphore::new(16));
    let began = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for index in 0..count {
        // A little slower than both nodes admit.
        if index % (rate / 6) == 0 {
            pace.tick().await;
        }
        let permit = few.clone().acquire_owned().await.unwrap();
        let (log, there, heard) = (log.clone(), there.clone(), heard.clone());
        tokio::spawn(async move {
            let from = [127, 0, 1, u8::try_from(1 + index / 5_000).unwrap()];
            let mut client = Client::new(format!("user{index}"), from);
            dial(&mut client, nodes[index % 2], &log).await;
            there.send(()).unwrap();
            drop(permit);
            let messages = live(&mut client, nodes[1], &log).await;
            heard.send((index % 2, messages, client.lost)).unwrap();
            // The session stays open until the process ends.
            let _ = client.read().await;
        });
    }
    for _ in 0..count {
        arrivals.recv().await.unwrap();
    }
    let [newcomers, _] = log.lock().unwrap().turned_away;
    println!("@there {} {newcomers}", began.elapsed().as_millis());
    tokio::spawn(async move {
        for _ in 0..count {
            let (node, messages, lost) = last.recv().await.unwrap();
            let wanted: &[&str] = match node {
                0 => &["1", "2", "3", "end"],
                _ => &["end"],
            };
            assert_eq!(
                (messages, lost),
                (wanted.iter().map(|text| text.to_string()).collect(), 0)
            );
        }
        let log = log.lock().unwrap();
        println!("@states {:?} {}", log.states, log.turned_away[1]);
        println!("@left {}", serde_json::to_string(&log.left).unwrap());
        println!("@dialled {}", serde_json::to_string(&log.dialled).unwrap());
    });
    told().await;
}

async fn dial(client: &mut Client, node: SocketAddr, log: &Mutex<Log>) {
    loop {
        match client.dial(node).await.unwrap() {
            Dialled::In => return,
            Dialled::Later(after) => {
                let returns = usize::from(!client.sid().is_empty());
                log.lock().unwrap().turned_away[returns] += 1;
                tokio::time::sleep(after.mul_f64(1.0 + fastrand(0.1))).await;
            }
        }
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_millis()).unwrap()
}

/// Between 0 and `most`.
fn fastrand(most: f64) -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let bits = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap();
    most * f64::from(bits) / f64::from(u32::MAX)
}

/// Reads until the last message; goes where it is sent.
async fn live(client: &mut Client, other: SocketAddr, log: &Mutex<Log>) -> Vec<String> {
    loop {
        match client.read().await {
            Ok("end") => return client.messages.clone(),
            Ok(_) => {}
            Err(silence) => {
                let after = silence.come_back();
                let after = after.unwrap_or_else(|| panic!("{silence:?}"));
                let told = u64::try_from(after.as_millis()).unwrap();
                log.lock().unwrap().left.push((now(), told));
                tokio::time::sleep(after.mul_f64(1.0 + fastrand(0.1))).await;
                let sid = client.sid().to_owned();
                log.lock().unwrap().dialled.push(now());
                dial(client, other, log).await;
                assert_eq!(client.sid(), sid, "{client:?}");
                let mut log = log.lock().unwrap();
                *log.states.entry(client.state().to_owned()).or_default() += 1;
            }
        }
    }
}

/// In milliseconds since the drain began, in order.
fn since(began: u64, times: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut all: Vec<u64> = times.map(|at| at.saturating_sub(began)).collect();
    all.sort_unstable();
    all
}

/// The most that came within a second.
fn most_in_a_second(sorted: &[u64]) -> usize {
    let until = |from: u64| sorted.partition_point(|at| *at < from + 1000);
    let counts = sorted
        .iter()
        .enumerate()
        .map(|(index, at)| until(*at) - index);
    counts.max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_node_drains_the_other_is_asked_no_more_than_it_admits_and_nobody_is_lost() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let count = size(300, 8_000);
    let admit = size(50, 250);
    let deadline = size(3, 20);
    let receiver = Receiver::start().await.unwrap();
    let start = async |more: &[&str]| {
        Node::start(
            env!("CARGO_BIN_EXE_live-node"),
            &redis,
            &receiver,
            more,
            &[],
        )
        .await
    };
    let arguments = [admit.to_string(), deadline.to_string()];
    let mut leaving = start(&[
        "--on-detach",
        "--peers-admit",
        &arguments[0],
        "--deadline",
        &arguments[1],
    ])
    .await;
    // It has a gate, which turns away whoever comes too fast.
    let staying = start(&["--on-detach", "--admit", &arguments[0]]).await;
    let nodes = [leaving.address, staying.address];
    let (mut crowd, there) = tokio::task::spawn_blocking(move || {
        let mut crowd = Part::start(&format!("{count} {admit} {} {}", nodes[0], nodes[1]));
        let there = crowd.hear("there");
        let (there, turned) = there.split_once(' ').unwrap();
        let there: (u64, f64) = (there.parse().unwrap(), turned.parse().unwrap());
        (crowd, there)
    })
    .await
    .unwrap();

    let half = count / 2;
    for text in ["1", "2", "3"] {
        let told = leaving.post("/tell", text.to_owned()).await.unwrap();
        assert_eq!(told, (200, half.to_string()));
    }
    let began = now();
    leaving.ask_to_stop().await;
    assert_eq!(leaving.drained().await, (half, 0, 0, true));
    // All of them come over.
    let all_there = async || {
        let state = staying.post("/state", String::new()).await.unwrap().1;
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        (state["open"] == count).then_some(())
    };
    until(LONG, "everybody over there", all_there).await;
    let asked = staying.post("/asked", String::new()).await.unwrap().1;
    let told = staying.post("/tell", "end".to_owned()).await.unwrap();
    assert_eq!(told, (200, count.to_string()));

    let (mut crowd, states, left, dialled) = tokio::task::spawn_blocking(move || {
        let states = crowd.hear("states");
        let (left, dialled) = (crowd.hear("left"), crowd.hear("dialled"));
        (crowd, states, left, dialled)
    })
    .await
    .unwrap();
    let raw =
        format!("{{\"began\":{began},\"left\":{left},\"dialled\":{dialled},\"asked\":{asked}}}\n");
    std::fs::write(RAW, raw).unwrap();
    let told: Vec<(u64, u64)> = serde_json::from_str(&left).unwrap();
    let left = since(began, told.into_iter().map(|(at, _)| at));
    let dialled: Vec<u64> = serde_json::from_str(&dialled).unwrap();
    let asked: Vec<u64> = serde_json::from_str(&asked).unwrap();
    let arrived = since(began, asked.into_iter().filter(|at| *at >= began));
    if let Some(file) = std::env::var_os("CAMPANILE_PLOT") {
        let drawing = plot::drain(&left, &arrived, admit * 4 / 5, admit);
        std::fs::write(peers::root().join(file), drawing).unwrap();
    }
    let most = most_in_a_second(&arrived);
    println!(
        "{count} clients, there after {} ms; {states}; at most {most} arrived in a second",
        there.0
    );
    assert_eq!(
        (left.len(), dialled.len(), arrived.len()),
        (half, half, half)
    );
    assert!(most < admit, "{most} arrived within a second");
    let is_well = |state: &str| states.contains(state);
    assert!(
        is_well(" 0") && !is_well("resynced") && !is_well("conflict"),
        "{states}"
    );
    check(&receiver, count, half, there).await;
    crowd.tell("enough");
}

/// The books of both nodes.
async fn check(receiver: &Receiver, count: usize, half: usize, (there, turned): (u64, f64)) {
    let last = Mutex::new([0.0; 7]);
    let books = receiver.wait_for(|seen| {
        let total = |name: &str| seen.metric(name).total().unwrap_or_default();
        let of = |name: &str, key: &str, value: &str| {
            let total = seen.metric(name).with(key, value).total();
            total.unwrap_or_default()
        };
        let result = |value| {
            of(
                "websocket.resume.attempts",
                "websocket.resume.result",
                value,
            )
        };
        let spans: usize = ["connect", "disconnect", "resume"]
            .map(|name| seen.spans().named(&format!("websocket.{name}")).len())
            .iter()
            .sum();
        let told = f64::from(u32::try_from(spans).unwrap());
        let suppressed = total("campanile.span.suppressions");
        let found = [
            total("websocket.session.detachments"),
            result("resumed") + result("replayed"),
            total("websocket.resume.attempts"),
            of("websocket.disconnects", "websocket.close.cause", "drain"),
            total("websocket.session.detached"),
            total("websocket.admission.rejects"),
            told + suppressed,
        ];
        let half = f64::from(u32::try_from(half).unwrap());
        let count = f64::from(u32::try_from(count).unwrap());
        let wanted = [half, half, half, half, 0.0, turned, count + 2.0 * half];
        *last.lock().unwrap() = found;
        (found == wanted).then_some((spans, suppressed))
    });
    let books = books.within(Duration::from_secs(30)).await;
    let Ok((spans, suppressed)) = books else {
        panic!("detachments, returns, attempts, drained, detached, rejects, spans: {last:?}");
    };
    println!("{spans} spans, {suppressed} suppressed");
    // 200 a second and node, and as many at once.
    let seconds = usize::try_from(there / 1000).unwrap() + 60;
    assert!(spans <= 2 * 200 * (seconds + 1));
    assert_eq!(receiver.seen().spans().named("websocket.drain").len(), 1);
}
