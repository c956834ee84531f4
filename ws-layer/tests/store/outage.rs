//! Redis goes and comes back while it is used.

use std::time::{Duration, Instant};

use campanile_ws::resume::Seq;
use campanile_ws::resume::store::{Before, Claimed, Opened, RedisStore, Save, Saved, SessionStore};

use crate::make::*;
use crate::server::Redis;
use crate::until::{HANG, until};

/// Far above what a call may take, far below what hangs.
const SOON: Duration = Duration::from_secs(5);

/// Until the store answers again.
async fn is_back(store: &RedisStore) {
    let answer = async || store.beat(A, now(), LONG).await.ok();
    until(HANG, "a store that answers", answer).await;
}

/// Every call fails, and none of them hangs.
async fn all_fail(store: &RedisStore) {
    let held = record(1, A);
    let begun = Instant::now();
    assert!(store.open(&held).await.is_err());
    assert!(store.save(&[save(&held)]).await.is_err());
    assert!(store.claim(claim(1, 1, B)).await.is_err());
    assert!(store.end(end(A, 1, 1)).await.is_err());
    assert!(store.beat(A, now(), LONG).await.is_err());
    assert!(store.adopt(A, now(), 1).await.is_err());
    assert!(store.leave(A).await.is_err());
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_restarted_is_found_again_and_knows_nothing() {
    let Some(mut server) = Redis::start().await else {
        return;
    };
    let store = RedisStore::connect(&server.url()).unwrap();
    let held = record(1, A);
    let opened = store.open(&held).await.unwrap();
    assert_eq!(opened, Opened::Kept(Before::Nothing));
    server.kill();
    all_fail(&store).await;
    server.restart().await;
    is_back(&store).await;
    // The scripts have to be loaded anew, too.
    assert_eq!(save_one(&store, save(&held)).await, Saved::Fenced);
    let answer = store.claim(claim(1, 1, B)).await.unwrap();
    assert!(matches!(answer, Claimed::Unknown));
    // The holder tells it again what it has.
    let opened = store.open(&held).await.unwrap();
    assert_eq!(opened, Opened::Kept(Before::Nothing));
    let news = Save {
        sent: Seq(1),
        entries: vec![message(1)],
        detached: lost(now()),
        ..save(&held)
    };
    assert_eq!(save_one(&store, news).await, Saved::Kept);
    assert_eq!(take(&store, claim(1, 1, B)).await.entries, [message(1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_paused_fails_in_time_and_goes_on_with_what_it_knows() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let short = Duration::from_millis(200);
    let store = RedisStore::connect(&server.url()).unwrap().timeout(short);
    is_back(&store).await;
    let held = record(1, A);
    while store.open(&held).await.is_err() {}
    server.pause();
    let late = Save {
        sent: Seq(1),
        entries: vec![message(1)],
        ..save(&held)
    };
    let begun = Instant::now();
    assert!(store.save(std::slice::from_ref(&late)).await.is_err());
    // A crowd does not queue up behind it.
    let calls = (0..500).map(|sid| store.claim(claim(1000 + sid, 1, B)));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(Result::is_err));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    server.resume();
    is_back(&store).await;
    // Nobody knows whether the save whose answer was lost was done: it comes again.
    assert_eq!(retried(&store, &late).await, Saved::Kept);
    let news = Save {
        sent: Seq(2),
        entries: vec![message(1), message(2)],
        detached: lost(now()),
        ..save(&held)
    };
    assert_eq!(retried(&store, &news).await, Saved::Kept);
    let store = server.store();
    let taken = take(&store, claim(1, 1, B)).await;
    assert_eq!(taken.entries, [message(1), message(2)]);
}

async fn retried(store: &RedisStore, news: &Save) -> Saved {
    loop {
        if let Ok(answers) = store.save(std::slice::from_ref(news)).await {
            return answers[0];
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_may_be_made_before_its_redis_is_there() {
    let Some(mut server) = Redis::start().await else {
        return;
    };
    server.kill();
    let store = RedisStore::connect(&server.url()).unwrap();
    all_fail(&store).await;
    server.restart().await;
    is_back(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_has_its_prefix_and_its_end() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let store = server.store().prefix("shop:");
    let held = record(1, A);
    store.beat(A, now(), LONG).await.unwrap();
    store.beat(B, now(), LONG).await.unwrap();
    store.open(&held).await.unwrap();
    let news = Save {
        sent: Seq(1),
        entries: vec![message(1)],
        detached: lost(now()),
        ..save(&held)
    };
    save_one(&store, news).await;
    store.open(&record(2, A)).await.unwrap();
    let _ = store.claim(claim(2, 1, B)).await.unwrap();
    let keys = server.ask("KEYS *").await;
    let keys: Vec<_> = keys.lines().filter(|line| line.contains(':')).collect();
    assert_eq!(keys.len(), 7, "{keys:?}");
    for key in keys {
        assert!(key.starts_with("shop:"), "{key}");
        let left = server.ask(&format!("PTTL {key}")).await;
        let left: i64 = left.trim_start_matches(':').trim().parse().unwrap();
        let is_waiting = key.ends_with("00001");
        let most = if is_waiting { 120 + 300 } else { 24 * 60 * 60 };
        assert!((1..=most * 1000).contains(&left), "{key} {left}");
    }
    // When all is over there is nothing left but who is there.
    for (node, sid) in [(A, 1), (B, 2)] {
        let ended = store.end(end(node, sid, 1)).await.unwrap();
        assert!(ended.is_some_and(Before::is_there), "{ended:?}");
    }
    store.leave(A).await.unwrap();
    store.leave(B).await.unwrap();
    assert!(store.adopt(C, now(), 10).await.unwrap().is_empty());
    // And, for a while, which sessions have ended.
    let keys = server.ask("KEYS *").await;
    let keys: Vec<_> = keys.lines().filter(|line| line.contains(':')).collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        assert!(key.starts_with("shop:e:"), "{key}");
        let left = server.ask(&format!("PTTL {key}")).await;
        let left: i64 = left.trim_start_matches(':').trim().parse().unwrap();
        assert!((1..=300_000).contains(&left), "{key} {left}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_something_else_wrote_is_an_error_and_no_panic() {
    let Some(server) = Redis::start().await else {
        return;
    };
    let store = server.store().prefix("x");
    let key = format!("xs:{:032x}", 1);
    server.ask(&format!("SET {key} nonsense")).await;
    assert!(store.claim(claim(1, 1, A)).await.is_err());
    assert!(store.open(&record(1, A)).await.is_err());
    server.ask(&format!("DEL {key}")).await;
    server
        .ask(&format!(
            "HSET {key} generation 1 detached {} window 9 node y good 1",
            now()
        ))
        .await;
    assert!(store.claim(claim(1, 1, A)).await.is_err());
    assert!(RedisStore::connect("http://127.0.0.1").is_err());
    let text = format!(
        "{:?}",
        RedisStore::connect("redis://u:secret@127.0.0.1").unwrap()
    );
    assert!(!text.contains("secret"));
}
