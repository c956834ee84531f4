//! What every store does.

use std::collections::{BTreeMap, BTreeSet};

use campanile_ws::Cause;
use campanile_ws::resume::Seq;
use campanile_ws::resume::store::{
    Adopted, Before, Claim, Claimed, Detached, End, NodeId, Note, Opened, Record, Save, Saved,
    SessionStore,
};
use tokio::task::JoinSet;

use crate::make::*;

pub(crate) async fn a_claimed_session_is_as_it_was_saved(store: impl SessionStore) {
    let opened = record(7, A);
    let kept = store.open(&opened).await.unwrap();
    assert_eq!(kept, Opened::Kept(Before::Nothing));
    let news = Save {
        mark: Some([3; 25]),
        sent: Seq(3),
        acked: Seq(1),
        base: Seq(1),
        complete: true,
        detached: lost(now()),
        entries: (1..=3).map(message).collect(),
        ..save(&opened)
    };
    assert_eq!(save_one(&store, news.clone()).await, Saved::Kept);
    let taken = take(&store, claim(7, 1, B)).await;
    let before = Record {
        mark: [3; 25],
        sent: Seq(3),
        acked: Seq(1),
        complete: true,
        detached: news.detached,
        ..opened
    };
    assert_eq!(taken.before, before);
    assert_eq!(taken.generation, 2);
    assert_eq!(taken.entries, [message(2), message(3)]);
    // It is attached to the other node now, and nobody has heard of its client there.
    store.beat(B, now(), LONG).await.unwrap();
    let open = store.claim(claim(7, 2, A)).await.unwrap();
    assert!(matches!(open, Claimed::Open(B)), "{open:?}");
}

pub(crate) async fn what_nobody_knows_is_unknown_and_what_is_over_is_expired(
    store: impl SessionStore,
) {
    let answer = store.claim(claim(1, 1, A)).await.unwrap();
    assert!(matches!(answer, Claimed::Unknown));
    let over = Record {
        detached: lost(now() - 120_050),
        ..record(1, A)
    };
    store.open(&over).await.unwrap();
    let answer = store.claim(claim(1, 1, B)).await.unwrap();
    assert!(matches!(answer, Claimed::Expired), "{answer:?}");
    let at_the_end = Claim {
        now: over.detached.unwrap().at + over.window,
        ..claim(1, 1, B)
    };
    assert_eq!(take(&store, at_the_end).await.generation, 2);
    // A generation that never was is no replay.
    let answer = store.claim(claim(1, 3, A)).await.unwrap();
    assert!(matches!(answer, Claimed::Unknown), "{answer:?}");
}

pub(crate) async fn of_many_claimers_exactly_one_wins(store: impl SessionStore + Clone) {
    for sid in 0..20 {
        detached(&store, sid, A).await;
        let mut racers = JoinSet::new();
        for node in 1..=8 {
            let store = store.clone();
            racers.spawn(async move {
                let node = NodeId(node);
                let answer = store.claim(claim(sid, 1, node)).await.unwrap();
                if let Claimed::Taken(taken) = &answer {
                    // The client has answered on this connection: no other may have it.
                    let mine = Record {
                        generation: taken.generation,
                        ..record(sid, node)
                    };
                    return (answer.clone(), Some(save_one(&store, save(&mine)).await));
                }
                (answer, None)
            });
        }
        let answers = racers.join_all().await;
        // Until the winner is confirmed a second claim of the same token is the client's who never
        // saw its welcome: it takes the place of the first. What both cannot is to hold it.
        let held = answers
            .iter()
            .filter(|(_, saved)| *saved == Some(Saved::Kept));
        let taken = |answer: &Claimed| match answer {
            Claimed::Taken(taken) => Some(taken.generation),
            Claimed::Replayed(_) => None,
            other => panic!("{other:?}"),
        };
        let generations: Vec<_> = answers
            .iter()
            .filter_map(|(answer, _)| taken(answer))
            .collect();
        assert_eq!(held.count(), 1, "{answers:?}");
        let distinct: BTreeSet<_> = generations.iter().collect();
        assert_eq!(
            distinct.len(),
            generations.len(),
            "one claimer for each generation"
        );
    }
}

pub(crate) async fn a_claim_may_come_again_until_a_welcome_is_confirmed(store: impl SessionStore) {
    detached(&store, 1, A).await;
    // However many welcomes are lost, the client has the token it came with.
    for generation in 2..=4 {
        let taken = take(&store, claim(1, 1, B)).await;
        assert_eq!((taken.generation, taken.before.good), (generation, 1));
    }
    // A client that comes with a later one has no use for those before it.
    assert_eq!(take(&store, claim(1, 3, B)).await.generation, 5);
    for used in [1, 2] {
        let answer = store.claim(claim(1, used, B)).await.unwrap();
        assert!(matches!(answer, Claimed::Replayed(_)), "{answer:?}");
    }
    let mine = Record {
        generation: 5,
        ..record(1, B)
    };
    assert_eq!(save_one(&store, save(&mine)).await, Saved::Kept);
    for used in 1..=4 {
        match store.claim(claim(1, used, B)).await.unwrap() {
            Claimed::Replayed(record) => {
                assert_eq!((record.generation, record.good, record.node), (5, 5, B));
            }
            other => panic!("{other:?}"),
        }
    }
    // What was confirmed stays so.
    let silent = Save {
        confirmed: false,
        ..save(&mine)
    };
    save_one(&store, silent).await;
    assert_eq!(take(&store, claim(1, 5, B)).await.before.good, 5);
}

pub(crate) async fn a_holder_that_was_overtaken_is_fenced(store: impl SessionStore) {
    store.beat(A, now(), LONG).await.unwrap();
    let old = detached(&store, 1, A).await;
    take(&store, claim(1, 1, B)).await;
    let late = Save {
        sent: Seq(9),
        entries: vec![message(9)],
        detached: None,
        ..save(&old)
    };
    assert_eq!(save_one(&store, late).await, Saved::Fenced);
    assert_eq!(store.open(&old).await.unwrap(), Opened::Later);
    assert_eq!(store.end(end(A, 1, 1)).await.unwrap(), None);
    let notes = store.beat(A, now(), LONG).await.unwrap().notes;
    assert_eq!(notes, [note(1, 2, true)]);
    assert!(
        store.beat(A, now(), LONG).await.unwrap().notes.is_empty(),
        "told once"
    );
    let taken = take(&store, claim(1, 2, B)).await;
    assert_eq!(taken.before.sent, Seq(0), "what was refused has no effect");
    assert!(taken.entries.is_empty());
    let unknown = save(&record(2, A));
    assert_eq!(save_one(&store, unknown).await, Saved::Fenced);
}

pub(crate) async fn an_attached_session_is_asked_for_before_it_is_taken(store: impl SessionStore) {
    store.beat(A, now(), LONG).await.unwrap();
    let held = record(1, A);
    store.open(&held).await.unwrap();
    let answer = store.claim(claim(1, 1, B)).await.unwrap();
    assert!(matches!(answer, Claimed::Open(A)), "{answer:?}");
    let notes = store.beat(A, now(), LONG).await.unwrap().notes;
    assert_eq!(notes, [Note::Release(1)]);
    let let_go = Save {
        complete: true,
        sent: Seq(2),
        detached: lost(now()),
        entries: vec![message(1), message(2)],
        ..save(&held)
    };
    assert_eq!(save_one(&store, let_go).await, Saved::Kept);
    let taken = take(&store, claim(1, 1, B)).await;
    assert_eq!(numbers(&taken.entries), [1, 2]);
    // A holder that does not let go is overruled; its own node needs not ask.
    store.open(&record(2, A)).await.unwrap();
    let force = Claim {
        force: true,
        ..claim(2, 1, B)
    };
    assert!(take(&store, force).await.before.detached.is_none());
    store.open(&record(3, A)).await.unwrap();
    take(&store, claim(3, 1, A)).await;
    let notes = store.beat(A, now(), LONG).await.unwrap().notes;
    assert_eq!(notes, [note(1, 2, true), note(2, 2, false)]);
}

pub(crate) async fn a_session_of_a_node_that_is_gone_is_free_to_claim(store: impl SessionStore) {
    store.open(&record(1, A)).await.unwrap();
    let taken = take(&store, claim(1, 1, B)).await;
    assert!(taken.before.detached.is_none());
    store.beat(B, now(), LONG).await.unwrap();
    let answer = store.claim(claim(1, 2, C)).await.unwrap();
    assert!(matches!(answer, Claimed::Open(B)));
    store.leave(B).await.unwrap();
    assert_eq!(take(&store, claim(1, 2, C)).await.generation, 3);
}

pub(crate) async fn a_save_that_comes_twice_counts_once(store: impl SessionStore) {
    let held = record(1, A);
    store.open(&held).await.unwrap();
    let first = Save {
        sent: Seq(3),
        entries: (1..=3).map(message).collect(),
        ..save(&held)
    };
    let second = Save {
        sent: Seq(5),
        entries: (2..=5).map(message).collect(),
        ..save(&held)
    };
    for news in [&first, &first, &second, &second] {
        assert_eq!(save_one(&store, news.clone()).await, Saved::Kept);
    }
    let taken = take(&store, claim(1, 1, B)).await;
    assert_eq!(taken.entries, (1..=5).map(message).collect::<Vec<_>>());
    assert_eq!(taken.before.sent, Seq(5));
}

pub(crate) async fn numbers_wrap_in_the_store_too(store: impl SessionStore) {
    let last = u32::MAX;
    let held = Record {
        sent: Seq(last - 2),
        acked: Seq(last - 2),
        ..record(1, A)
    };
    store.open(&held).await.unwrap();
    let news = Save {
        sent: Seq(2),
        entries: [last - 1, last, 0, 1, 2].map(message).into(),
        ..save(&held)
    };
    save_one(&store, news.clone()).await;
    save_one(&store, news.clone()).await;
    let acked = Save {
        acked: Seq(0),
        base: Seq(last),
        ..news
    };
    save_one(&store, acked).await;
    let taken = take(&store, claim(1, 1, B)).await;
    assert_eq!(numbers(&taken.entries), [1, 2]);
    assert_eq!((taken.before.sent, taken.before.acked), (Seq(2), Seq(0)));
    // Generations wrap like numbers.
    let held = Record {
        generation: last,
        good: last,
        detached: lost(now()),
        ..record(2, A)
    };
    store.open(&held).await.unwrap();
    assert_eq!(take(&store, claim(2, last, B)).await.generation, 0);
    assert_eq!(store.open(&held).await.unwrap(), Opened::Later);
    assert_eq!(take(&store, claim(2, last, B)).await.generation, 1);
}

pub(crate) async fn what_left_the_holders_log_leaves_the_store(store: impl SessionStore) {
    let held = record(1, A);
    store.open(&held).await.unwrap();
    for seq in 1..=500 {
        let news = Save {
            sent: Seq(seq),
            base: Seq(seq.saturating_sub(8)),
            entries: vec![message(seq)],
            ..save(&held)
        };
        assert_eq!(save_one(&store, news).await, Saved::Kept);
    }
    let taken = take(&store, claim(1, 1, B)).await;
    assert_eq!(numbers(&taken.entries), (493..=500).collect::<Vec<_>>());
    assert_eq!(
        taken.before.acked,
        Seq(0),
        "that the client has them was never said"
    );
}

pub(crate) async fn a_session_ends_once_and_not_at_an_earlier_generation(store: impl SessionStore) {
    detached(&store, 1, A).await;
    assert_eq!(store.end(end(A, 1, 0)).await.unwrap(), None);
    let ended = store.end(end(A, 1, 1)).await.unwrap();
    assert_eq!(ended, Some(Before::Own));
    let again = store.end(end(A, 1, 1)).await.unwrap();
    assert_eq!(again, Some(Before::Ended));
    assert_eq!(store.end(end(A, 1, 0)).await.unwrap(), None);
    let answer = store.claim(claim(1, 1, B)).await.unwrap();
    assert!(matches!(answer, Claimed::Unknown));
    assert_eq!(save_one(&store, save(&record(1, A))).await, Saved::Fenced);
}

pub(crate) async fn an_end_and_a_claim_at_once_have_one_winner(store: impl SessionStore + Clone) {
    for sid in 0..50 {
        detached(&store, sid, A).await;
        let other = store.clone();
        let end = tokio::spawn(async move { other.end(end(A, sid, 1)).await.unwrap() });
        let claimed = store.claim(claim(sid, 1, B)).await.unwrap();
        let ended = end.await.unwrap().is_some();
        match claimed {
            Claimed::Taken(_) => assert!(!ended),
            Claimed::Unknown => assert!(ended),
            other => panic!("{other:?}"),
        }
    }
}

/// What `node` adopts, once there is something: leases are judged by the store's clock.
async fn adopt(store: &impl SessionStore, node: NodeId, max: usize) -> Vec<Adopted> {
    for _ in 0..1000 {
        let adopted = store.adopt(node, now(), max).await.unwrap();
        if !adopted.is_empty() {
            return adopted;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("nothing to adopt");
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

pub(crate) async fn of_two_nodes_at_one_generation_the_first_to_tell_has_the_session(
    store: impl SessionStore,
) {
    for node in [A, B, C] {
        store.beat(node, now(), LONG).await.unwrap();
    }
    detached(&store, 1, A).await;
    // Both have gone on with it while the store could not be asked.
    let next = |node| Record {
        generation: 2,
        ..record(1, node)
    };
    let opened = store.open(&next(B)).await.unwrap();
    assert_eq!(opened, Opened::Kept(Before::Others { counted: true }));
    assert_eq!(store.open(&next(C)).await.unwrap(), Opened::Elsewhere);
    let again = store.open(&next(B)).await.unwrap();
    assert_eq!(again, Opened::Kept(Before::Own));
    let notes = store.beat(A, now(), LONG).await.unwrap().notes;
    assert_eq!(notes, [note(1, 2, true)], "it lost its connection there");
    for node in [B, C] {
        let notes = store.beat(node, now(), LONG).await.unwrap().notes;
        assert!(notes.is_empty(), "{notes:?}");
    }
    assert_eq!(save_one(&store, save(&next(B))).await, Saved::Kept);
    assert_eq!(save_one(&store, save(&next(C))).await, Saved::Fenced);
}

/// A node is told that another one has ended a session.
fn ended(sid: u128, generation: u32, yours: bool) -> Note {
    Note::Ended {
        sid,
        generation,
        yours,
    }
}

pub(crate) async fn a_session_that_was_ended_stays_so_and_its_holder_is_told(
    store: impl SessionStore,
) {
    store.beat(A, now(), LONG).await.unwrap();
    let held = detached(&store, 1, A).await;
    let over = store.end(end(B, 1, 1)).await.unwrap();
    assert_eq!(over, Some(Before::Others { counted: true }));
    let notes = store.beat(A, now(), LONG).await.unwrap().notes;
    assert_eq!(notes, [ended(1, 1, true)]);
    assert_eq!(store.open(&held).await.unwrap(), Opened::Elsewhere);
    // A node that went on with it meanwhile begins it anew.
    let later = Record {
        generation: 2,
        ..held
    };
    let opened = store.open(&later).await.unwrap();
    assert_eq!(opened, Opened::Kept(Before::Ended));
    let over = store.end(end(A, 1, 2)).await.unwrap();
    assert_eq!(over, Some(Before::Own));
    let beat = store.beat(A, now(), LONG).await.unwrap();
    assert!(beat.notes.is_empty(), "it knows that");
    let twin = End {
        closes: false,
        ..end(B, 2, 1)
    };
    detached(&store, 2, A).await;
    let over = store.end(twin).await.unwrap();
    assert_eq!(over, Some(Before::Others { counted: false }));
    let notes = store.beat(A, now(), LONG).await.unwrap().notes;
    assert_eq!(notes, [ended(2, 1, false)], "what it counted is still open");
}

pub(crate) async fn the_end_of_a_session_that_went_on_unheard_ends_what_is_known_of_it(
    store: impl SessionStore,
) {
    store.beat(A, now(), LONG).await.unwrap();
    let unheard = |sid| End {
        closes: false,
        ..end(B, sid, 3)
    };
    // Its holder has lost the connection and counts that.
    let held = detached(&store, 1, A).await;
    let over = store.end(unheard(1)).await.unwrap();
    assert_eq!(over, Some(Before::Others { counted: true }));
    // Its holder has not noticed.
    store.open(&record(2, A)).await.unwrap();
    let over = store.end(unheard(2)).await.unwrap();
    assert_eq!(over, Some(Before::Others { counted: false }));
    let notes = store.beat(A, now(), LONG).await.unwrap().notes;
    assert_eq!(notes, [ended(1, 3, true), ended(2, 3, false)]);
    assert_eq!(save_one(&store, save(&held)).await, Saved::Fenced);
    assert_eq!(store.open(&held).await.unwrap(), Opened::Elsewhere);
    let answer = store.claim(claim(1, 1, C)).await.unwrap();
    assert!(matches!(answer, Claimed::Unknown), "{answer:?}");
    // Its holder has ended it, or has told nobody.
    detached(&store, 3, A).await;
    store.end(end(A, 3, 1)).await.unwrap();
    let over = store.end(unheard(3)).await.unwrap();
    assert_eq!(over, Some(Before::Ended));
    let over = store.end(unheard(4)).await.unwrap();
    assert_eq!(over, Some(Before::Nothing));
    for sid in 1..=4 {
        let opened = store.open(&record(sid, A)).await.unwrap();
        assert_eq!(opened, Opened::Elsewhere, "it is over");
    }
}

pub(crate) async fn who_goes_on_with_a_session_learns_whether_its_loss_is_counted(
    store: impl SessionStore,
) {
    store.beat(A, now(), LONG).await.unwrap();
    detached(&store, 1, A).await;
    store.open(&record(2, A)).await.unwrap();
    for (sid, counted) in [(1, true), (2, false)] {
        let next = Record {
            generation: 2,
            ..record(sid, B)
        };
        let opened = store.open(&next).await.unwrap();
        assert_eq!(opened, Opened::Kept(Before::Others { counted }));
        let notes = store.beat(A, now(), LONG).await.unwrap().notes;
        assert_eq!(notes, [note(sid, 2, counted)]);
    }
}

pub(crate) async fn a_node_learns_that_its_lease_was_over(store: impl SessionStore) {
    assert!(store.beat(A, now(), LONG).await.unwrap().lapsed, "unknown");
    assert!(!store.beat(A, now(), 0).await.unwrap().lapsed);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert!(store.beat(A, now(), LONG).await.unwrap().lapsed);
    assert!(!store.beat(A, now(), LONG).await.unwrap().lapsed);
    store.leave(A).await.unwrap();
    assert!(store.beat(A, now(), LONG).await.unwrap().lapsed);
}

pub(crate) async fn a_session_that_is_opened_anew_begins_without_messages(
    store: impl SessionStore,
) {
    let held = record(1, A);
    store.open(&held).await.unwrap();
    let news = Save {
        sent: Seq(2),
        entries: vec![message(1), message(2)],
        ..save(&held)
    };
    save_one(&store, news).await;
    let ahead = Record {
        generation: 2,
        sent: Seq(9),
        acked: Seq(9),
        detached: lost(now()),
        ..held
    };
    let opened = store.open(&ahead).await.unwrap();
    assert_eq!(opened, Opened::Kept(Before::Own));
    let taken = take(&store, claim(1, 2, B)).await;
    assert_eq!(taken.before, ahead);
    assert!(taken.entries.is_empty());
}

pub(crate) async fn batches_are_answered_one_by_one(store: impl SessionStore) {
    assert!(store.save(&[]).await.unwrap().is_empty());
    let mut batch = Vec::new();
    for sid in 0..300 {
        let held = record(sid, A);
        if sid % 3 != 0 {
            store.open(&held).await.unwrap();
        }
        let mut big = message(1);
        big.payload = vec![7; 20_000].into();
        batch.push(Save {
            sent: Seq(1),
            entries: vec![big],
            ..save(&held)
        });
    }
    let answers = store.save(&batch).await.unwrap();
    assert_eq!(answers.len(), 300);
    for (sid, answer) in answers.into_iter().enumerate() {
        let expected = if sid % 3 == 0 {
            Saved::Fenced
        } else {
            Saved::Kept
        };
        assert_eq!(answer, expected, "{sid}");
    }
    assert_eq!(
        take(&store, claim(299, 1, B)).await.entries[0]
            .payload
            .len(),
        20_000
    );
}

/// Three nodes do what comes to mind; a model of a few lines knows who must win.
pub(crate) async fn random_histories_keep_their_identities(store: impl SessionStore) {
    for seed in 0..8 {
        history(&store, seed).await;
    }
}

async fn history(store: &impl SessionStore, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let nodes = [A, B, C].map(|node| NodeId(node.0 ^ (seed << 32)));
    for node in nodes {
        store.beat(node, now(), LONG).await.unwrap();
    }
    let base = u128::from(seed) << 64;
    let mut model: BTreeMap<u128, Record> = BTreeMap::new();
    let mut ended: BTreeMap<u128, u32> = BTreeMap::new();
    for step in 0..250 {
        let sid = base + u128::from(random.u32(0..6));
        let node = nodes[random.usize(0..3)];
        let known = model.get(&sid).cloned();
        match (random.u32(0..6), known) {
            (0, known) => {
                let generation = random.u32(1..6);
                let opened = Record {
                    generation,
                    ..record(sid, node)
                };
                let is_over = ended.get(&sid).is_some_and(|last| *last >= generation);
                let expected = match &known {
                    _ if is_over => Opened::Elsewhere,
                    Some(known) if known.generation > generation => Opened::Later,
                    Some(known) if known.generation == generation && known.node != node => {
                        Opened::Elsewhere
                    }
                    Some(known) if known.node != node => {
                        let counted = known.is_counted();
                        Opened::Kept(Before::Others { counted })
                    }
                    Some(_) => Opened::Kept(Before::Own),
                    None if ended.contains_key(&sid) => Opened::Kept(Before::Ended),
                    None => Opened::Kept(Before::Nothing),
                };
                assert_eq!(
                    store.open(&opened).await.unwrap(),
                    expected,
                    "{seed} {step}"
                );
                if matches!(expected, Opened::Kept(_)) {
                    model.insert(sid, opened);
                }
            }
            (1 | 2, Some(known)) => {
                let generation = known.generation + u32::from(random.u8(0..4) == 0);
                let holds = node == known.node && generation == known.generation;
                let news = Save {
                    node,
                    generation,
                    confirmed: random.bool(),
                    detached: random.bool().then(|| lost(now())).flatten(),
                    ..save(&known)
                };
                let expected = if holds { Saved::Kept } else { Saved::Fenced };
                let Save {
                    detached,
                    confirmed,
                    ..
                } = news;
                assert_eq!(save_one(store, news).await, expected, "{seed} {step}");
                if holds {
                    let good = if confirmed { generation } else { known.good };
                    let known = Record {
                        good,
                        detached,
                        ..known
                    };
                    model.insert(sid, known);
                }
            }
            (3 | 4, Some(known)) => {
                let generation = known.generation - random.u32(0..4).min(known.generation);
                let answer = store.claim(claim(sid, generation, node)).await.unwrap();
                let is_open = known.detached.is_none() && known.node != node;
                match answer {
                    Claimed::Replayed(_) => assert!(generation < known.good),
                    Claimed::Open(holder) => assert!(is_open && holder == known.node),
                    Claimed::Taken(taken) => {
                        assert!(!is_open && generation >= known.good);
                        assert_eq!(taken.before, known, "{seed} {step}");
                        assert_eq!(taken.generation, known.generation + 1);
                        let mut after = known;
                        after.generation += 1;
                        after.good = generation;
                        after.node = node;
                        after.complete = false;
                        after.detached = None;
                        // The store writes down when it was claimed; the model need not guess.
                        after.heard = now();
                        let news = Save {
                            confirmed: false,
                            ..save(&after)
                        };
                        assert_eq!(save_one(store, news).await, Saved::Kept);
                        model.insert(sid, after);
                    }
                    other => panic!("{seed} {step}: {other:?}"),
                }
            }
            (_, Some(known)) => {
                let generation = known.generation + random.u32(0..3) - 1;
                let closes = random.bool();
                let over = End {
                    closes,
                    ..end(node, sid, generation)
                };
                let before = store.end(over).await.unwrap();
                let closes = closes || generation > known.generation;
                let expected = match &known {
                    _ if generation < known.generation => None,
                    known if known.node == node => Some(Before::Own),
                    known => Some(Before::Others {
                        counted: closes && known.is_counted(),
                    }),
                };
                assert_eq!(before, expected, "{seed} {step}");
                if before.is_some() {
                    model.remove(&sid);
                    ended.insert(sid, generation);
                }
            }
            (_, None) => {
                let answer = store.claim(claim(sid, 1, node)).await.unwrap();
                assert!(matches!(answer, Claimed::Unknown));
            }
        }
    }
    for node in nodes {
        store.leave(node).await.unwrap();
    }
    let heir = NodeId(0xdead_0000 + seed);
    store.beat(heir, now(), LONG).await.unwrap();
    let adopted = store.adopt(heir, now(), 100).await.unwrap();
    let sids: BTreeSet<_> = adopted.iter().map(|one| one.record.sid).collect();
    assert_eq!(sids, model.keys().copied().collect());
    for one in adopted {
        let known = &model[&one.record.sid];
        assert_eq!(one.was_attached, known.detached.is_none());
        let over = end(heir, one.record.sid, one.record.generation);
        assert_eq!(store.end(over).await.unwrap(), Some(Before::Own));
    }
    store.leave(heir).await.unwrap();
}
