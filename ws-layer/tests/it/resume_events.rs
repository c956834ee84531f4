//! What sessions say in the log: once for each thing that happens, and no more lines than spans.

use std::time::Duration;

use campanile_semconv::{event, span};
use campanile_ws::resume::store::MemoryStore;
use campanile_ws::{Sessions, observe};

use crate::logged::Logged;
use crate::probe::Probe;
use crate::resume::Live;
use crate::wire::wire;

#[tokio::test]
async fn a_session_is_told_of_when_it_begins_and_when_it_ends_and_not_in_between() {
    let (logged, _guard) = Logged::listen();
    let live = Live::start().await;
    let client = live.dial("new").await;
    let sid = client.sid().to_owned();
    let token = client.lose();
    live.detached(1).await;
    assert_eq!(live.resume(&token, 0).await.state(), "resumed");
    live.detached(1).await;
    assert!(logged.of(event::SESSION_END).is_empty());
    live.wall.advance(Duration::from_secs(121));
    live.detached(0).await;
    for (event, end) in [
        (event::SESSION_START, None),
        (event::SESSION_END, Some("abandoned")),
    ] {
        let lines = logged.of(event);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["session.id"], sid);
        assert_eq!(lines[0]["websocket.endpoint"], "live");
        let told = lines[0].get("websocket.session.end");
        assert_eq!(told.map(String::as_str), end);
    }
    assert!(logged.of(event::WEBSOCKET_RESUME_FAILED).is_empty());
}

#[tokio::test]
async fn an_attempt_that_fails_is_told_of_and_a_replayed_token_by_its_own_name() {
    let (logged, _guard) = Logged::listen();
    let live = Live::start().await;
    let first = live.dial("new").await;
    let (sid, stolen) = (first.sid().to_owned(), first.lose());
    live.detached(1).await;
    let mut client = live.resume(&stolen, 0).await;
    client.ack_and_wait(0).await;
    let thief = live.resume(&stolen, 0).await;
    let junk = live.resume("junk", 0).await;
    let replayed = logged.of(event::WEBSOCKET_TOKEN_REPLAYED);
    assert_eq!(replayed.len(), 1, "{replayed:?}");
    assert_eq!(replayed[0]["session.id"], thief.sid());
    assert!(replayed[0]["session.previous_id"].contains(&sid));
    assert_eq!(replayed[0]["websocket.resume.result"], "token_replayed");
    let failed = logged.of(event::WEBSOCKET_RESUME_FAILED);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["session.id"], junk.sid());
    assert_eq!(failed[0]["websocket.resume.result"], "token_invalid");
    let said = format!("{replayed:?} {failed:?}");
    assert!(!said.contains(&stolen) && !said.contains("junk"));
}

#[tokio::test]
async fn who_brings_junk_in_a_loop_fills_no_log() {
    let (logged, _guard) = Logged::listen();
    let few = |builder: campanile_ws::Builder| builder.spans_per_second(1);
    let live = Live::with(MemoryStore::new(), |resume| resume, few).await;
    for _ in 0..100 {
        assert_eq!(live.resume("junk", 0).await.state(), "token_invalid");
    }
    let spans = live.probe().moments(span::WEBSOCKET_CONNECT).len();
    let starts = logged.of(event::SESSION_START).len();
    let failed = logged.of(event::WEBSOCKET_RESUME_FAILED).len();
    assert_eq!((starts, failed), (spans, spans));
    assert!((1..100).contains(&spans), "{spans}");
    assert_eq!(live.attempts("token_invalid"), 100, "counted they are");
}

#[tokio::test(start_paused = true)]
async fn a_drain_tells_each_second_who_is_still_to_leave() {
    let (logged, _guard) = Logged::listen();
    let probe = Probe::new();
    let sessions = Sessions::builder(&probe.handle()).build();
    let (socket, _peer) = wire(10, 0);
    // Its handler does not notice.
    let _session = observe(socket, &sessions).start();
    let drained = sessions.drain(Duration::from_millis(3500)).await;
    assert_eq!(drained.remaining, 1);
    let lines = logged.of(event::WEBSOCKET_DRAIN_PROGRESS);
    let remaining: Vec<_> = lines
        .iter()
        .map(|line| &*line["websocket.remaining.count"])
        .collect();
    assert_eq!(remaining, ["1", "1", "1"]);
}
