//! A server process that is stopped (`SIGSTOP`) for longer than its lease, and goes on: whatever the
//! other one has done with its sessions meanwhile, each client has each message once.
#![allow(clippy::unwrap_used)]

use campanile_otlp_receiver::Receiver;
use campanile_tests::live::{Client, Dialled, Node, Redis, Silence};
use campanile_tests::until::{HANG, until};
use tokio::time::timeout;

/// Two nodes, and a client of the first one that has read `1`.
struct Two {
    redis: Redis,
    receiver: Receiver,
    first: Node,
    second: Node,
    client: Client,
}

impl Two {
    async fn start() -> Option<Self> {
        let redis = Redis::start().await?;
        let receiver = Receiver::start().await.unwrap();
        let program = env!("CARGO_BIN_EXE_live-node");
        let node = async || Node::start(program, &redis, &receiver, &[], &[]).await;
        let (first, second) = (node().await, node().await);
        // A node looks after others once it has been asked for a session itself.
        let mut other = Client::new("other", [127, 0, 0, 1]);
        dial(&mut other, &second).await;
        other.close().await;
        let mut client = Client::new("user", [127, 0, 0, 1]);
        dial(&mut client, &first).await;
        push(&first, "1").await;
        read_to(&mut client, "1").await;
        client.acknowledge().await;
        Some(Self {
            redis,
            receiver,
            first,
            second,
            client,
        })
    }

    fn record(&self, field: &str) -> String {
        format!("HGET campanile:1:s:{} {field}", self.client.sid())
    }

    /// Stops the first node until the other one has its session.
    async fn stop_the_first(&self) {
        self.redis.until_stored(self.client.sid()).await;
        let holder = self.redis.ask(&self.record("node")).await;
        self.first.pause().await;
        let is_another = |now: &str| now != holder;
        self.redis.until(&self.record("node"), is_another).await;
    }

    /// As often as a connection was lost, its session came back, ended or waits.
    async fn balances(&self, detachments: f64, returns: f64) {
        let sums = self.receiver.wait_for(|seen| {
            let total = |name: &str| seen.metric(name).total().unwrap_or_default();
            let attempts = seen.metric("websocket.resume.attempts");
            let resumed = attempts.with("websocket.resume.result", "resumed").total();
            let found = (
                total("websocket.session.detachments"),
                resumed.unwrap_or_default(),
                total("websocket.session.detached"),
            );
            (found == (detachments, returns, 0.0)).then_some(())
        });
        sums.called("detachments, returns, and nothing that waits")
            .await
            .unwrap();
    }
}

async fn dial(client: &mut Client, node: &Node) {
    let dialled = timeout(HANG, client.dial(node.address)).await.unwrap();
    assert!(matches!(dialled.unwrap(), Dialled::In));
}

/// Puts a message into the user's outbox, once the node's handler has told where that is.
async fn push(node: &Node, text: &str) {
    let pushing = async || {
        let answer = node.post("/push/user", text.to_owned()).await.unwrap();
        matches!(answer.0, 200 | 202).then_some(())
    };
    until(HANG, "the outbox", pushing).await;
}

async fn read_to(client: &mut Client, last: &str) {
    let reading = async { while client.read().await.unwrap() != last {} };
    let read = timeout(HANG, reading).await;
    assert!(read.is_ok(), "{last:?} did not come: {client:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_stopped_past_its_lease_takes_its_client_back() {
    let Some(mut two) = Two::start().await else {
        return;
    };
    two.redis.until_stored(two.client.sid()).await;
    let holder = two.redis.ask(&two.record("node")).await;
    two.stop_the_first().await;
    two.first.go_on().await;
    let is_back = |now: &str| now == holder;
    two.redis.until(&two.record("node"), is_back).await;
    // On the connection that it had all the time.
    push(&two.first, "2").await;
    read_to(&mut two.client, "2").await;
    assert_eq!(two.client.messages, ["1", "2"]);
    two.balances(0.0, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_stopped_until_its_session_was_counted_sends_its_client_back() {
    let Some(mut two) = Two::start().await else {
        return;
    };
    let sid = two.client.sid().to_owned();
    two.stop_the_first().await;
    let is_counted = |counted: &str| counted.contains("\r\n1\r\n");
    two.redis.until(&two.record("counted"), is_counted).await;
    two.first.go_on().await;
    let silence = timeout(HANG, two.client.read()).await.unwrap();
    assert_eq!(
        silence.unwrap_err(),
        Silence::Closed(1012, "k=drain;ra=0".to_owned())
    );
    dial(&mut two.client, &two.first).await;
    assert_eq!((two.client.state(), two.client.sid()), ("resumed", &*sid));
    push(&two.first, "2").await;
    read_to(&mut two.client, "2").await;
    assert_eq!(two.client.messages, ["1", "2"]);
    two.balances(1.0, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_went_on_elsewhere_while_its_node_was_stopped_is_left_alone_by_it() {
    let Some(mut two) = Two::start().await else {
        return;
    };
    let sid = two.client.sid().to_owned();
    two.stop_the_first().await;
    two.client.lose();
    dial(&mut two.client, &two.second).await;
    assert_eq!((two.client.state(), two.client.sid()), ("resumed", &*sid));
    let holder = two.redis.ask(&two.record("node")).await;
    two.first.go_on().await;
    // It is told that it has nothing any more.
    let gone = async || {
        let state = two.first.post("/state", String::new()).await.unwrap().1;
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        ((&state["open"], &state["detached"]) == (&0.into(), &0.into())).then_some(())
    };
    until(HANG, "nothing is held", gone).await;
    assert_eq!(two.redis.ask(&two.record("node")).await, holder);
    push(&two.second, "2").await;
    read_to(&mut two.client, "2").await;
    assert_eq!(two.client.messages, ["1", "2"]);
    two.balances(1.0, 1.0).await;
}
