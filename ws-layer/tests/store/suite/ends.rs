//! How a session ends, and who has it when two nodes believe they do.

use campanile_ws::resume::store::{
    Before, Claimed, End, Note, Opened, Record, Saved, SessionStore,
};

use crate::make::*;

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

/// A node is told that another one has ended a session.
fn ended(sid: u128, generation: u32, yours: bool) -> Note {
    Note::Ended {
        sid,
        generation,
        yours,
    }
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
