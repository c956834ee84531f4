//! Sessions, nodes and messages to try stores with.

use std::time::SystemTime;

use axum::body::Bytes;
use campanile_ws::resume::store::{
    Before, Claim, Claimed, Detached, End, NodeId, Note, Opened, Record, Save, Saved, SessionStore,
    Taken,
};
use campanile_ws::resume::{Logged, Seq};
use campanile_ws::{Cause, ClassId, Kind};

pub(crate) const A: NodeId = NodeId(0xa);
pub(crate) const B: NodeId = NodeId(0xffff_ffff_ffff_fffb);
pub(crate) const C: NodeId = NodeId(0xc);

/// Longer than a test.
pub(crate) const LONG: u64 = 600_000;

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_millis().try_into().unwrap()
}

pub(crate) fn record(sid: u128, node: NodeId) -> Record {
    Record {
        sid,
        endpoint: "live \"ü\"".to_owned(),
        principal: [0, 1, 2, 255, 10, 13, 0, 8],
        generation: 1,
        good: 1,
        node,
        mark: [0xfe; 25],
        heard: now(),
        sent: Seq(0),
        acked: Seq(0),
        window: 120_000,
        kept: true,
        complete: false,
        detached: None,
    }
}

/// News that say what the record says, of a client that has spoken.
pub(crate) fn save(record: &Record) -> Save {
    Save {
        sid: record.sid,
        node: record.node,
        generation: record.generation,
        confirmed: true,
        heard: record.heard,
        sent: record.sent,
        acked: record.acked,
        base: record.acked,
        mark: None,
        complete: record.complete,
        detached: record.detached,
        entries: Vec::new(),
    }
}

pub(crate) fn lost(at: u64) -> Option<Detached> {
    Some(Detached {
        at,
        cause: Cause::SlowConsumer,
        counted: true,
    })
}

pub(crate) fn message(seq: u32) -> Logged {
    let is_text = seq.is_multiple_of(2);
    Logged {
        seq: Seq(seq),
        made: u64::from(seq) << 20,
        class: ClassId::default(),
        kind: if is_text { Kind::Text } else { Kind::Binary },
        payload: match is_text {
            true => Bytes::from(format!("\u{1e}message {seq}\r\n")),
            false => Bytes::from(vec![0xff, 0, 13, 10, seq.to_be_bytes()[3]]),
        },
    }
}

pub(crate) fn claim(sid: u128, generation: u32, node: NodeId) -> Claim {
    Claim {
        sid,
        generation,
        node,
        now: now(),
        force: false,
    }
}

/// A session that `node` detached just now, at generation 1.
pub(crate) async fn detached(store: &impl SessionStore, sid: u128, node: NodeId) -> Record {
    let record = Record {
        detached: lost(now()),
        complete: true,
        ..record(sid, node)
    };
    let opened = store.open(&record).await.unwrap();
    assert_eq!(opened, Opened::Kept(Before::Nothing));
    record
}

pub(crate) async fn save_one(store: &impl SessionStore, save: Save) -> Saved {
    let answers = store.save(&[save]).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers[0]
}

pub(crate) async fn take(store: &impl SessionStore, claim: Claim) -> Taken {
    match store.claim(claim).await.unwrap() {
        Claimed::Taken(taken) => *taken,
        other => panic!("not taken: {other:?}"),
    }
}

pub(crate) fn numbers(entries: &[Logged]) -> Vec<u32> {
    entries.iter().map(|entry| entry.seq.0).collect()
}

/// A node is told that another one has a session.
pub(crate) fn note(sid: u128, generation: u32, yours: bool) -> Note {
    Note::Claimed {
        sid,
        generation,
        yours,
    }
}

/// A node that has had a session, and counted that it lost its connection, says that it is over.
pub(crate) fn end(node: NodeId, sid: u128, generation: u32) -> End {
    End {
        sid,
        generation,
        node,
        closes: true,
    }
}
