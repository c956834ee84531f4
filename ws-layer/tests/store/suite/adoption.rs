//! What becomes of the sessions of a node that is gone.

use std::collections::BTreeSet;

use campanile_ws::Cause;
use campanile_ws::resume::store::{
    Adopted, Before, Claimed, Detached, NodeId, Opened, Save, Saved, SessionStore,
};
use tokio::task::JoinSet;

use crate::make::*;
use crate::until::{HANG, until};

/// What `node` adopts, once there is something: leases are judged by the store's clock.
async fn adopt(store: &impl SessionStore, node: NodeId, max: usize) -> Vec<Adopted> {
    let some = async || {
        let adopted = store.adopt(node, now(), max).await.unwrap();
        (!adopted.is_empty()).then_some(adopted)
    };
    until(HANG, "something to adopt", some).await
}

pub(crate) async fn each_orphan_is_adopted_by_one_node(store: impl SessionStore + Clone) {
    store.beat(A, now(), LONG).await.unwrap();
    for sid in 0..60 {
        store.open(&record(sid, A)).await.unwrap();
    }
    for sid in 60..100 {
        detached(&store, sid, A).await;
    }
    store.beat(A, now(), 0).await.unwrap();
    let first = adopt(&store, B, 1).await;
    let mut racers = JoinSet::new();
    for node in 1..=4 {
        let store = store.clone();
        racers.spawn(async move {
            let mut adopted = Vec::new();
            let node = NodeId(0x100 + node);
            store.beat(node, now(), LONG).await.unwrap();
            loop {
                let some = store.adopt(node, now(), 7).await.unwrap();
                if some.is_empty() {
                    return adopted;
                }
                assert!(some.iter().all(|one| one.record.node == node));
                adopted.extend(some);
            }
        });
    }
    // What B adopted without a lease of its own is an orphan again, and may be adopted twice.
    store.beat(B, now(), LONG).await.unwrap();
    let mut all: Vec<_> = racers.join_all().await.into_iter().flatten().collect();
    let again = all
        .iter()
        .filter(|one| one.record.sid == first[0].record.sid);
    if again.count() == 0 {
        all.extend(first);
    }
    let sids: BTreeSet<_> = all.iter().map(|one| one.record.sid).collect();
    assert_eq!((all.len(), sids.len()), (100, 100));
    for Adopted {
        record,
        was_attached,
    } in all
    {
        let Detached { at, cause, .. } = record.detached.unwrap();
        if record.sid < 60 {
            assert_eq!((at, cause), (record.heard, Cause::Network));
        } else {
            assert!(!was_attached);
            assert_eq!(cause, Cause::SlowConsumer);
        }
    }
}

pub(crate) async fn nobody_adopts_from_the_living_and_from_itself(store: impl SessionStore) {
    store.beat(A, now(), LONG).await.unwrap();
    store.open(&record(1, A)).await.unwrap();
    // B has no lease, and is still not its own orphan.
    store.open(&record(2, B)).await.unwrap();
    assert!(store.adopt(B, now(), 10).await.unwrap().is_empty());
    let adopted = store.adopt(A, now(), 10).await.unwrap();
    assert_eq!(adopted.len(), 1);
    assert!(adopted[0].was_attached);
    assert_eq!(adopted[0].record.sid, 2);
    assert!(store.adopt(A, now(), 10).await.unwrap().is_empty(), "once");
    assert!(store.adopt(C, now(), 10).await.unwrap().is_empty());
    // What was adopted can be claimed by its token, and the adopter is told.
    let taken = take(&store, claim(2, 1, C)).await;
    assert_eq!(taken.before.node, A);
    let notes = store.beat(A, now(), LONG).await.unwrap().notes;
    // Whoever claimed it has counted that it lost its connection.
    assert_eq!(notes, [note(2, 2, false)]);
}

pub(crate) async fn a_node_that_leaves_is_adopted_from_at_once(store: impl SessionStore) {
    store.beat(A, now(), LONG).await.unwrap();
    detached(&store, 1, A).await;
    assert!(store.adopt(B, now(), 10).await.unwrap().is_empty());
    store.leave(A).await.unwrap();
    let adopted = store.adopt(B, now(), 10).await.unwrap();
    assert_eq!(adopted.len(), 1);
    assert!(!adopted[0].was_attached);
}

pub(crate) async fn adoption_takes_no_more_than_it_was_asked_for(store: impl SessionStore) {
    for sid in 0..10 {
        store
            .open(&record(sid, if sid < 5 { A } else { C }))
            .await
            .unwrap();
    }
    let mut sids = BTreeSet::new();
    for expected in [4, 4, 2, 0] {
        let adopted = store.adopt(B, now(), 4).await.unwrap();
        assert_eq!(adopted.len(), expected);
        sids.extend(adopted.iter().map(|one| one.record.sid));
    }
    assert_eq!(sids.len(), 10);
}

pub(crate) async fn a_holder_that_wakes_after_its_sessions_were_adopted_is_fenced_and_takes_them_back(
    store: impl SessionStore,
) {
    let held = record(1, A);
    store.open(&held).await.unwrap();
    store.beat(B, now(), LONG).await.unwrap();
    assert_eq!(store.adopt(B, now(), 10).await.unwrap().len(), 1);
    store.beat(A, now(), LONG).await.unwrap();
    assert_eq!(save_one(&store, save(&held)).await, Saved::Fenced);
    // Its connection is still open: it says so, and whoever adopted it forgets it.
    let opened = store.open(&held).await.unwrap();
    assert_eq!(opened, Opened::Kept(Before::Others { counted: false }));
    let notes = store.beat(B, now(), LONG).await.unwrap().notes;
    assert_eq!(notes, [note(1, 1, false)]);
    assert_eq!(save_one(&store, save(&held)).await, Saved::Kept);
    assert!(store.adopt(B, now(), 10).await.unwrap().is_empty());
    let answer = store.claim(claim(1, 1, B)).await.unwrap();
    assert!(matches!(answer, Claimed::Open(A)), "{answer:?}");
}

pub(crate) async fn an_orphan_that_is_counted_is_not_taken_back(store: impl SessionStore) {
    store.beat(A, now(), LONG).await.unwrap();
    store.beat(B, now(), LONG).await.unwrap();
    let held = record(1, A);
    store.open(&held).await.unwrap();
    store.leave(A).await.unwrap();
    let orphan = store.adopt(B, now(), 10).await.unwrap().remove(0).record;
    assert!(!orphan.detached.unwrap().counted);
    let counted = orphan.detached.map(|detached| Detached {
        counted: true,
        ..detached
    });
    let settled = Save {
        detached: counted,
        ..save(&orphan)
    };
    assert_eq!(save_one(&store, settled).await, Saved::Kept);
    assert_eq!(store.open(&held).await.unwrap(), Opened::Elsewhere);
    assert_eq!(save_one(&store, save(&held)).await, Saved::Fenced);
    let taken = take(&store, claim(1, 1, C)).await;
    assert_eq!(taken.before.detached, counted);
    let notes = store.beat(B, now(), LONG).await.unwrap().notes;
    assert_eq!(notes, [note(1, 2, true)]);
    assert_eq!(store.open(&held).await.unwrap(), Opened::Later);
}

pub(crate) async fn a_node_learns_that_its_lease_was_over(store: impl SessionStore) {
    assert!(store.beat(A, now(), LONG).await.unwrap().lapsed, "unknown");
    store.open(&record(1, A)).await.unwrap();
    assert!(!store.beat(A, now(), 0).await.unwrap().lapsed);
    // There is something to adopt as soon as the lease is over.
    adopt(&store, B, 1).await;
    assert!(store.beat(A, now(), LONG).await.unwrap().lapsed);
    assert!(!store.beat(A, now(), LONG).await.unwrap().lapsed);
    store.leave(A).await.unwrap();
    assert!(store.beat(A, now(), LONG).await.unwrap().lapsed);
}
