//! What is kept of a session: its numbers, its messages, and nothing of an older one.

use campanile_ws::resume::Seq;
use campanile_ws::resume::store::{Before, Opened, Record, Save, Saved, SessionStore};

use crate::make::*;

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
