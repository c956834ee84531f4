//! When our server says to come back, and clients of ours that keep to it.

use std::time::{Duration, Instant};

use axum::extract::ws::Message as Sent;
use campanile_semconv::{metric, span};
use campanile_ws::reconnect::{Event, State};
use campanile_ws::resume::Admission;
use campanile_ws::resume::store::MemoryStore;
use campanile_ws::{Builder, Cause};
use futures_util::future::join_all;

use super::Client;
use super::gate::Gate;
use crate::resume::Live;
use crate::until::{HANG, until};

const SECOND: Duration = Duration::from_secs(1);

/// What happened to a client until it had a connection.
#[derive(Debug, Default)]
struct Way {
    /// How long it was told to stay away, each time that there was no room for it.
    turned: Vec<Duration>,
    /// How long it was told to stay away when it lost its connection.
    left: Option<Duration>,
    messages: Vec<String>,
    sid: String,
    state: Option<State>,
    /// When it had a connection.
    at: Option<Instant>,
}

impl Client {
    async fn until_attached(&mut self) -> Way {
        let mut way = Way::default();
        loop {
            let was_attached = self.live.is_attached();
            match self.next().await {
                Event::Message(message) => way.messages.push(message.to_string()),
                Event::Detached(detached) if was_attached => {
                    way.left = Some(detached.retry_in);
                }
                Event::Detached(detached) => {
                    assert_eq!(detached.cause, Cause::Drain);
                    way.turned.push(detached.retry_in);
                }
                Event::Attached(attached) => {
                    way.sid = attached.sid.unwrap();
                    way.state = Some(attached.state);
                    way.at = Some(Instant::now());
                    return way;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn clients_that_our_server_has_no_room_for_come_back_when_it_says() {
    let limit = |builder: Builder| builder.admission(Admission::new(1).burst(3));
    let live = Live::with(MemoryStore::new(), |resume| resume, limit).await;
    let gate = Gate::before(live.server.address).await;
    let mut clients = Vec::new();
    let mut turned = Vec::new();
    // Newcomers, until there is no room for one.
    while turned.is_empty() {
        let mut client = Client::of(&gate.url("live"));
        let way = client.until_attached().await;
        turned = way.turned;
        clients.push(client);
    }
    assert!(turned.iter().all(|wait| *wait >= SECOND), "{turned:?}");
    let newcomers = turned.len();
    assert_eq!(live.attempts("overloaded"), 0, "they had no token");

    // All come back at once, with tokens.
    gate.cut();
    let ways = join_all(clients.iter_mut().map(Client::until_attached)).await;
    let turned: Vec<_> = ways.iter().flat_map(|way| way.turned.clone()).collect();
    assert!(turned.iter().all(|wait| *wait >= SECOND), "{turned:?}");
    let goes_on = |way: &Way| way.state == Some(State::Resumed);
    assert!(ways.iter().all(goes_on), "{ways:?}");
    let count = i64::try_from(turned.len()).unwrap();
    assert_eq!(live.attempts("overloaded"), count);
    let told = clients.iter().map(|client| client.attempts("overloaded"));
    assert_eq!(told.sum::<i64>(), count);
    let rejects = live.probe().sum(
        &metric::WEBSOCKET_ADMISSION_REJECTS,
        &["websocket.admission.reason=rate"],
    );
    assert_eq!(rejects, count + i64::try_from(newcomers).unwrap());
    live.assert_identity();
}

#[tokio::test]
async fn clients_of_a_node_that_drains_go_on_at_another_when_it_says() {
    let store = MemoryStore::new();
    // It plans for 1.6 a second, so that they come 625 ms apart.
    let slow = |builder: Builder| builder.peers_admit(2);
    let one = Live::with(store.clone(), |resume| resume, slow).await;
    let two = Live::with(store, |resume| resume, |builder| builder).await;
    let there = two.dial("new").await;
    let gate = Gate::before(one.server.address).await;
    let mut clients: Vec<_> = (0..4).map(|_| Client::of(&gate.url("live"))).collect();
    let mut sids = Vec::new();
    for client in &mut clients {
        sids.push(client.until_attached().await.sid);
    }
    let have_begun = async || (one.outboxes.lock().unwrap().len() >= 4).then_some(());
    until(HANG, "four handlers that have begun", have_begun).await;
    gate.lead_to(two.server.address);
    for outbox in one.outboxes.lock().unwrap().iter() {
        outbox.push(Sent::text("before"));
    }
    let began = Instant::now();
    let (drained, ways) = tokio::join!(
        one.server.sessions.drain(SECOND),
        join_all(clients.iter_mut().map(Client::until_attached))
    );
    assert_eq!((drained.closed, drained.remaining, drained.lost), (4, 0, 0));
    let arrived = |way: &Way| way.at.unwrap() - began;
    let mut times: Vec<_> = ways.iter().map(arrived).collect();
    times.sort_unstable();
    for (number, time) in (0..).zip(&times) {
        let slot = Duration::from_millis(number * 625);
        assert!(*time + Duration::from_millis(5) >= slot, "{times:?}");
    }
    for (client, (way, sid)) in clients.iter_mut().zip(ways.into_iter().zip(sids)) {
        assert_eq!((&way.sid, way.left.is_some()), (&sid, true));
        assert!(
            matches!(way.state, Some(State::Resumed | State::Replayed { .. })),
            "{way:?}"
        );
        let mut messages = way.messages;
        if messages.is_empty() {
            messages.push(client.text().await);
        }
        assert_eq!(messages, ["before"]);
    }
    assert_eq!(two.attempts("resumed") + two.attempts("replayed"), 4);

    // And a client that knows no better than to come here.
    let mut late = Client::of(&one.server.url());
    let detached = late.detached().await;
    assert_eq!((detached.cause, detached.attempt), (Cause::Drain, 1));
    assert!(detached.retry_in >= SECOND, "{detached:?}");
    let drain = ["websocket.admission.reason=drain"];
    let rejects = one
        .probe()
        .sum(&metric::WEBSOCKET_ADMISSION_REJECTS, &drain);
    assert_eq!(rejects, 1);
    drop(there);
}

#[tokio::test]
async fn each_connection_of_a_client_is_linked_to_the_one_before() {
    let live = Live::start().await;
    let gate = Gate::before(live.server.address).await;
    let mut client = Client::of(&gate.url("live"));
    for _ in 0..3 {
        client.until_attached().await;
        gate.cut();
    }
    let connects = client.probe.moments(span::WEBSOCKET_CONNECT);
    let numbers: Vec<_> = connects
        .iter()
        .map(|connect| &*connect.attributes["websocket.connection.sequence"])
        .collect();
    assert_eq!(numbers, ["1", "2", "3"]);
    assert!(connects[0].links.iter().all(|link| !link.is_valid()));
    for pair in connects.windows(2) {
        assert!(pair[1].links.contains(&pair[0].context), "{pair:#?}");
    }
}
