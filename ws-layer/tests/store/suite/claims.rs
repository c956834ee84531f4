//! Who may have a session: claims, and the one generation that holds it.

use std::collections::BTreeSet;

use campanile_ws::resume::Seq;
use campanile_ws::resume::store::{
    Before, Claim, Claimed, NodeId, Note, Opened, Record, Save, Saved, SessionStore,
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
