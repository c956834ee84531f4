//! Two nodes on one store that lose sight of it, and of each other: what was lost is counted once.

use std::time::Duration;

use campanile_ws::resume::store::{MemoryStore, NodeId, Opened, Record, SessionStore};
use campanile_ws::resume::{Keep, Seq};

use crate::resume_nodes::{Pair, until_stored};
use crate::until::{HANG, until};

#[tokio::test]
async fn a_node_that_was_thought_gone_takes_its_session_back() {
    let pair = Pair::start(Keep::Always).await;
    let mut client = pair.one.dial("new").await;
    until_stored(&pair.store, 2).await;
    pair.line.cut(true);
    pair.one.wall.advance(Duration::from_secs(6));
    pair.two.waiting(2).await;
    assert_eq!(pair.two.detachments(), 1, "that of its own client");
    pair.line.cut(false);
    // It asks of itself for what it holds, once it knows that its lease was over.
    pair.two.waiting(1).await;
    pair.one.push("still here").await;
    assert_eq!(client.text().await, "still here");
    client.ack_and_wait(1).await;
    pair.assert_identity();
    let token = client.lose();
    pair.one.detached(1).await;
    let client = pair.two.resume(&token, 1).await;
    assert_eq!(client.state(), "resumed");
    pair.one.detached(0).await;
    assert_eq!((pair.one.detachments(), pair.two.detachments()), (1, 1));
    pair.assert_identity();
}

#[tokio::test]
async fn a_node_that_was_thought_gone_for_too_long_sends_its_clients_where_they_are_counted() {
    let pair = Pair::start(Keep::Always).await;
    let mut client = pair.one.dial("new").await;
    let (token, sid) = (client.token(), client.sid().to_owned());
    until_stored(&pair.store, 2).await;
    pair.line.cut(true);
    pair.one.wall.advance(Duration::from_secs(6));
    pair.two.waiting(2).await;
    pair.one.wall.advance(Duration::from_secs(6));
    pair.two.detached(2).await;
    pair.line.cut(false);
    assert_eq!(client.closed().await, (1012, "k=drain;ra=0".to_owned()));
    drop(client);
    let client = pair.one.resume(&token, 0).await;
    assert_eq!((client.state(), client.sid()), ("resumed", &*sid));
    pair.two.detached(1).await;
    assert_eq!((pair.one.detachments(), pair.two.detachments()), (0, 2));
    pair.assert_identity();
}

#[tokio::test]
async fn a_connection_that_was_lost_while_its_node_was_thought_gone_is_counted_once() {
    for is_settled in [false, true] {
        let pair = Pair::start(Keep::OnDetach).await;
        let client = pair.one.dial("new").await;
        until_stored(&pair.store, 2).await;
        pair.line.cut(true);
        drop(client);
        pair.one.waiting(1).await;
        pair.one.wall.advance(Duration::from_secs(6));
        pair.two.waiting(2).await;
        if is_settled {
            pair.one.wall.advance(Duration::from_secs(6));
            pair.two.detached(2).await;
        }
        assert_eq!(pair.one.detachments(), 0, "nobody could be asked");
        pair.line.cut(false);
        let [one, two] = if is_settled { [0, 2] } else { [1, 1] };
        pair.one.detached(one).await;
        pair.two.detached(two).await;
        pair.one.waiting(usize::try_from(one).unwrap()).await;
        assert_eq!((pair.one.detachments(), pair.two.detachments()), (one, two));
        pair.assert_identity();
    }
}

#[tokio::test]
async fn a_client_that_came_back_while_its_node_was_thought_gone_is_counted_once() {
    for is_adopted in [false, true] {
        let pair = Pair::start(Keep::OnDetach).await;
        let client = pair.one.dial("new").await;
        let token = client.token();
        until_stored(&pair.store, 2).await;
        pair.line.cut(true);
        drop(client);
        pair.one.waiting(1).await;
        let client = pair.one.resume(&token, 0).await;
        assert_eq!(client.state(), "resumed");
        if is_adopted {
            pair.one.wall.advance(Duration::from_secs(6));
            pair.two.waiting(2).await;
        }
        pair.line.cut(false);
        pair.detachments(2).await;
        pair.two.waiting(1).await;
        pair.assert_identity();
    }
}

#[tokio::test]
async fn a_session_that_ended_while_its_node_was_thought_gone_is_over_there_too() {
    let pair = Pair::start(Keep::OnDetach).await;
    let client = pair.one.dial("new").await;
    until_stored(&pair.store, 2).await;
    pair.line.cut(true);
    drop(client);
    pair.one.waiting(1).await;
    pair.one.wall.advance(Duration::from_secs(6));
    pair.two.waiting(2).await;
    assert_eq!(pair.two.server.sessions.revoke(b"ann"), 2);
    until_stored(&pair.store, 0).await;
    pair.line.cut(false);
    pair.one.waiting(0).await;
    assert_eq!((pair.one.detachments(), pair.two.detachments()), (0, 2));
    pair.assert_identity();
    assert_eq!(pair.store.sessions(), 0, "it was not opened again");
}

#[tokio::test]
async fn of_two_nodes_that_went_on_without_the_store_the_first_to_tell_has_the_session() {
    for first in [0, 1] {
        let pair = Pair::start(Keep::OnDetach).await;
        let old = pair.one.dial("new").await;
        let (token, sid) = (old.token(), old.sid().to_owned());
        until_stored(&pair.store, 2).await;
        let lines = [&pair.line, &pair.other];
        for line in lines {
            line.break_down(true);
        }
        drop(old);
        pair.one.waiting(1).await;
        let mut elsewhere = pair.two.resume(&token, 0).await;
        let mut here = pair.one.resume(&token, 0).await;
        assert_eq!((elsewhere.state(), here.state()), ("resynced", "resumed"));
        assert_eq!((elsewhere.sid(), here.sid()), (&*sid, &*sid));
        lines[first].break_down(false);
        until_told(&pair.store, &sid).await;
        lines[1 - first].break_down(false);
        let loser = [&mut elsewhere, &mut here][first].closed().await;
        assert_eq!(loser, (1012, "k=drain;ra=0".to_owned()), "it may come back");
        pair.detachments(3).await;
        pair.assert_identity();
        let winner = [&pair.one, &pair.two][first];
        let client = [&mut here, &mut elsewhere].into_iter().nth(first).unwrap();
        winner.push("still here").await;
        assert_eq!(client.text().await, "still here");
    }
}

#[tokio::test]
async fn a_session_that_went_on_unheard_and_ended_is_not_abandoned_where_it_was_lost() {
    for has_noticed in [true, false] {
        let pair = Pair::start(Keep::OnDetach).await;
        let old = pair.one.dial("new").await;
        let token = old.token();
        until_stored(&pair.store, 2).await;
        let kept = (!has_noticed).then_some(old);
        if has_noticed {
            pair.one.detached(1).await;
        }
        pair.other.cut(true);
        let mut new = pair.two.resume(&token, 0).await;
        assert_eq!(new.state(), "resynced");
        new.socket.close(None).await.unwrap();
        let ended = || pair.two.ends("client") == 1;
        until(HANG, "the end", async || ended().then_some(())).await;
        pair.other.cut(false);
        // It is over for all, and its way back is counted like any other.
        pair.detachments(2).await;
        pair.one.detached(0).await;
        until_stored(&pair.store, 1).await;
        pair.assert_identity();
        drop(kept);
    }
}

#[tokio::test]
async fn messages_that_a_node_had_no_time_to_store_are_known_to_be_lost() {
    let pair = Pair::start(Keep::Always).await;
    pair.line.break_down(true);
    let old = pair.one.dial("new").await;
    for text in ["1", "2", "3"] {
        pair.one.push(text).await;
    }
    // It gets to tell of the session, and of nothing that it has sent.
    pair.line.refuse_saves();
    pair.line.break_down(false);
    until_stored(&pair.store, 2).await;
    pair.line.cut(true);
    let token = old.token();
    drop(old);
    pair.one.wall.advance(Duration::from_secs(6));
    let new = pair.two.resume(&token, 0).await;
    assert_eq!((new.state(), new.number("lost")), ("resynced", 3));
}

#[tokio::test]
async fn a_session_whose_window_ends_on_two_nodes_that_cannot_agree_is_lost_as_often() {
    let pair = Pair::start(Keep::OnDetach).await;
    drop(pair.one.dial("new").await);
    pair.one.detached(1).await;
    pair.line.cut(true);
    pair.one.wall.advance(Duration::from_secs(6));
    pair.two.detached(2).await;
    pair.one.wall.advance(Duration::from_secs(120));
    let abandoned = || pair.one.ends("abandoned") == 1 && pair.two.ends("abandoned") == 2;
    until(HANG, "the ends", async || abandoned().then_some(())).await;
    pair.line.cut(false);
    pair.detachments(3).await;
    pair.assert_identity();
}

#[tokio::test]
async fn a_session_that_was_thought_lost_and_only_got_another_connection_is_lost_and_superseded() {
    let pair = Pair::start(Keep::OnDetach).await;
    let old = pair.one.dial("new").await;
    until_stored(&pair.store, 2).await;
    pair.line.cut(true);
    let new = pair.one.resume(&old.token(), 0).await;
    assert_eq!(new.state(), "conflict");
    for waiting in 0..2 {
        pair.one.wall.advance(Duration::from_secs(6));
        match waiting {
            0 => pair.two.waiting(2).await,
            _ => pair.two.detached(2).await,
        }
    }
    pair.line.cut(false);
    until(HANG, "its end", async || {
        (pair.one.ends("superseded") == 1).then_some(())
    })
    .await;
    pair.two.detached(1).await;
    assert_eq!((pair.one.detachments(), pair.two.detachments()), (0, 2));
    pair.assert_identity();
}

#[tokio::test]
async fn a_claim_that_comes_to_nothing_leaves_the_session_waiting_and_counted_once() {
    let pair = Pair::start(Keep::OnDetach).await;
    let client = pair.one.dial("new").await;
    let (token, sid) = (client.token(), client.sid().to_owned());
    drop(client);
    pair.one.detached(1).await;
    let refused = pair.two.refused_hello(&token, 99).await;
    assert_eq!(refused, (1002, "seq ahead".to_owned()));
    pair.one.detached(0).await;
    pair.two.detached(2).await;
    pair.assert_identity();
    let client = pair.one.resume(&token, 0).await;
    assert_eq!((client.state(), client.sid()), ("resumed", &*sid));
    pair.two.detached(1).await;
    pair.assert_identity();
}

#[tokio::test]
async fn an_old_token_ends_its_session_also_on_the_node_that_has_it() {
    let pair = Pair::start(Keep::OnDetach).await;
    let client = pair.one.dial("new").await;
    let first = client.token();
    drop(client);
    pair.one.detached(1).await;
    let mut client = pair.one.resume(&first, 0).await;
    client.ack_and_wait(0).await;
    drop(client);
    pair.one.detached(1).await;
    let client = pair.two.resume(&first, 0).await;
    assert_eq!(client.state(), "token_replayed");
    assert_eq!(pair.two.ends("superseded"), 1);
    // Long before its window is over.
    pair.one.detached(0).await;
    pair.one.waiting(0).await;
    pair.assert_identity();
}

/// Until the store knows a session at a later generation than that of its beginning.
async fn until_told(store: &MemoryStore, sid: &str) {
    let stale = record(sid);
    let is_later = async || (store.open(&stale).await.unwrap() == Opened::Later).then_some(());
    until(HANG, "a store that was told", is_later).await;
}

/// A session as another node may have begun it.
fn record(sid: &str) -> Record {
    Record {
        sid: u128::from_str_radix(sid, 16).unwrap(),
        endpoint: "live".to_owned(),
        principal: [0; 8],
        generation: 0,
        good: 0,
        node: NodeId(1),
        mark: [0; 25],
        heard: 0,
        sent: Seq(0),
        acked: Seq(0),
        window: 120_000,
        kept: false,
        complete: false,
        detached: None,
    }
}
