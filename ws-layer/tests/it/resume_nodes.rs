//! Two nodes on one store: takeover, fencing, and what becomes of the messages.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_semconv::{metric, span};
use campanile_ws::resume::store::{
    Adopted, Answer, Beat, Before, Claim, Claimed, End, MemoryStore, NodeId, Opened, Record, Save,
    Saved, SessionStore, StoreError,
};
use campanile_ws::resume::{Keep, Resume};
use campanile_ws::{Builder, Pushed};

use axum::extract::ws::Message as Sent;

use crate::probe::Probe;
use crate::resume::{Live, Wall};
use crate::until::{HANG, until};

/// What happens between a node and its store.
#[derive(Debug, Default)]
struct Line {
    /// Every request fails.
    broken: AtomicBool,
    /// The node is dead: nothing it says arrives.
    cut: AtomicBool,
    /// So many saves are done, and their answers come too late.
    late: AtomicUsize,
    /// Saves fail, and nothing else.
    saves_fail: AtomicBool,
}

/// A store that fails, forgets, and loses its node, on demand.
#[derive(Clone, Debug)]
pub struct Unreliable(Arc<Mutex<MemoryStore>>, Arc<Line>);

impl Unreliable {
    pub fn over(store: &MemoryStore) -> Self {
        Self(Arc::new(Mutex::new(store.clone())), Arc::default())
    }

    pub fn break_down(&self, broken: bool) {
        self.1.broken.store(broken, Ordering::SeqCst);
    }

    /// Whether nothing that the node says arrives.
    pub fn cut(&self, cut: bool) {
        self.1.cut.store(cut, Ordering::SeqCst);
    }

    /// The answers to the next saves do not come in time.
    pub fn answer_late(&self, saves: usize) {
        self.1.late.store(saves, Ordering::SeqCst);
    }

    /// Saves fail, and nothing else.
    pub fn refuse_saves(&self) {
        self.1.saves_fail.store(true, Ordering::SeqCst);
    }

    /// Everything is gone.
    fn forget(&self) {
        *self.0.lock().unwrap() = MemoryStore::new();
    }

    fn ask<'a, T, F>(&self, answer: impl FnOnce(MemoryStore) -> F) -> Answer<'a, T>
    where
        T: Send + 'a,
        F: Future<Output = Result<T, StoreError>> + Send + 'a,
    {
        let is_down = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
        if is_down(&self.1.broken) || is_down(&self.1.cut) {
            return Box::pin(std::future::ready(Err(StoreError::new("down"))));
        }
        Box::pin(answer(self.0.lock().unwrap().clone()))
    }
}

impl SessionStore for Unreliable {
    fn open<'a>(&'a self, record: &'a Record) -> Answer<'a, Opened> {
        self.ask(async move |store| store.open(record).await)
    }

    fn save<'a>(&'a self, batch: &'a [Save]) -> Answer<'a, Vec<Saved>> {
        if self.1.saves_fail.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::new("no room"))));
        }
        let count_down = |late: usize| late.checked_sub(1);
        let late = &self.1.late;
        let is_late = late.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count_down);
        self.ask(async move |store| match is_late {
            Ok(_) => {
                store.save(batch).await?;
                Err(StoreError::new("late"))
            }
            Err(_) => store.save(batch).await,
        })
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        self.ask(async move |store| store.claim(claim).await)
    }

    fn end(&self, end: End) -> Answer<'_, Option<Before>> {
        self.ask(async move |store| store.end(end).await)
    }

    fn beat(&self, node: NodeId, now: u64, lease: u64) -> Answer<'_, Beat> {
        self.ask(async move |store| store.beat(node, now, lease).await)
    }

    fn adopt(&self, node: NodeId, now: u64, max: usize) -> Answer<'_, Vec<Adopted>> {
        self.ask(async move |store| store.adopt(node, now, max).await)
    }

    fn leave(&self, node: NodeId) -> Answer<'_, ()> {
        self.ask(async move |store| store.leave(node).await)
    }

    fn outlives(&self, node: NodeId) -> bool {
        self.0.lock().unwrap().outlives(node)
    }
}

/// Two nodes that share a store and a clock.
pub struct Pair {
    pub store: MemoryStore,
    pub line: Unreliable,
    pub other: Unreliable,
    pub one: Live,
    pub two: Live,
}

impl Pair {
    pub async fn start(keep: Keep) -> Self {
        let wall = Wall::default();
        let store = MemoryStore::new();
        let line = Unreliable::over(&store);
        let node = async |store| {
            let clock = wall.clone();
            let resume = |resume: Resume| resume.keep(keep).clock(move || clock.now());
            let mut live = Live::with(store, resume, |builder: Builder| builder).await;
            live.wall = wall.clone();
            live
        };
        let one = node(line.clone()).await;
        let other = Unreliable::over(&store);
        let two = node(other.clone()).await;
        // A node is known once a client has asked it for something.
        drop(two.dial("new").await);
        two.detached(1).await;
        Self {
            store,
            line,
            other,
            one,
            two,
        }
    }

    /// Until both nodes together have counted so many detachments.
    pub async fn detachments(&self, count: i64) {
        let all = || self.one.detachments() + self.two.detachments();
        let are_there = async || (all() == count).then_some(());
        until(HANG, "detachments", are_there).await;
    }

    /// The identity over both nodes.
    pub fn assert_identity(&self) {
        let sum = |metric, with: &[&str]| {
            let nodes = [&self.one, &self.two];
            nodes
                .map(|node| node.probe().sum(metric, with))
                .iter()
                .sum::<i64>()
        };
        let named = |metric, name: &str, values: &[&str]| {
            let values = values.iter().map(|value| format!("{name}={value}"));
            values.map(|with| sum(metric, &[&with])).sum::<i64>()
        };
        let returns = named(
            &metric::WEBSOCKET_RESUME_ATTEMPTS,
            "websocket.resume.result",
            &["resumed", "replayed", "resynced"],
        );
        let ends = named(
            &metric::WEBSOCKET_SESSION_ENDS,
            "websocket.session.end",
            &["abandoned", "superseded", "revoked", "drain_lost"],
        );
        let detached = sum(&metric::WEBSOCKET_SESSION_DETACHED, &[]);
        let detachments = sum(&metric::WEBSOCKET_SESSION_DETACHMENTS, &[]);
        assert_eq!(
            detachments,
            returns + ends + detached,
            "{returns} {ends} {detached}"
        );
    }
}

#[tokio::test]
async fn a_session_that_waits_on_one_node_goes_on_at_another() {
    let pair = Pair::start(Keep::OnDetach).await;
    let mut client = pair.one.dial("new").await;
    pair.one.push("one").await;
    assert_eq!(client.text().await, "one");
    pair.one.push("two").await;
    assert_eq!(client.text().await, "two");
    let (token, sid) = (client.token(), client.sid().to_owned());
    drop(client);
    pair.one.detached(1).await;
    let outbox = pair.one.outbox().await;
    assert_eq!(outbox.push(Sent::text("three")), Pushed::Queued);
    assert!(outbox.committed().await);

    let mut client = pair.two.resume(&token, 1).await;
    assert_eq!((client.state(), client.sid()), ("replayed", &*sid));
    assert_eq!((client.number("from"), client.number("n")), (1, 2));
    assert_eq!(client.text().await, "two");
    assert_eq!(client.text().await, "three");
    client.ack_and_wait(3).await;
    pair.one.detached(0).await;
    pair.assert_identity();
    // What was under way has moved, and is delivered there.
    let moved = |probe: &Probe| {
        let moved = ["websocket.delivery.outcome=moved"];
        probe.sum(&metric::WEBSOCKET_DELIVERY_MESSAGES, &moved) >= 1
    };
    pair.one.probe().until("moved messages", moved).await;
    pair.one.assert_books();
    assert_eq!(pair.one.outcome("lost"), 0);
    assert_eq!(outbox.push(Sent::text("four")), Pushed::Ended);
    let resume = pair.two.probe().moments(span::WEBSOCKET_RESUME).remove(0);
    let connect = pair.one.probe().moments(span::WEBSOCKET_CONNECT).remove(0);
    assert!(resume.links.contains(&connect.context));
}

#[tokio::test]
async fn a_session_that_is_attached_to_one_node_is_let_go_for_another() {
    let pair = Pair::start(Keep::OnDetach).await;
    let mut old = pair.one.dial("new").await;
    pair.one.push("one").await;
    assert_eq!(old.text().await, "one");
    let mut new = pair.two.resume(&old.token(), 0).await;
    assert_eq!((new.state(), new.sid()), ("conflict", old.sid()));
    assert_eq!(new.text().await, "one");
    assert_eq!(old.closed().await, (1000, "k=superseded".to_owned()));
    drop(old);
    let ended = |probe: &Probe| probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]) == 0;
    pair.one.probe().until("the old socket's end", ended).await;
    pair.assert_identity();
    assert_eq!(
        pair.one.server.sessions.detached(),
        1,
        "until the news are here"
    );
}

#[tokio::test]
async fn what_was_committed_survives_the_death_of_its_node() {
    let pair = Pair::start(Keep::Always).await;
    let mut client = pair.one.dial("new").await;
    for text in ["one", "two"] {
        pair.one.push(text).await;
        assert_eq!(client.text().await, text);
    }
    client.ack_and_wait(1).await;
    let outbox = pair.one.outbox().await;
    assert!(outbox.committed().await);
    // The node dies: it says no more, and its lease runs out.
    pair.line.cut(true);
    assert_eq!(outbox.push(Sent::text("three")), Pushed::Queued);
    assert!(!outbox.committed().await, "nobody may rely on this one");
    let (token, sid) = (client.token(), client.sid().to_owned());
    drop(client);
    pair.one.wall.advance(Duration::from_secs(6));
    pair.two.waiting(2).await;

    let mut client = pair.two.resume(&token, 1).await;
    assert_eq!((client.state(), client.sid()), ("replayed", &*sid));
    assert_eq!(client.text().await, "two");
    client.ack_and_wait(2).await;
    pair.two.detached(1).await;
    pair.two.assert_books();
    let resume = pair.two.probe().moments(span::WEBSOCKET_RESUME).remove(0);
    let connect = pair.one.probe().moments(span::WEBSOCKET_CONNECT).remove(0);
    assert!(resume.links.contains(&connect.context), "on the dead node");
    // The dead node's series are gone with it: the books of the other hold by themselves.
    pair.two.assert_identity();
}

#[tokio::test]
async fn a_client_that_returns_before_the_orphan_is_adopted_is_counted_too() {
    let pair = Pair::start(Keep::OnDetach).await;
    let mut client = pair.one.dial("new").await;
    pair.one.push("one").await;
    assert_eq!(client.text().await, "one");
    pair.line.cut(true);
    let token = client.token();
    drop(client);
    pair.one.wall.advance(Duration::from_secs(6));
    let client = pair.two.resume(&token, 1).await;
    assert_eq!(
        client.state(),
        "resynced",
        "what it was sent last is not known"
    );
    assert_eq!(client.number("from"), 1);
    pair.two.assert_identity();
}

#[tokio::test]
async fn orphans_that_nobody_asks_for_are_abandoned() {
    let pair = Pair::start(Keep::OnDetach).await;
    let client = pair.one.dial("new").await;
    let known = |probe: &Probe| probe.sum(&metric::WEBSOCKET_CONNECTION_ACTIVE, &[]) == 1;
    pair.one.probe().until("the session", known).await;
    until_stored(&pair.store, 2).await;
    pair.line.cut(true);
    drop(client);
    pair.one.wall.advance(Duration::from_secs(6));
    pair.two.detached(2).await;
    pair.one.wall.advance(Duration::from_secs(120));
    pair.two.detached(0).await;
    assert_eq!(pair.two.ends("abandoned"), 2);
    pair.two.assert_identity();
    assert_eq!(pair.store.sessions(), 0, "nothing is left behind");
    let expire = pair.two.probe().moments(span::WEBSOCKET_EXPIRE);
    assert_eq!(expire.len(), 2);
    assert!(expire.iter().all(|expire| expire.links.len() == 1));
}

pub async fn until_stored(store: &MemoryStore, sessions: usize) {
    let are_there = async || (store.sessions() == sessions).then_some(());
    until(HANG, "sessions in the store", are_there).await;
}

#[tokio::test]
async fn without_the_store_sessions_go_on_where_they_are_and_are_resynced_elsewhere() {
    let pair = Pair::start(Keep::OnDetach).await;
    let mut client = pair.one.dial("new").await;
    pair.one.push("one").await;
    assert_eq!(client.text().await, "one");
    let sid = client.sid().to_owned();
    pair.line.break_down(true);
    let token = client.lose();
    pair.one.waiting(1).await;
    let mut client = pair.one.resume(&token, 0).await;
    assert_eq!(
        (client.state(), client.sid()),
        ("replayed", &*sid),
        "it is here"
    );
    assert_eq!(client.text().await, "one");
    let failures = pair.one.probe();
    let claim = ["websocket.store.operation=claim"];
    assert!(failures.sum(&metric::WEBSOCKET_STORE_FAILURES, &claim) >= 1);

    // The other node's client comes here, where nobody can be asked for its session.
    let other = pair.two.dial("new").await;
    let (token, sid) = (other.token(), other.sid().to_owned());
    drop(other);
    let client = pair.one.resume(&token, 7).await;
    assert_eq!((client.state(), client.sid()), ("resynced", &*sid));
    assert_eq!(client.number("from"), 7);

    // The store is back, and is told of both.
    pair.line.break_down(false);
    let token = client.token();
    drop(client);
    pair.one.detached(1).await;
    pair.two.wall.advance(Duration::from_secs(1));
    let resumed = async || {
        let client = pair.two.resume(&token, 7).await;
        (client.state() == "resumed").then_some(client)
    };
    let client = until(HANG, "a store that was told", resumed).await;
    assert_eq!(client.sid(), sid);
}

#[tokio::test]
async fn a_store_that_has_lost_everything_is_told_again() {
    let wall = Wall::default();
    let store = MemoryStore::new();
    let clock = wall.clone();
    let resume = |resume: Resume| resume.keep(Keep::Always).clock(move || clock.now());
    let line = Unreliable::over(&store);
    let live = Live::with(line.clone(), resume, |builder| builder).await;
    let mut client = live.dial("new").await;
    until_stored(&store, 1).await;
    line.forget();
    let store = line.0.lock().unwrap().clone();
    // The node is not known there, and so tells of all that it has.
    until_stored(&store, 1).await;
    live.push("one").await;
    assert_eq!(client.text().await, "one");
    assert!(live.outbox().await.committed().await);
    client.ack_and_wait(1).await;
}

#[tokio::test]
async fn drain_hands_everything_to_the_other_node() {
    let pair = Pair::start(Keep::OnDetach).await;
    let mut client = pair.one.dial("new").await;
    pair.one.push("one").await;
    assert_eq!(client.text().await, "one");
    let (token, sid) = (client.token(), client.sid().to_owned());
    let outbox = pair.one.outbox().await;
    let sessions = pair.one.server.sessions.clone();
    let (drained, closed) = tokio::join!(sessions.drain(Duration::from_secs(10)), async {
        let closed = client.closed().await;
        outbox.push(Sent::text("late"));
        drop(client);
        closed
    });
    assert_eq!(closed.0, 1012);
    assert!(closed.1.starts_with("k=drain;ra="), "{}", closed.1);
    assert_eq!((drained.closed, drained.remaining, drained.lost), (1, 0, 0));
    assert_eq!(pair.one.server.sessions.detached(), 0, "handed over");

    let mut client = pair.two.resume(&token, 0).await;
    assert_eq!((client.state(), client.sid()), ("replayed", &*sid));
    assert_eq!(client.text().await, "one");
    assert_eq!(client.text().await, "late");
    pair.assert_identity();
    pair.one.assert_books();
    assert_eq!(pair.one.outcome("lost"), 0);
    let drain = pair.one.probe().moments(span::WEBSOCKET_DRAIN).remove(0);
    assert_eq!(drain.attributes["websocket.closed.count"], "1");
    let cause = ["websocket.close.cause=drain"];
    let attempts = pair.two.probe();
    assert_eq!(attempts.sum(&metric::WEBSOCKET_RESUME_ATTEMPTS, &cause), 1);
    let (status, after) = pair.one.refused("new").await;
    assert_eq!((status, after), (503, Some(1)));
}

#[tokio::test]
async fn a_store_that_answers_late_when_the_time_is_over_loses_nothing() {
    let pair = Pair::start(Keep::OnDetach).await;
    let mut client = pair.one.dial("new").await;
    pair.one.push("one").await;
    assert_eq!(client.text().await, "one");
    until_stored(&pair.store, 2).await;
    let (token, sid) = (client.token(), client.sid().to_owned());
    pair.line.answer_late(3);
    let drained = pair.one.server.sessions.drain(Duration::ZERO).await;
    assert_eq!(
        (drained.remaining, drained.lost),
        (1, 0),
        "cut off, and kept"
    );
    drop(client);
    let mut client = pair.two.resume(&token, 0).await;
    assert_eq!((client.state(), client.sid()), ("replayed", &*sid));
    assert_eq!(client.text().await, "one");
    pair.assert_identity();
}

#[tokio::test]
async fn what_a_drain_can_hand_to_nobody_is_counted() {
    let live = Live::start().await;
    let mut client = live.dial("new").await;
    live.push("one").await;
    assert_eq!(client.text().await, "one");
    let sessions = live.server.sessions.clone();
    let (drained, _) = tokio::join!(sessions.drain(Duration::from_secs(10)), async {
        client.closed().await;
        drop(client);
    });
    assert_eq!((drained.closed, drained.lost), (1, 1));
    assert_eq!(live.ends("drain_lost"), 1);
    live.assert_identity();
}
